"""Reads tagged sentences from files with one word per line: CoNLL-2003, CoNLL-U."""

import dataclasses
import itertools
from collections.abc import Iterator

from data_pipelines.datasets.column_layout import (
    Column,
    Layout,
    find_layout,
    is_range,
    opens_document,
    split,
)
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Reading, split_of
from data_pipelines.datasets.tagged_reader import Sentence, TaggedReader
from data_pipelines.datasets.text_files import read_lines

# Number of lines from which the columns of a file are detected.
_FIRST_LINES = 20_000

# In the order of their ids in TFDS.
NER_TAGS = (
    *("O", "B-PER", "I-PER", "B-ORG", "I-ORG"),
    *("B-LOC", "I-LOC", "B-MISC", "I-MISC"),
)
POS_TAGS = (
    *('"', "''", "#", "$", "(", ")", ",", ".", ":", "``", "CC", "CD", "DT", "EX", "FW"),
    *("IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNP", "NNPS", "NNS", "NN|SYM"),
    *("PDT", "POS", "PRP", "PRP$", "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB"),
    *("VBD", "VBG", "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB"),
)
UPOS_TAGS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART"),
    *("PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
CONLL2003_SPLITS = {
    "train": split_of("eng.train", "train.txt", tfds="conll2003:train"),
    "dev": split_of("eng.testa", "valid.txt", tfds="conll2003:dev"),
    "test": split_of("eng.testb", "test.txt", tfds="conll2003:test"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConllFile(TaggedReader):
    """Reader of sentences between empty lines, with columns between tabs or spaces.

    Columns that are not given are detected by `column_layout`. Multiword tokens and
    empty nodes of CoNLL-U, `1-2` and `1.1`, are left out. A document begins at
    `-DOCSTART-`, `# newdoc`, `###MEDLINE:…` and `#begin document`.

    Attributes:
        word_column, tag_column: index from 0, or from the end with -1, or name of a
            column; None to detect it.
    """

    word_column: Column | None = None
    tag_column: Column | None = None

    def sentences(self, path: str, reading: Reading) -> Iterator[Sentence]:
        """Reads the sentences of one file lazily.

        Raises:
            ValueError: a line has too few or too many columns, or an empty one.
        """
        lines = enumerate(read_lines(path), start=1)
        first = list(itertools.islice(lines, _FIRST_LINES))
        columns = self.word_column, self.tag_column
        layout = find_layout(path, first, *columns, not reading.needs_labels)
        for note in layout.notes:
            reading.log.note(f"{path}: {note}")
        return _sentences(path, itertools.chain(first, lines), layout, reading.log)


def _sentences(
    path: str, lines: Iterator[tuple[int, str]], layout: Layout, log: ReadLog
) -> Iterator[Sentence]:
    sentence = Sentence()
    is_first, before, count = layout.has_header, 0, layout.count
    for number, line in lines:
        where = f"{path}, line {number}"
        if not line.strip() or opens_document(line):
            if sentence.words:
                yield _checked(sentence, layout)
                sentence, count = Sentence(), layout.count
            sentence.opens_document |= opens_document(line)
            continue
        is_comment = line.startswith("#") and layout.is_comment(line)
        if is_comment and (not sentence.words or layout.number is not None):
            sentence.name = _name(line) or sentence.name
            if layout.number is None:
                log.warn(
                    'line that begins with "#" read as a comment', f"line {number}"
                )
            continue
        if is_first:
            is_first = False
            continue
        columns = _columns(line, count, where)
        count = len(columns)
        if layout.number is not None:
            number_of_word = columns[layout.number]
            if is_range(number_of_word):
                continue
            starts = _number(number_of_word, where) <= before
            if sentence.words and starts:
                log.warn("no empty line before a sentence", f"line {number}")
                yield _checked(sentence, layout)
                sentence = Sentence()
            before = int(number_of_word)
        word = columns[layout.word]
        tag = "" if layout.tag is None else columns[layout.tag]
        if not word or (layout.tag is not None and not tag.strip()):
            raise ValueError(
                f"{where}: received {line!r}, with an empty word or tag. Expected a "
                "word and a tag: correct the line."
            )
        sentence.place = sentence.place or f"line {number}"
        sentence.lines.append(number)
        sentence.words.append(word)
        if sentence.tags is not None:
            sentence.tags.append(tag)
    if sentence.words:
        yield _checked(sentence, layout)


def _columns(line: str, count: int | None, where: str) -> list[str]:
    """Splits a line into columns, and drops surplus empty ones at its end."""
    columns = split(line)
    while count and len(columns) > count and not columns[-1].strip():
        columns.pop()
    if count and len(columns) != count:
        raise ValueError(
            f"{where}: received {len(columns)} columns, {str(columns)[:200]}. Expected "
            f"{count}, as in the lines before it or in CoNLL-U: correct the line, and "
            "put an empty line between sentences."
        )
    return columns


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"{where}: received {text!r} for the number of a word. Expected a number, "
            "as in other lines: correct the line."
        )
    return int(text)


def _checked(sentence: Sentence, layout: Layout) -> Sentence:
    """Removes all tags of a sentence if one of them is unknown."""
    if layout.tag is None or layout.unknown in (sentence.tags or ()):
        sentence.tags = None
    return sentence


def _name(comment: str) -> str | None:
    """Returns the sentence id in `# sent_id = x` (CoNLL-U) or `# id x` (MultiCoNER)."""
    key, _, value = comment[1:].partition("=")
    if key.strip() == "sent_id":
        return value.strip()
    match comment[1:].split():
        case ["id", name, *_]:
            return name
    return None
