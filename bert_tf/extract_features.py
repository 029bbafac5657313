"""Computes vectors of texts, or of their tokens, from any layer of a model.

    python -m bert_tf.extract_features --model_dir=M --input_file=lines.txt \\
        --vectors=mean --output_file=mean.npy

    python -m bert_tf.extract_features --model_dir=M --input_file=pairs.csv \\
        --text_column=question --second_column=answer --output_file=tokens.jsonl

The output has a vector, or a vector for each token, for each text, in order;
`bert_tf.prediction.vector_files` describes the files. The encoder, pre-trained or
fine-tuned, is not trained.
"""

import dataclasses
import sys
import time
from collections.abc import Iterator
from typing import Literal

import tqdm

from bert_tf.checkpoints import model_dir
from bert_tf.prediction import vector_files
from bert_tf.prediction.text_vectors import make_vectorizer
from bert_tf.training.hardware import POLICIES
from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tables import read_rows
from data_pipelines.datasets.text_files import ending_of, read_lines
from data_pipelines.programs import cli

_TABLES = ("csv", "tsv", "jsonl", "ndjson", "json")


@dataclasses.dataclass(frozen=True)
class ExtractOptions:
    """Options of the program."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, pre-trained or fine-tuned."
    )
    output_file: str = cli.option(
        cli.REQUIRED,
        "The file to write, ending in .npy, .tfrecord, .jsonl or .jsonl.gz.",
    )
    input_file: str | None = cli.option(
        None,
        "File with one text per line, or a table: CSV, TSV, JSONL. Default: lines of "
        "standard input.",
    )
    text_column: str | None = cli.option(
        None, "Column of the text, or of the first text of a pair. Default: text."
    )
    second_column: str | None = cli.option(None, "Column of the second text of a pair.")
    features: str = cli.option(
        "last",
        "The layers to read: embeddings, second_to_last, last, concat_last_4, or a "
        "number: 0 for the embeddings, 1 for the first block, -1 for the last.",
    )
    vectors: Literal["tokens", "cls", "mean", "pooled", "sentence"] = cli.option(
        "tokens",
        "tokens: a vector for each token. cls, mean: one for a text, at [CLS] or over "
        "all tokens. pooled: the pooler's output. sentence: the vector that the model "
        "was trained to give.",
    )
    prompt_name: str | None = cli.option(
        None,
        "With --vectors=sentence: name of the model's prompt that precedes each text. "
        "Default: the model's default prompt, if it has one.",
    )
    max_length: int | None = cli.option(
        None,
        "Tokens of a sequence, [CLS] and [SEP] included. Default: the model's maximum.",
    )
    long_texts: Literal["truncate", "windows"] = cli.option(
        "truncate",
        "Truncate long texts, or run them in windows: each token is taken from the "
        "window in which it has most context.",
    )
    batch_size: int = cli.option(64, "Number of texts that are run at once.")
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "Dtype of the computation; vectors are written in float32."
    )

    def __post_init__(self) -> None:
        cli.require_positive(batch_size=self.batch_size)
        if self.vectors in ("pooled", "sentence") and self.features != "last":
            raise ValueError(
                f"Received vectors={self.vectors} with features={self.features!r}. "
                "Expected features=last, the layer from which these are computed: "
                "leave features out, or choose cls or mean."
            )
        columns = (self.text_column, self.second_column)
        if self.input_file is None and columns != (None, None):
            raise ValueError(
                f"Received text_column={self.text_column!r}, second_column="
                f"{self.second_column!r} without input_file. Expected a table with "
                "these columns; standard input has one text per line."
            )


@dataclasses.dataclass
class Extraction:
    """Counts of the texts read and the vectors written so far."""

    texts: int = 0
    empty: int = 0
    truncated: int = 0
    in_windows: int = 0
    vectors: int = 0


def extract_features(options: ExtractOptions) -> Extraction:
    """Writes the vectors of all texts to `options.output_file`.

    Raises:
        ValueError: the options, the texts and the model do not fit each other.
        FileExistsError: an output file exists already.
        FileNotFoundError: there is no model folder, or no input file.
    """
    of_tokens = options.vectors == "tokens"
    vector_files.check_new(options.output_file, of_tokens)
    loaded = model_dir.load(options.model_dir, POLICIES[options.dtype])
    vectorizer = make_vectorizer(
        loaded,
        options.vectors,
        options.features,
        max_length=options.max_length,
        pairs=options.second_column is not None,
        in_windows=options.long_texts == "windows",
        prompt_name=options.prompt_name,
        batch_size=options.batch_size,
    )
    longest = max(map(len, loaded.vocabulary.tokens))
    layout = vector_files.Layout(vectorizer.width, of_tokens, longest)
    done, begin = Extraction(), time.monotonic()
    log = ReadLog(options.input_file or "standard input")
    texts = vectorizer.vectorize(read_texts(options, log))
    is_quiet = not sys.stderr.isatty()
    with vector_files.open_writer(options.output_file, layout) as write:
        for text in tqdm.tqdm(texts, unit=" texts", disable=is_quiet):
            write(text)
            done.texts += 1
            done.empty += text.empty
            done.truncated += text.truncated
            done.in_windows += text.num_windows > 1
            done.vectors += len(text.vectors) if of_tokens else 1
    seconds = time.monotonic() - begin
    for line in log.lines()[1:]:
        print(line, file=sys.stderr)
    print(
        f"{done.texts:,} texts read and used, 0 skipped; {done.empty:,} empty (run as "
        f"[CLS] [SEP]), {done.truncated:,} truncated, {done.in_windows:,} in several "
        f"windows. Wrote {done.vectors:,} vectors of {layout.width:,} to "
        f"{options.output_file} in {seconds:,.1f} s "
        f"({done.texts / max(seconds, 1e-9):,.1f} texts/s)."
    )
    return done


def read_texts(options: ExtractOptions, log: ReadLog) -> Iterator[TextExample]:
    """Reads the texts or pairs lazily, including empty ones.

    The log records how a table is read.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there are no texts, a column is missing, or the file is not UTF-8.
    """
    path, columns = options.input_file, (options.text_column, options.second_column)
    if ending_of(path) not in _TABLES and columns == (None, None):
        for number, line in enumerate(read_lines(path)):
            yield TextExample(str(number), line, None, None)
        return
    for number, row in enumerate(read_rows(str(path), log=log)):
        first = row.value(options.text_column or "text")
        column = options.second_column
        second = None if column is None else row.value(column)
        yield TextExample(str(number), first, second, None)


def main(options: ExtractOptions) -> None:
    """Extracts the vectors."""
    extract_features(options)


if __name__ == "__main__":
    cli.run(ExtractOptions, main, __doc__)
