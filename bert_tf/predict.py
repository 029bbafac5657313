"""Answers examples with a pre-trained or fine-tuned model.

    echo 'The [MASK] sat on the mat.' | python -m bert_tf.predict --model_dir=M
    echo 'A gem of a film.' | python -m bert_tf.predict --model_dir=models/sst2
    python -m bert_tf.predict --model_dir=models/sst2 --input_file=in.csv \\
        --output_file=out.csv

Input is one text per line (two texts, or question and context, separated by a tab), a
table (CSV, TSV, JSON lines) whose columns are kept, a CoNLL file, or questions in
SQuAD's JSON. A tagger takes running text, or words separated by spaces. Each example
has an answer, in order; an example without text has an empty answer with the reason.
With `--dataset`, examples are read from the catalogue; `--submission_dir` then writes
the file for the GLUE leaderboard.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterable
from typing import Any, Literal

import tqdm

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.prediction.answers import answer_texts, predict_rows
from bert_tf.prediction.examples import (
    Examples,
    answer_columns,
    dataset_examples,
    file_examples,
    text_columns,
)
from bert_tf.prediction.predictor import Predictor
from bert_tf.prediction.rows import AnswerColumns, RowWriter
from bert_tf.serving.pretrained import TextModel
from bert_tf.tasks.data_options import DataOptions, check_pairs
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets import catalog, submission
from data_pipelines.datasets.examples import missing_text
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Dataset, Role
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class PredictOptions(DataOptions):
    """Options of the program, besides the columns of the user's files."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder, pre-trained or fine-tuned."
    )
    signature: Literal["fill_mask", "generate", "embed"] | None = cli.option(
        None,
        "For a pre-trained model: predictions for each [MASK], continuations of a "
        "causal model, or vectors. Default: depends on the head of the model.",
    )
    input_file: str | None = cli.option(
        None, "Texts or examples to answer. Default: standard input, one text per line."
    )
    output_file: str | None = cli.option(
        None,
        "A new .csv, .tsv or .jsonl file. Default: JSON lines on standard output.",
    )
    split: str = cli.option("test", "With --dataset: the split to answer.")
    submission_dir: str | None = cli.option(
        None, "With --dataset=glue/...: folder for the leaderboard's file."
    )
    batch_size: int = cli.option(32, "Number of examples that are run at once.")
    top_k: int = cli.option(5, "Number of predictions of fill_mask for each mask.")
    num_tokens: int = cli.option(32, "Maximum number of pieces that generate appends.")


def main(options: PredictOptions) -> None:
    """Answers the examples with the model."""
    cli.require_positive(batch_size=options.batch_size)
    loaded = model_dir.load(options.model_dir)
    if loaded.description.kind == PRETRAINING:
        _predict_texts(options, loaded)
    else:
        _predict_examples(options, loaded)


def _predict_texts(options: PredictOptions, loaded: LoadedModel) -> None:
    writer = RowWriter(options.output_file)
    text_model = TextModel(
        loaded.model,
        loaded.tokenizer,
        top_k=options.top_k,
        sentence_vector=loaded.description.sentence_vector,
        num_tokens=options.num_tokens,
    )
    path, names = options.input_file, options.column_names or None
    log = ReadLog(path or "standard input")
    columns = answer_columns(path, names)
    kept, asked = itertools.tee(text_columns(path, options.first_column, names, log))
    texts = (text for _, text in asked)
    signatures, size = text_model.signatures(), options.batch_size
    answers = answer_texts(signatures, options.signature, texts, size)
    with writer.open():
        for (given, _), answer in zip(kept, _with_progress(answers), strict=True):
            writer.write(columns.merged(given, answer))
            log.use()
    _report(log, columns)


def _predict_examples(options: PredictOptions, loaded: LoadedModel) -> None:
    if options.submission_dir is not None and options.dataset is None:
        raise ValueError(
            "Received submission_dir without dataset. Expected --dataset=glue/..., "
            "which has the test set of the leaderboard."
        )
    writer = RowWriter(options.output_file)
    columns = answer_columns(options.input_file, options.column_names or None)
    examples, log = _read_examples(options, loaded.description)
    predictor = Predictor.of(loaded, options.batch_size)
    ids, predictions = [], []
    with writer.open():
        rows = predict_rows(predictor, loaded.description, examples, columns)
        for example, row in _with_progress(rows):
            reason = missing_text(example)
            if reason is not None:
                log.warn(f"{reason}: no answer", f"example {example.id}")
            if options.submission_dir is None:
                writer.write(row)
            else:
                ids.append(example.id)
                predictions.append(row["prediction"])
    _report(log, columns)
    if options.submission_dir is not None and options.dataset is not None:
        path = submission.write_submission(
            options.submission_dir, options.dataset, options.split, ids, predictions
        )
        print(f"Wrote {path}.")


def _read_examples(
    options: PredictOptions, description: Description
) -> tuple[Examples, ReadLog]:
    """The examples, and a log of the reading, complete after the last example."""
    kind = KINDS[description.kind]
    if options.dataset is None:
        path = options.input_file
        log = ReadLog(path or "standard input")

        def as_dataset() -> Dataset:
            files: dict[Role, str | None] = {"predict": path}
            dataset = catalog.from_files(kind.name, files, options, description.labels)
            check_pairs(dataset, description.task.pairs)
            return dataset

        names = options.column_names or None
        examples = file_examples(kind, description.task, path, names, as_dataset, log)
        return examples, log
    dataset = catalog.find(options.dataset)
    if dataset.kind != kind.name:
        raise ValueError(
            f"The model is of kind {kind.name}, the dataset {dataset.name} of kind "
            f"{dataset.kind}. Expected the same kind."
        )
    log = ReadLog(options.split)
    return dataset_examples(dataset, options.split, options.data_dir, log), log


def _report(log: ReadLog, columns: AnswerColumns) -> None:
    for line in columns.lines():
        log.note(line)
    for line in log.lines():
        print(line, file=sys.stderr)


def _with_progress(rows: Iterable[Any]) -> Iterable[Any]:
    return tqdm.tqdm(rows, unit="example", disable=not sys.stderr.isatty())


if __name__ == "__main__":
    cli.run(PredictOptions, main, __doc__, kept=cli.PRINTED)
