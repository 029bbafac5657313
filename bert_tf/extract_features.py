"""Texts to vectors: of each token, or one of the text, from any layer of a model.

    python -m bert_tf.extract_features --model_dir=M --input_file=lines.txt \\
        --vectors=mean --output_file=mean.npy

    python -m bert_tf.extract_features --model_dir=M --input_file=pairs.csv \\
        --text_column=question --second_column=answer --output_file=tokens.jsonl

A vector, or a row of them, for each text, in the order of the texts; what the files
hold says `bert_tf.prediction.vector_files`. The encoder is used as it is,
pre-trained or fine-tuned.
"""

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import tqdm

from bert_tf.checkpoints import model_dir
from bert_tf.prediction.text_vectors import TextVectorizer, layers_of
from bert_tf.prediction.vector_files import (
    Layout,
    check_new,
    open_writer,
    remove_unfinished,
)
from bert_tf.training.hardware import POLICIES
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.tables import read_rows
from data_pipelines.datasets.text_files import read_lines
from data_pipelines.finetuning.whole_texts import WholeTextEncoding
from data_pipelines.programs import cli

_TABLES = ("csv", "tsv", "jsonl", "json")


@dataclasses.dataclass(frozen=True)
class ExtractOptions:
    """What the program can be told."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, pre-trained or fine-tuned."
    )
    output_file: str = cli.option(
        cli.REQUIRED,
        "The vectors; the ending says how: .npy, .npz, .tfrecord, .jsonl, .jsonl.gz.",
    )
    input_file: str | None = cli.option(
        None,
        "A text on each line, or a table: CSV, TSV, JSONL. Default: lines of standard "
        "input.",
    )
    text_column: str | None = cli.option(
        None, "Tables: the text, or the first text of a pair. Default: text."
    )
    second_column: str | None = cli.option(None, "Tables: the second text of a pair.")
    features: str = cli.option(
        "last",
        "The layers that are read: embeddings, second_to_last, last, concat_last_4, or "
        "the number of one: 0 the embeddings, 1 the first block, -1 the last.",
    )
    vectors: Literal["tokens", "cls", "mean", "pooled", "sentence"] = cli.option(
        "tokens",
        "tokens: one for each. cls, mean: one for a text, at [CLS] or over all tokens. "
        "pooled: the pooler's. sentence: the one that the model was trained to give.",
    )
    max_length: int | None = cli.option(
        None, "Tokens of a sequence, [CLS] and [SEP] included. Default: the model's."
    )
    long_texts: Literal["truncate", "windows"] = cli.option(
        "truncate",
        "Cut long texts off, or run them in windows: each token is taken from the one "
        "where it has most context.",
    )
    batch_size: int = cli.option(64, "How many texts are run at once.")
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "What is computed in; what is written is float32."
    )

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(
                f"Received batch_size={self.batch_size}. Expected 1 or more."
            )
        if self.vectors in ("pooled", "sentence") and self.features != "last":
            raise ValueError(
                f"Received vectors={self.vectors} with features={self.features!r}. "
                "Expected last, the layer that these are made of: leave features out, "
                "or choose cls or mean."
            )
        columns = (self.text_column, self.second_column)
        if self.input_file is None and columns != (None, None):
            raise ValueError(
                f"Received text_column={self.text_column!r}, second_column="
                f"{self.second_column!r} without input_file. Expected the table with "
                "these columns; standard input has a text on each line."
            )


@dataclasses.dataclass
class Extraction:
    """What was read and written, so far."""

    texts: int = 0
    empty: int = 0
    truncated: int = 0
    in_windows: int = 0
    vectors: int = 0
    seconds: float = 0.0

    def line(self, width: int, path: str) -> str:
        """For the user."""
        rate = self.texts / max(self.seconds, 1e-9)
        return (
            f"{self.texts:,} texts read and used, 0 skipped; {self.empty:,} empty (run "
            f"as [CLS] [SEP]), {self.truncated:,} truncated, {self.in_windows:,} in "
            f"several windows. Wrote {self.vectors:,} vectors of {width:,} to {path} "
            f"in {self.seconds:,.1f} s ({rate:,.1f} texts/s)."
        )


def extract_features(options: ExtractOptions) -> Extraction:
    """Writes the vectors of all texts to `options.output_file`.

    Raises:
        ValueError: the options, the texts and the model do not fit each other, or a
            file exists already.
        FileNotFoundError: no model folder, or no such texts.
    """
    check_new(options.output_file, options.vectors == "tokens")
    loaded = model_dir.load(options.model_dir, POLICIES[options.dtype])
    config = loaded.model.encoder.config
    if options.vectors == "pooled" and not config.pooler:
        raise ValueError(
            f"Received vectors=pooled, but {options.model_dir} has no pooler. Expected "
            "tokens, cls or mean."
        )
    sentence = loaded.description.sentence_vector
    vectors, normalize, longest = options.vectors, False, config.max_sequence_length
    if vectors == "sentence":
        if sentence is None:
            raise ValueError(
                f"Received vectors=sentence, but {options.model_dir} was not trained "
                "to give one. Expected tokens, cls, mean or pooled."
            )
        vectors, normalize = sentence.pooling, sentence.normalize
        longest = min(longest, sentence.max_length)
    vectorizer = TextVectorizer(
        loaded.model.encoder,
        WholeTextEncoding(
            loaded.tokenizer,
            _max_length(options, longest),
            in_windows=options.long_texts == "windows",
        ),
        vectors,
        layers_of(options.features, config.num_hidden_layers),
        options.batch_size,
        normalize,
    )
    layout = Layout(
        width=vectorizer.width,
        of_tokens=options.vectors == "tokens",
        max_piece_characters=max(map(len, loaded.vocabulary.tokens)),
    )
    done, begin = Extraction(), time.monotonic()
    texts = vectorizer.vectorize(read_texts(options))
    is_quiet = not sys.stderr.isatty()
    with open_writer(options.output_file, layout) as writer:
        for text in tqdm.tqdm(texts, unit=" texts", disable=is_quiet):
            writer.write(text)
            done.texts += 1
            done.empty += text.empty
            done.truncated += text.truncated
            done.in_windows += text.num_windows > 1
            done.vectors += len(text.vectors) if layout.of_tokens else 1
    done.seconds = time.monotonic() - begin
    print(done.line(layout.width, options.output_file))
    return done


def _max_length(options: ExtractOptions, longest: int) -> int:
    received = longest if options.max_length is None else options.max_length
    # A piece of each text between the special tokens.
    shortest = 3 if options.second_column is None else 5
    if not shortest <= received <= longest:
        raise ValueError(
            f"Received max_length={received}. Expected {shortest} to {longest}, the "
            "positions of this model."
        )
    return received


def read_texts(options: ExtractOptions) -> Iterator[TextExample]:
    """The texts, or pairs, as they are read, empty ones too.

    Raises:
        FileNotFoundError: no such file.
        ValueError: there are none, a column is missing, or this is no UTF-8.
    """
    path = options.input_file
    if path is None:
        yield from _lines(_standard_input(sys.stdin.buffer))
        return
    ending = path.lower().removesuffix(".gz").rpartition(".")[2]
    columns = (options.text_column, options.second_column)
    if columns == (None, None) and ending not in _TABLES:
        yield from _lines(read_lines(path))
        return
    for number, row in enumerate(read_rows(path)):
        first = row.value(options.text_column or "text")
        second = options.second_column
        yield TextExample(
            str(number), first, None if second is None else row.value(second), None
        )


def _lines(lines: Iterable[str]) -> Iterator[TextExample]:
    for number, line in enumerate(lines):
        yield TextExample(str(number), line, None, None)


def _standard_input(lines: Iterable[bytes]) -> Iterator[str]:
    number = 0
    for number, line in enumerate(lines, start=1):
        try:
            yield line.rstrip(b"\r\n").decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"Standard input, line {number}: byte {error.start + 1} is not UTF-8. "
                "Expected UTF-8 text: convert it (iconv -f LATIN1 -t UTF-8)."
            ) from None
    if not number:
        raise ValueError("Standard input is empty. Expected a text on each line.")


def main(options: ExtractOptions) -> int:
    """Extracts; stopped by SIGTERM, leaves nothing behind."""

    def stop(number: int, frame: Any) -> None:
        del frame
        # No exception: it would be lost if it came while a library collects garbage.
        remove_unfinished(options.output_file, options.vectors == "tokens")
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    extract_features(options)
    return 0


if __name__ == "__main__":
    cli.run(ExtractOptions, main, __doc__)
