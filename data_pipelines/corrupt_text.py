"""Makes pairs of wrong and right sentences from clean text, to learn correction.

    python -m data_pipelines.corrupt_text --input_files='corpus/*.txt' \\
        --language=english --output_file=pairs.tsv

    python -m data_pipelines.corrupt_text --input_files='zhwiki/*.jsonl.gz' \\
        --language=chinese --confusions_from=real.tsv --output_file=pairs.tsv

The table has the columns `text` and `corrected`, as the kind correction takes it; in
some rows both are the same. See `corrupt_english` and `corrupt_chinese` for the
mistakes. The same text and seed give the same table, and memory does not grow with the
text.
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

# Longer ones are lists and tables, shorter ones headings.
_LENGTHS: dict[Language, tuple[int, int]] = {"english": (20, 300), "chinese": (8, 120)}
# The least share of a sentence's characters that are in its script.
_MIN_SHARE = 0.7
# Characters that replace others before any sentence has been read.
_FIRST_OTHERS = "的是不了人在有我他这"


@dataclasses.dataclass(frozen=True)
class CorruptTextOptions(Layout):
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of clean text, or patterns of names."
    )
    output_file: str = cli.option(cli.REQUIRED, "A new .tsv.")
    language: Language = cli.option(cli.REQUIRED, "Language of the text.")
    seed: int = cli.option(0, "Random seed of the mistakes.")
    clean_fraction: float = cli.option(0.3, "Share of the sentences that stay right.")
    max_pairs: int | None = cli.option(
        None, "Most pairs, taken evenly from all files. Default: all sentences."
    )
    confusions_from: str | None = cli.option(
        None,
        "Chinese: real pairs to learn from which character is taken for which; a table "
        "with the columns text and corrected, or a dataset of the catalogue. Sentences "
        "in other characters than theirs (traditional ones, say) are left out.",
    )
    data_dir: str | None = cli.option(None, "The folder of that dataset.")

    def __post_init__(self) -> None:
        if not 0 <= self.clean_fraction <= 1:
            raise ValueError(
                f"Received clean_fraction={self.clean_fraction}. Expected 0 to 1."
            )
        if self.confusions_from is not None and self.language != "chinese":
            raise ValueError(
                f"Received confusions_from for language={self.language}. Expected it "
                "for chinese alone: leave it out."
            )
        cli.require_positive(max_pairs=self.max_pairs)
        if not self.output_file.endswith(".tsv"):
            raise ValueError(
                f"Received output_file={self.output_file!r}. Expected a name that ends "
                "in .tsv."
            )


def pairs(options: CorruptTextOptions) -> Iterator[tuple[str, str]]:
    """Yields wrong and right sentences.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file is not as it should be.
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
            # Characters are drawn as often as they are in text.
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
            "Expected one of the kind correction."
        )
    examples: Iterator[Any] = catalog.read(
        dataset, "train", options.data_dir, ReadLog("train")
    )
    return Confusions((example.text, example.corrected[0]) for example in examples)


def _sentences(options: CorruptTextOptions, confusions: Confusions) -> Iterator[str]:
    """Sentences of all sources, or as many of each as make `max_pairs` together."""
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
    """True if most of a sentence is in the script of its language."""
    if language == "english":
        count = sum(c.isascii() and (c.isalpha() or c == " ") for c in text)
    else:
        count = sum("\u3400" <= c <= "\u9fff" for c in text)
    return count >= _MIN_SHARE * len(text)


def main(options: CorruptTextOptions) -> None:
    """Writes the table, and says how much is in it."""
    total = wrong = 0
    with new_file(options.output_file) as file:
        file.write(b"text\tcorrected\n")
        for text, corrected in pairs(options):
            file.write(record_text([text, corrected], "\t").encode() + b"\n")
            total += 1
            wrong += text != corrected
        if not total:
            raise ValueError(
                "The files have no sentence of the language. Expected some."
            )
    print(
        f"{options.output_file}: {total:,} pairs, {wrong:,} of them with mistakes.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli.run(CorruptTextOptions, main, __doc__ or "")
