"""Tagged sentences from files with a word a line, such as CoNLL-2003 and CoNLL-U."""

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

# Enough to know the columns of a file.
_FIRST_LINES = 20_000

# In the order in which TFDS numbers them.
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
    """Sentences between empty lines, columns between tabs or spaces.

    What the columns are is found by `column_layout`, as far as it is not given. Lines
    that number no single word, `1-2` and `1.1` in CoNLL-U, are left out. A document
    begins at `-DOCSTART-`, `# newdoc`, `###MEDLINE:…` and `#begin document`.

    Attributes:
        word_column, tag_column: place from 0, or from the end, -1 being the last, or
            name of a column; None: found.
    """

    word_column: Column | None = None
    tag_column: Column | None = None

    def sentences(self, path: str, reading: Reading) -> Iterator[Sentence]:
        """The sentences of one file, read lazily.

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
                f"{where}: received {line!r}, with an empty word or tag. Expected "
                "both: correct the line."
            )
        sentence.place = sentence.place or f"line {number}"
        sentence.lines.append(number)
        sentence.words.append(word)
        if sentence.tags is not None:
            sentence.tags.append(tag)
    if sentence.words:
        yield _checked(sentence, layout)


def _columns(line: str, count: int | None, where: str) -> list[str]:
    """The columns of a line, without empty ones at its end."""
    columns = split(line)
    while count and len(columns) > count and not columns[-1].strip():
        columns.pop()
    if count and len(columns) != count:
        raise ValueError(
            f"{where}: received {len(columns)} columns, {str(columns)[:200]}. Expected "
            f"{count}, as the lines before it or CoNLL-U has: correct the line, and "
            "put an empty line between sentences."
        )
    return columns


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(
            f"{where}: received {text!r} for the number of a word. Expected a number, "
            "as other lines have it: correct the line."
        )
    return int(text)


def _checked(sentence: Sentence, layout: Layout) -> Sentence:
    """The sentence, without tags if one is not known."""
    if layout.tag is None or layout.unknown in (sentence.tags or ()):
        sentence.tags = None
    return sentence


def _name(comment: str) -> str | None:
    """The name of a sentence in `# sent_id = x` (CoNLL-U) or `# id x` (MultiCoNER)."""
    key, _, value = comment[1:].partition("=")
    if key.strip() == "sent_id":
        return value.strip()
    match comment[1:].split():
        case ["id", name, *_]:
            return name
    return None
