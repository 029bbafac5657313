"""Reads tagged sentences from files and TFDS: the part that all formats share."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit
from data_pipelines.datasets.table_reader import unknown_label
from data_pipelines.datasets.tagging_schemes import Scheme


@dataclasses.dataclass
class Sentence:
    """A sentence as read from a file.

    Attributes:
        place: location in the file, such as "line 17".
        lines: line numbers of the words, if each has its own line.
        words: the words; empty for an empty text.
        tags: one tag per word; None if there are none, see `missing`.
        opens_document: whether the sentence is the first of a document.
        name: id of the sentence, if any.
        missing: reason why there are no tags.
        columns: the unchanged columns of its row, if the file has rows.
        running: whether the words were split from running text.
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
        """Returns the location of a word, by its index in the sentence."""
        return f"line {self.lines[word]}" if self.lines else self.place


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggedReader:
    """Reader of sentences with one tag per word.

    Attributes:
        scheme: scheme of entity tags, which are converted to IOB2; None for other tags,
            which are not changed.
        tfds_feature: name of the feature with the tags in TFDS.
    """

    scheme: Scheme | None = Scheme()
    tfds_feature: str = ""

    def sentences(self, path: str, reading: Reading) -> Iterator[Sentence]:
        """Reads the sentences of one file lazily.

        Raises:
            ValueError: the file is malformed.
        """
        raise NotImplementedError

    def read_rows(
        self, files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, Any], TaggedSentence]]:
        """Yields the unchanged columns of each row, if any, and its sentence.

        Raises:
            ValueError: a file is malformed, or a tag is unknown.
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
        """Reads the sentences of all files, see `read_rows`."""
        return (sentence for _, sentence in self.read_rows(files, reading))

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[TaggedSentence]:
        """Reads the sentences of a TFDS split, which has no document boundaries."""
        names = data.features[self.tfds_feature].feature.names
        for number, example in enumerate(data.examples):
            place = f"example {number}"
            words = [word.decode("utf-8") for word in example["tokens"]]
            tags = [names[index] for index in example[self.tfds_feature]]
            # "_" means no tag; multiword tokens, whose words follow, have it.
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
