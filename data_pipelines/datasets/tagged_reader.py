"""Tagged sentences from files and from TFDS: the part that all formats share."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit
from data_pipelines.datasets.table_reader import unknown_label
from data_pipelines.datasets.tagging_schemes import Scheme


@dataclasses.dataclass
class Sentence:
    """A sentence as a file has it.

    Attributes:
        place: in the file, such as "line 17".
        lines: of the words, where each has its own.
        words: none where a text is empty.
        tags: None: it has none; `missing` says why.
        opens_document: whether it is the first of a document.
        columns: of its row, unchanged, where files have rows.
        running: whether the words were found in running text, not given.
    """

    place: str = ""
    lines: list[int] = dataclasses.field(default_factory=list)
    words: list[str] = dataclasses.field(default_factory=list)
    tags: list[str] | None = dataclasses.field(default_factory=list)
    opens_document: bool = False
    name: str | None = None
    missing: str = "no tags"
    columns: dict[str, Any] = dataclasses.field(default_factory=dict)
    running: bool = False

    def place_of(self, word: int) -> str:
        """The place of a word, by its number in the sentence."""
        return f"line {self.lines[word]}" if self.lines else self.place


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggedReader:
    """Sentences with a tag for each word.

    Attributes:
        scheme: of the tags of entities, which become IOB2; None: tags are of something
            else, and are not changed.
        tfds_feature: name of the tags in TFDS.
    """

    scheme: Scheme | None = Scheme()
    tfds_feature: str = ""

    def sentences(self, path: str, reading: Reading) -> Iterator[Sentence]:
        """The sentences of one file, read lazily.

        Raises:
            ValueError: it is not as expected.
        """
        raise NotImplementedError

    def read_rows(
        self, files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, Any], TaggedSentence]]:
        """The columns of each row, unchanged, if files have rows, and its sentence.

        Raises:
            ValueError: a file is not as expected, or a tag is none of the known ones.
        """
        documents = number = 0
        for path in files.paths:
            is_open = False
            for sentence in self.sentences(path, reading):
                documents += sentence.opens_document or not is_open
                is_open |= sentence.opens_document
                name, number = sentence.name or str(number), number + 1
                tags = None
                words = tuple(sentence.words)
                if sentence.tags is not None and words and reading.reads_labels:
                    tags = self._checked(sentence, sentence.tags, reading, path)
                text, has_tags = " ".join(words), tags is not None
                if not reading.takes(text, has_tags, sentence.place, sentence.missing):
                    continue
                yield (
                    sentence.columns,
                    TaggedSentence(
                        name, words, tags, documents - 1, running=sentence.running
                    ),
                )

    def read_files(self, files: Files, reading: Reading) -> Iterator[TaggedSentence]:
        """The sentences of all files, as `read_rows` reads them."""
        return (sentence for _, sentence in self.read_rows(files, reading))

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
            checked = self._checked(Sentence(place), tags, reading, data.source)
            reading.log.use()
            name = example["idx"].decode("utf-8") if "idx" in example else str(number)
            yield TaggedSentence(name, tuple(words), checked, number)

    def _checked(
        self, sentence: Sentence, tags: Sequence[str], reading: Reading, source: str
    ) -> tuple[str, ...]:
        checked = tuple(tags)
        if self.scheme is not None:
            for number, tag in enumerate(tags):
                if not self.scheme.has(tag):
                    where = f"{source}, {sentence.place_of(number)}"
                    raise self.scheme.unknown_tag(tag, where)
            try:
                checked = self.scheme.to_iob2(tags)
            except ValueError as error:
                raise ValueError(f"{source}, {sentence.place}: {error}") from None
        for number, tag in enumerate(checked):
            if reading.labels is not None and tag not in reading.labels:
                where = f"{source}, {sentence.place_of(number)}"
                raise unknown_label(tag, where, reading.labels)
        return checked
