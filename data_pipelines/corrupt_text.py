"""Creates pairs of corrupted and correct sentences from clean text, for training.

    python -m data_pipelines.corrupt_text --input_files='corpus/*.txt' \\
        --language=english --output_file=pairs.tsv

    python -m data_pipelines.corrupt_text --input_files='zhwiki/*.jsonl.gz' \\
        --language=chinese --confusions_from=real.tsv --output_file=pairs.tsv

The table has the columns `text` and `corrected`, as required by the kind correction; in
some rows both are the same. For the mistakes see `corrupt_english` and
`corrupt_chinese`. The same text and seed give the same table, and memory does not grow
with the text.
"""

import dataclasses
import functools
import itertools
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import tensorflow as tf

from data_pipelines.corpus import documents
from data_pipelines.corpus.chinese_mistakes import Confusions, corrupt_chinese
from data_pipelines.corpus.chunks import batches_of_text
from data_pipelines.corpus.english_mistakes import corrupt_english
from data_pipelines.corpus.layout import Layout, Lines
from data_pipelines.datasets import catalog
from data_pipelines.datasets.delimited import record_text
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.files.atomic import new_file
from data_pipelines.programs import cli

Language = Literal["english", "chinese"]

# Minimum and maximum number of characters: without headings, lists and tables.
_LENGTHS: dict[Language, tuple[int, int]] = {"english": (20, 300), "chinese": (8, 120)}
# Minimum share of characters in the script of the language.
_MIN_SHARE = 0.7
# Replacement characters until the first sentence has been read.
_FIRST_OTHERS = "的是不了人在有我他这"


@dataclasses.dataclass(frozen=True)
class CorruptTextOptions(Layout):
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of clean text, or patterns such as 'corpus/*.txt'."
    )
    output_file: str = cli.option(cli.REQUIRED, "Table to write, a new .tsv file.")
    language: Language = cli.option(cli.REQUIRED, "Language of the text.")
    seed: int = cli.option(0, "Random seed of the mistakes.")
    clean_fraction: float = cli.option(
        0.3, "Share of the sentences that are left unchanged."
    )
    max_pairs: int | None = cli.option(
        None,
        "Maximum number of pairs, taken evenly from all files. Default: all sentences.",
    )
    confusions_from: str | None = cli.option(
        None,
        "Chinese: real pairs from which to count confused characters: a table with "
        "the columns text and corrected, or a dataset of the catalogue. Sentences in "
        "another script (such as traditional characters) are skipped.",
    )
    data_dir: str | None = cli.option(
        None, "Folder of the dataset in --confusions_from."
    )

    def __post_init__(self) -> None:
        if not 0 <= self.clean_fraction <= 1:
            raise ValueError(
                f"Received clean_fraction={self.clean_fraction}. Expected 0 to 1."
            )
        if self.confusions_from is not None and self.language != "chinese":
            raise ValueError(
                f"Received confusions_from for language={self.language}. Expected it "
                "only for chinese: omit it."
            )
        cli.require_positive(max_pairs=self.max_pairs)
        if not self.output_file.endswith(".tsv"):
            raise ValueError(
                f"Received output_file={self.output_file!r}. Expected a name that ends "
                "in .tsv: rename it."
            )


def pairs(options: CorruptTextOptions) -> Iterator[tuple[str, str]]:
    """Yields pairs of corrupted and correct sentences.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file is malformed.
    """
    draw = random.Random(options.seed)
    confusions = _confusions(options)
    others = _FIRST_OTHERS
    for sentence in _sentences(options, confusions):
        if draw.random() < options.clean_fraction:
            yield sentence, sentence
        elif options.language == "english":
            yield corrupt_english(sentence, draw), sentence
        else:
            yield corrupt_chinese(sentence, draw, confusions, others), sentence
            # Replacements are drawn with the frequency of characters in the text.
            others = (others + sentence)[-1000:]


def _confusions(options: CorruptTextOptions) -> Confusions:
    source = options.confusions_from
    if source is None:
        return Confusions(())
    if source in catalog.DATASETS:
        dataset = catalog.find(source)
    else:
        dataset = catalog.from_files("correction", {"train": source})
    if dataset.kind != "correction":
        raise ValueError(
            f"Received confusions_from={source}, a dataset of the kind {dataset.kind}. "
            "Expected a dataset of the kind correction: name another one."
        )
    examples: Iterator[Any] = catalog.read(
        dataset, "train", options.data_dir, ReadLog("train")
    )
    return Confusions((example.text, example.corrected[0]) for example in examples)


def _sentences(options: CorruptTextOptions, confusions: Confusions) -> Iterator[str]:
    """Yields sentences of all sources, at most `max_pairs`, evenly from each source."""
    sources = documents.expand_sources(options.input_files)
    count, most = 0, options.max_pairs
    for number, source in enumerate(sources):
        share = None if most is None else -(-(most - count) // (len(sources) - number))
        sentences = filter(confusions.knows, _sentences_of(source, options))
        for sentence in itertools.islice(sentences, share):
            count += 1
            yield sentence


def _sentences_of(source: str, options: CorruptTextOptions) -> Iterator[str]:
    shortest, longest = _LENGTHS[options.language]
    for batch in batches_of_text(documents.read_documents(source, options)):
        texts = [text for text, _, _ in batch]
        split = _sentences_in_graph(options.lines)
        for sentence in split(tf.constant(texts)).values.numpy():
            text = " ".join(sentence.decode("utf-8", "replace").split())
            if shortest <= len(text) <= longest and _is_of(text, options.language):
                yield text


@functools.cache
def _sentences_in_graph(lines: Lines) -> Callable[[tf.Tensor], tf.RaggedTensor]:
    split = Layout(lines=lines).sentences_of
    return tf.function(
        split, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )


def _is_of(text: str, language: Language) -> bool:
    """Returns True if most of a sentence is in the script of the language."""
    if language == "english":
        count = sum(c.isascii() and (c.isalpha() or c == " ") for c in text)
    else:
        count = sum("\u3400" <= c <= "\u9fff" for c in text)
    return count >= _MIN_SHARE * len(text)


def main(options: CorruptTextOptions) -> None:
    """Writes the table, and prints its numbers of pairs."""
    total = wrong = 0
    with new_file(options.output_file) as file:
        file.write(b"text\tcorrected\n")
        for text, corrected in pairs(options):
            file.write(record_text([text, corrected], "\t").encode() + b"\n")
            total += 1
            wrong += text != corrected
        if not total:
            raise ValueError(
                f"The files have no sentences in {options.language}. Expected at least "
                "one: check --language and the files."
            )
    print(
        f"{options.output_file}: {total:,} pairs, {wrong:,} of them with mistakes.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli.run(CorruptTextOptions, main, __doc__ or "")
