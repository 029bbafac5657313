"""Detects the columns of a file with one word per line from their contents.

Formats: CoNLL-2003 and its relatives (word first, tag last); CoNLL-X and CoNLL-U (ten
columns, the number of the word first); CoNLL-U Plus (columns named in the first line);
CoNLL-2012 (OntoNotes); GermEval 2014 (number, word, outer and inner tag); files with a
header. The columns decide the format, not the name of the file.
"""

import dataclasses
import itertools
import re
from collections.abc import Sequence

from data_pipelines.datasets.tagging_schemes import find_scheme
from data_pipelines.datasets.text_files import ending_of

# An index from 0, or from the end with -1, or the name of a column.
Column = int | str
Line = tuple[int, str]

CONLLU_COLUMNS = (
    *("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"),
)
# In these columns of CoNLL-U, "_" is an unknown tag; in others, it means no value.
_UNKNOWN_IN = ("UPOS", "XPOS")
# Columns of CoNLL-2012: number of the word, word and entity.
_NUMBER_2012, _WORD_2012, _ENTITY_2012 = 2, 3, 10
WORD_NAMES = {"word", "words", "token", "tokens", "form"}
_TAG_NAMES = {
    *("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity"),
    *("pos", "pos_tag", "pos_tags", "upos", "xpos", "chunk", "iob", "bio", "lemma"),
}
_COMMENT = re.compile(r"#+\s|#\s*[\w.]+\s*[:=]|#(begin|end) document\b|###MEDLINE:")
_KNOWN_COMMENT = re.compile(
    r"#\s*(id\s+\S|[\w.]+\s*[:=]\s|newdoc\b|newpar\b)|#(begin|end) document\b"
    r"|###MEDLINE:|#\s+https?://"
)
_DOCUMENT = re.compile(r"-DOCSTART-|###MEDLINE:|#begin document\b|#\s*newdoc\b")
# The number of a multiword token or an empty node of CoNLL-U.
_RANGE = re.compile(r"\d+-\d+|\d+\.\d+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of one file.

    Attributes:
        word, tag, number: indices of the columns of the word, of its tag (None: the
            file has no tags) and of its number (None: words are not numbered).
        count: number of columns; None if it differs between sentences.
        names: names of the columns, if known.
        has_header: whether the first line names the columns.
        unknown: the tag of words whose tag is unknown.
        tags: the tags in the lines from which the layout was detected.
        notes: messages to the user about ambiguous columns.
    """

    word: int = 0
    tag: int | None = -1
    number: int | None = None
    count: int | None
    names: tuple[str, ...] = ()
    has_header: bool = False
    unknown: str | None = None
    tags: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def is_comment(self, line: str) -> bool:
        """Returns True if a "#" line between sentences is a comment, not a word."""
        if self.number is not None or _KNOWN_COMMENT.match(line):
            return True
        if not _COMMENT.match(line):
            return False
        fields = split(line)
        if self.count is not None and len(fields) != self.count:
            return True
        # The word "#" has a tag that other words have, or the tag "#".
        tag = None if self.tag is None else fields[self.tag]
        return tag is not None and tag not in self.tags and "#" not in tag


def opens_document(line: str) -> bool:
    """Returns True if the line marks the beginning of a document."""
    return _DOCUMENT.match(line) is not None


def is_range(number: str) -> bool:
    """Returns True for numbers that are not of a word: `2-3` or `2.1`."""
    return _RANGE.fullmatch(number) is not None


def split(line: str) -> list[str]:
    """Splits a line into columns at tabs, or at spaces if there are no tabs."""
    # Other white space, such as a no-break space, is a word in some data; tabs at the
    # end of a line do not count.
    body = line.rstrip(" \t")
    if "\t" in (body if " " in body else line):
        return [field.strip(" ") for field in line.split("\t")]
    return re.split(" +", body.lstrip(" "))


def find_layout(
    path: str,
    lines: Sequence[Line],
    word_column: Column | None,
    tag_column: Column | None,
    may_lack_tags: bool,
) -> Layout:
    """Detects the layout of a file.

    Args:
        path: for messages; `.conllu` implies the columns of CoNLL-U.
        lines: the first lines with their numbers.
        word_column, tag_column: given by the user; None to detect them.
        may_lack_tags: whether the tags may be missing.

    Raises:
        ValueError: there is no such column, or the format is not recognised.
    """
    rows = _rows(lines)
    names = _global_columns(lines)
    has_header = bool(rows) and not names and _is_header(rows, word_column, tag_column)
    if has_header:
        names = tuple(rows[0].pop(0)[1])
        rows = [sentence for sentence in rows if sentence]
    if not rows:
        raise ValueError(
            f"{path} has no words. Expected one word and its tag per line, and an "
            "empty line between sentences."
        )
    first_line, first = rows[0][0]
    where = f"{path}, line {first_line}"
    is_conllu = ending_of(path) == "conllu"
    found = _format(rows, names, has_header, is_conllu)
    count = found.count
    word, tag = found.word, found.tag
    notes = list(found.notes)
    if word_column is not None:
        word, notes = _place(word_column, "word_column", found.names, count, where), []
    if tag_column is not None:
        tag = _place(tag_column, "tag_column", found.names, count, where)
        notes = notes[:1]
    # In formats with one column per predicate, the number of columns varies.
    varies = found.number is not None and not found.names and _varies(rows)
    if varies and (found.tag if tag_column is None else tag_column) == -1:
        raise ValueError(
            f"{where}: received {count} columns, and other numbers of columns in other "
            "sentences. Expected the tag column: give --tag_column, counted from 0."
        )
    tag = count + tag if tag < 0 else tag
    at = tag if 0 <= tag < count and tag != word else None
    if not 0 <= word < count or (at is None and (is_conllu or not may_lack_tags)):
        raise ValueError(
            f"{where}: received {count} columns, {str(first)[:200]}, with the words in "
            f"column {word}. Expected a word and a tag in column {tag}, counted from "
            "0: correct the line, or set word_column and tag_column."
        )
    names = found.names
    is_unknown = "MISC" in names and at is not None and names[at] in _UNKNOWN_IN
    tags = {f[at] for s in rows for _, f in s if at is not None and at < len(f)}
    return Layout(
        word=word,
        tag=at,
        number=None if word == found.number else found.number,
        count=None if varies else count,
        names=names,
        has_header=has_header,
        unknown="_" if is_unknown else None,
        tags=frozenset(tags),
        notes=tuple(notes),
    )


# The columns of the lines of each sentence.
_Rows = list[list[tuple[int, list[str]]]]


@dataclasses.dataclass(frozen=True)
class _Format:
    """Columns of the word, the tag and the word's number in a format."""

    count: int
    names: tuple[str, ...] = ()
    word: int = 0
    tag: int = -1
    number: int | None = None
    notes: tuple[str, ...] = ()


def _format(
    rows: _Rows, names: tuple[str, ...], has_header: bool, is_conllu: bool
) -> _Format:
    number = 0 if is_conllu or _counts(rows, 0) else None
    count = len(names) or len(_without_empty_end(rows[0][0][1]))
    if not names and (is_conllu or (number == 0 and _has_heads(rows))):
        names, count = CONLLU_COLUMNS, len(CONLLU_COLUMNS)
    if has_header:
        known = [i for i, name in enumerate(names) if name.lower() in WORD_NAMES]
        named = [i for i, name in enumerate(names) if name.lower() in _TAG_NAMES]
        last = named[-1] if named else -1
        return _Format(count, names, known[0] if known else 0, last, number)
    if names:
        word, tag = _named("FORM", names) or 0, _named("UPOS", names)
        numbers = _named("ID", names)
        return _Format(count, names, word, -1 if tag is None else tag, numbers)
    if count > _ENTITY_2012 and _counts(rows, _NUMBER_2012):
        return _Format(count, (), _WORD_2012, _ENTITY_2012, _NUMBER_2012)
    if number is None or count == 1:
        return _Format(count)
    notes = (
        "the first column numbers the words, which are read from the second column "
        "(--word_column=0 if the numbers are words)",
    )
    if count == 4 and _are_entities(rows, 2, 3):
        outer = (
            "of two columns of entities, the first is read, with the outer entities "
            "(--tag_column=3 for the inner ones)"
        )
        return _Format(count, (), 1, 2, number, (*notes, outer))
    return _Format(count, (), 1, -1, number, notes)


def _rows(lines: Sequence[Line]) -> _Rows:
    """Splits lines into columns, by sentence; leaves out lines that begin with "#"."""
    rows: _Rows = [[]]
    for number, line in lines:
        if not line.strip() or opens_document(line):
            rows.append([])
        elif not line.startswith("#"):
            rows[-1].append((number, split(line)))
    if not any(rows):
        rows = [[(number, split(line))] for number, line in lines if line.strip()]
        rows = [s for s in rows if not _KNOWN_COMMENT.match("\t".join(s[0][1]))]
    return [sentence for sentence in rows if sentence]


def _global_columns(lines: Sequence[Line]) -> tuple[str, ...]:
    for _, line in itertools.takewhile(lambda x: x[1].startswith("#"), lines):
        name, _, value = line[1:].partition("=")
        if name.strip() == "global.columns":
            return tuple(value.split())
    return ()


def _is_header(
    rows: _Rows, word_column: Column | None, tag_column: Column | None
) -> bool:
    fields = rows[0][0][1]
    lower = {field.lower() for field in fields}
    given = {column for column in (word_column, tag_column) if isinstance(column, str)}
    if given and {name.lower() for name in given} <= lower:
        return True
    return bool(lower & WORD_NAMES) and bool(lower & _TAG_NAMES)


def _counts(rows: _Rows, column: int) -> bool:
    """Returns True if a column numbers the words, per sentence or continuously."""
    before, is_longer = None, False
    for sentence in rows:
        for place, (_, fields) in enumerate(sentence):
            value = fields[column] if column < len(fields) else ""
            if place and is_range(value):
                continue
            if not (value.isascii() and value.isdigit()):
                if place or not is_range(value):
                    return False
                continue
            follows = before is not None and int(value) == before + 1
            if not follows and int(value) > 1:
                return False
            is_longer |= follows
            before = int(value)
    return is_longer


def _has_heads(rows: _Rows) -> bool:
    """Returns True for the columns of CoNLL-U: ten, the seventh a number or "_"."""
    some = list(itertools.islice(itertools.chain.from_iterable(rows), 1_000))
    return all(
        len(fields) == len(CONLLU_COLUMNS) and re.fullmatch(r"\d+|_", fields[6])
        for _, fields in some
    )


def _are_entities(rows: _Rows, *columns: int) -> bool:
    lines = [fields for sentence in rows for _, fields in sentence]
    tags = [{f[c] for f in lines if c < len(f)} for c in columns]
    found = [find_scheme(t) for t in tags]
    return any(scheme for scheme, _ in found) and all(
        (scheme is not None and not odd) or only == {"O"}
        for (scheme, odd), only in zip(found, tags, strict=True)
    )


def _varies(rows: _Rows) -> bool:
    counts = [{len(fields) for _, fields in sentence} for sentence in rows]
    return all(len(c) == 1 for c in counts) and len(set().union(*counts)) > 1


def _without_empty_end(fields: list[str]) -> list[str]:
    count = len(fields)
    while count > 1 and not fields[count - 1].strip():
        count -= 1
    return fields[:count]


def _named(name: str, names: Sequence[str]) -> int | None:
    lower = [known.lower() for known in names]
    return lower.index(name.lower()) if name.lower() in lower else None


def _place(
    column: Column, option: str, names: Sequence[str], count: int, where: str
) -> int:
    if isinstance(column, int):
        return column if column >= 0 else count + column
    place = _named(column, names)
    if place is None:
        known = f"one of {list(names)}, or a number" if names else "a number"
        raise ValueError(
            f"{where}: received {option}={column}. Expected {known}, counted from 0, "
            "or from the end with -1: the first line names no such column."
        )
    return place
