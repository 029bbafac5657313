"""Reads a user's own files of tagged sentences, in any format, and checks them."""

import dataclasses
import itertools
import re
from collections.abc import Iterator

from data_pipelines.datasets import brat, tagged_json
from data_pipelines.datasets.column_layout import WORD_NAMES, Column, split
from data_pipelines.datasets.conll import ConllFile
from data_pipelines.datasets.first_look import look_at
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Reading
from data_pipelines.datasets.tables import Row, read_rows
from data_pipelines.datasets.tagged_reader import Sentence, TaggedReader
from data_pipelines.datasets.tagged_spans import places_of_words
from data_pipelines.datasets.tagging_schemes import Scheme, find_scheme
from data_pipelines.datasets.text_files import ending_of, read_lines

# Number of sentences that are checked: enough to contain entities, and read twice.
_FIRST_SENTENCES = 10_000
_FIRST_LINES = 1_000
# Number of running texts that are split into words at a time.
_CHUNK = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggedFiles(TaggedReader):
    """Reader of words in columns, JSON (`tagged_json`) or brat, by name and contents.

    Attributes:
        word_column, tag_column: indices or names of columns, or JSON keys; None to
            detect them.
        text_column: column of running text in JSON, or in tables if no tags are needed.
        column_names: names of the columns of tables without a header.
        tag_names: names of tags that are numbers.
        trusts_tags: whether any tags are accepted, because the user specified them.
    """

    word_column: Column | None = None
    tag_column: Column | None = None
    text_column: str = "text"
    column_names: tuple[str, ...] = ()
    tag_names: tuple[str, ...] = ()
    trusts_tags: bool = False

    def sentences(self, path: str, reading: Reading) -> Iterator[Sentence]:
        """Checks the first sentences of a file, and reads all of them lazily.

        Raises:
            ValueError: the file is malformed, or words or tags are implausible.
        """
        found = self._of_format(path, reading)
        first = list(itertools.islice(found, _FIRST_SENTENCES))
        # The types of brat's spans are explicit.
        if brat.annotations_of(path) is not None:
            return itertools.chain(first, found)
        look_at(
            path,
            first,
            reading.log,
            is_start=len(first) == _FIRST_SENTENCES,
            trusts_words=self.word_column is not None,
            trusts_tags=self.trusts_tags,
            are_entities=self.scheme is not None,
        )
        has_tags = any(sentence.tags for sentence in first)
        if self.scheme is not None and self.scheme.note and has_tags:
            reading.log.note(self.scheme.note)
        return itertools.chain(first, found)

    def found_scheme(self, path: str, tags: str | None) -> Scheme | None:
        """Returns the scheme of the entity tags of a file; None for other tags.

        Args:
            path: path of the file.
            tags: "entities", "labels", or None to detect them.

        Raises:
            ValueError: the tags are ambiguous.
        """
        if tags == "labels":
            return None
        found = self._of_format(path, Reading("test", None, ReadLog("tags")))
        first = list(itertools.islice(found, _FIRST_SENTENCES))
        scheme, odd = find_scheme({tag for s in first for tag in s.tags or ()})
        if tags == "entities" or brat.annotations_of(path) is not None:
            has_types = any(tag != "O" for s in first for tag in s.tags or ())
            return scheme or Scheme("PER" if has_types else "B-PER")
        if scheme is None or not odd:
            return scheme
        place, word, tag = next(
            (s.place_of(number), s.words[number], tag)
            for s in first
            for number, tag in enumerate(s.tags or ())
            if tag in odd
        )
        fits = {*odd, scheme.outside}
        usual = next(t for s in first for t in s.tags or () if t not in fits)
        raise ValueError(
            f"{path}, {place}: received the tag {tag!r} of {word!r}, but other tags "
            f"are entity tags, such as {usual!r}. Expected all or none of them: "
            f"correct the tag ({scheme.outside!r} is outside of entities), or set "
            "--tags=entities or --tags=labels."
        )

    def _of_format(self, path: str, reading: Reading) -> Iterator[Sentence]:
        if ending_of(path) in tagged_json.ENDINGS:
            word, tag = (
                column if column is None else str(column)
                for column in (self.word_column, self.tag_column)
            )
            keys = tagged_json.Keys(word, tag, self.text_column, self.tag_names)
            return tagged_json.sentences(path, reading, keys)
        if not reading.needs_labels and self._is_table(path):
            names = self.column_names or None
            rows = read_rows(path, names, reading.log)
            return _running_texts(rows, self.text_column)
        annotations = brat.annotations_of(path)
        if annotations is not None:
            return brat.sentences(annotations, reading.log)
        _refuse_commas(path)
        file = ConllFile(word_column=self.word_column, tag_column=self.tag_column)
        return self._with_names(path, file.sentences(path, reading))

    def _with_names(
        self, path: str, sentences: Iterator[Sentence]
    ) -> Iterator[Sentence]:
        """Replaces tags that are numbers by their names, if names are given."""
        for sentence in sentences:
            if self.tag_names and sentence.tags is not None:
                try:
                    sentence.tags = [self.tag_names[int(t)] for t in sentence.tags]
                except (ValueError, IndexError):
                    raise ValueError(
                        f"{path}, {sentence.place}: received the tags {sentence.tags} "
                        f"and {len(self.tag_names)} tag_names. Expected numbers below "
                        f"{len(self.tag_names)}: correct the tags, or omit tag_names."
                    ) from None
            yield sentence

    def _is_table(self, path: str) -> bool:
        """Returns True if the file is a table with a column of running text."""
        return ending_of(path) in ("csv", "tsv") and self.text_column in (
            self.column_names or _header(path)
        )


