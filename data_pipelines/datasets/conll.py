"""Tagged sentences from files with a word a line, such as CoNLL-2003 and CoNLL-U."""

import dataclasses
from collections.abc import Iterator, Sequence

from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit, split_of
from data_pipelines.datasets.table_reader import unknown_label
from data_pipelines.datasets.tagging_schemes import to_iob2
from data_pipelines.datasets.text_files import read_lines

_DOCUMENT_LINE = "-DOCSTART-"
# ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC.
_CONLLU_COLUMNS = 10
UPOS_COLUMN = 3

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


@dataclasses.dataclass(frozen=True)
class ConllFile:
    """Sentences between empty lines, columns between tabs or spaces.

    Files that end in `.conllu` are read as CoNLL-U: words of several tokens (`1-2`)
    and words that are not in the text (`1.1`) are left out, and `# newdoc` opens a
    document, as a line `-DOCSTART-` does in other files.

    Attributes:
        tag_column: of the tags, from 0, or from the end, -1 being the last.
        are_entities: tags, in any of the usual schemes, become IOB2; else they are not
            changed.
        tfds_feature: name of the tags in TFDS.
    """

    tag_column: int = -1
    are_entities: bool = True
    tfds_feature: str = ""

    def read_files(self, files: Files, reading: Reading) -> Iterator[TaggedSentence]:
        """The sentences of all files.

        Raises:
            ValueError: a line has too few or too many columns, or a tag is not as
                expected.
        """
        documents = sentences = 0
        may_lack_tags = not reading.needs_labels
        for path in files.paths:
            is_open = False
            for sentence in _sentences(path, self.tag_column, may_lack_tags):
                documents += sentence.opens_document or not is_open
                is_open |= sentence.opens_document
                number, sentences = sentences, sentences + 1
                tags = None
                if not reading.reads_labels:
                    pass
                elif len(sentence.tags) == len(sentence.words):
                    where = f"{path}, {sentence.place}"
                    tags = self._checked(sentence.tags, reading, where)
                elif not may_lack_tags:
                    reading.log.skip("no tags", sentence.place)
                    continue
                reading.log.use()
                name = sentence.name or str(number)
                yield TaggedSentence(name, tuple(sentence.words), tags, documents - 1)

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[TaggedSentence]:
        """The sentences of a split of TFDS, which does not tell documents apart."""
        names = data.features[self.tfds_feature].feature.names
        for number, example in enumerate(data.examples):
            place = f"example {number}"
            words = [word.decode("utf-8") for word in example["tokens"]]
            tags = [names[index] for index in example[self.tfds_feature]]
            # "_" stands for no tag, at words of several tokens that follow it.
            if len(words) == len(tags):
                kept = [i for i, tag in enumerate(tags) if tag != "_"]
                words, tags = [words[i] for i in kept], [tags[i] for i in kept]
            if not any(word.strip() for word in words):
                reading.log.skip("no words", place)
                continue
            checked = self._checked(tags, reading, f"{data.source}, {place}")
            reading.log.use()
            name = example["idx"].decode("utf-8") if "idx" in example else str(number)
            yield TaggedSentence(name, tuple(words), checked, number)

    def _checked(
        self, tags: Sequence[str], reading: Reading, where: str
    ) -> tuple[str, ...]:
        try:
            checked = to_iob2(tags) if self.are_entities else tuple(tags)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        for tag in checked:
            if reading.labels is not None and tag not in reading.labels:
                raise unknown_label(tag, where, reading.labels)
        return checked


@dataclasses.dataclass
class _Sentence:
    """The words between two empty lines; `place` is the line of the first."""

    place: str = ""
    words: list[str] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=list)
    opens_document: bool = False
    name: str | None = None


def _sentences(path: str, tag_column: int, may_lack_tags: bool) -> Iterator[_Sentence]:
    is_conllu = path.lower().removesuffix(".gz").endswith(".conllu")
    num_columns = _CONLLU_COLUMNS if is_conllu else 0
    sentence = _Sentence()
    for number, line in enumerate(read_lines(path), start=1):
        if is_conllu and line.startswith("#"):
            name, _, value = line[1:].partition("=")
            sentence.opens_document |= name.split()[:1] == ["newdoc"]
            if name.strip() == "sent_id":
                sentence.name = value.strip()
            continue
        opens_document = not is_conllu and line.startswith(_DOCUMENT_LINE)
        if opens_document or not line.strip():
            if sentence.words:
                yield sentence
                sentence = _Sentence()
            sentence.opens_document |= opens_document
            continue
        columns = line.split("\t") if is_conllu or "\t" in line else line.split()
        num_columns = num_columns or len(columns)
        place = tag_column if tag_column >= 0 else num_columns + tag_column
        has_tags = 0 < place < num_columns
        is_complete = has_tags or (may_lack_tags and not is_conllu)
        if len(columns) != num_columns or not is_complete:
            expected = f"{num_columns}, as the lines before it or CoNLL-U has"
            if len(columns) == num_columns:
                expected = f"a word and a tag in column {tag_column}, counted from 0"
            raise ValueError(
                f"{path}, line {number}: received {len(columns)} columns, "
                f"{str(columns)[:200]}. Expected {expected}: correct the line or "
                "tag_column, and put an empty line between sentences."
            )
        if is_conllu and not columns[0].isdigit():
            continue
        word = columns[1 if is_conllu else 0]
        tag = columns[place] if has_tags else ""
        if not is_conllu and not (word.strip() and (tag.strip() or not has_tags)):
            raise ValueError(
                f"{path}, line {number}: received {line!r}, with an empty word or tag. "
                "Expected both: correct the line."
            )
        sentence.place = sentence.place or f"line {number}"
        sentence.words.append(word)
        # CoNLL-U writes "_" for a tag that is not known.
        if has_tags and not (is_conllu and tag == "_"):
            sentence.tags.append(tag)
    if sentence.words:
        yield sentence