def _running_texts(rows: Iterator[Row], column: str) -> Iterator[Sentence]:
    while chunk := list(itertools.islice(rows, _CHUNK)):
        texts = [row.value(column) for row in chunk]
        for row, text, places in zip(chunk, texts, places_of_words(texts), strict=True):
            words = [text[start:end] for start, end in places]
            yield Sentence(
                place=row.place,
                words=words,
                tags=None,
                opens_document=True,
                columns=row.values,
                running=True,
            )


def _header(path: str) -> list[str]:
    first = next(read_lines(path), "")
    return [name.strip(' "') for name in re.split("[,;\t]", first)]


def _refuse_commas(path: str) -> None:
    names = [name.lower() for name in _header(path)]
    first = next(read_lines(path), "")
    is_csv = ending_of(path) == "csv"
    is_named = len(names) > 1 and not WORD_NAMES.isdisjoint(names)
    if "\t" not in first and (is_csv or is_named) and re.search("[,;]", first):
        raise ValueError(
            f"{path} has commas between columns: {first[:100]!r}. Expected tabs or "
            "spaces, one word per line and an empty line between sentences: convert "
            "the file, or write JSON lines such as "
            '{"tokens": ["Kofi"], "tags": ["B-PER"]}; to tag running text, name its '
            "column with --first_column."
        )


def has_columns(path: str) -> bool:
    """Returns True if a file has words in columns, or is from brat; else plain text."""
    if path.lower().endswith(".ann"):
        return True
    lines = [line.rstrip() for line in itertools.islice(read_lines(path), _FIRST_LINES)]
    if any(line.startswith("-DOCSTART-") for line in lines):
        return True
    rows = [split(line) for line in lines if line and not line.startswith("#")]
    counts = {len(row) for row in rows}
    if len(counts) != 1 or max(counts) < 2:
        return False
    scheme, odd = find_scheme({row[-1] for row in rows})
    has_tabs = all("\t" in line for line in lines if line and not line.startswith("#"))
    is_by_words = has_tabs and "" in lines and not any(" " in row[0] for row in rows)
    return (scheme is not None and not odd) or is_by_words
