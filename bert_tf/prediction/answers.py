"""Answers of models to texts and examples, as plain values; lazily, in order."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.description import Description
from bert_tf.prediction.examples import Examples
from bert_tf.prediction.predictor import Predictor
from bert_tf.prediction.rows import AnswerColumns
from data_pipelines.datasets.examples import missing_text
from data_pipelines.files.finite import require_finite
from data_pipelines.finetuning.encoding import chunks_of

_SIGNATURES = ("fill_mask", "generate", "embed")
ADVICE = "use a checkpoint from before training diverged"


def answer_texts(
    signatures: Mapping[str, Callable[..., Any]],
    signature: str | None,
    texts: Iterable[str],
    batch_size: int = 32,
    numbers: Sequence[int] = (),
) -> Iterator[dict[str, Any]]:
    """Answers texts with a pre-trained model.

    Args:
        signatures: the functions of the model, see `TextModel.signatures`.
        signature: "fill_mask", "generate", "embed" or "attention"; None: the model's
            default.
        texts: the texts, which are read lazily.
        batch_size: the number of texts that are run at once.
        numbers: further arguments of the signature, the same for all texts.

    Yields:
        For each text, a dict of the outputs of the signature, as plain values.

    Raises:
        ValueError: the model has no such signature, or an answer has numbers that are
            NaN or infinite.
    """
    signature = signature or "serving_default"
    if signature not in signatures:
        known = [name for name in _SIGNATURES if name in signatures]
        raise ValueError(
            f"Received signature={signature}, for which this model has no head. "
            f"Expected one of {known}."
        )
    function = signatures[signature]
    count = itertools.count()
    for batch in chunks_of(texts, batch_size):
        others = (tf.fill([len(batch)], number) for number in numbers)
        found = function(tf.constant(batch), *others)
        answers = {name: values.numpy() for name, values in found.items()}
        for index in range(len(batch)):
            answer = {name: values[index] for name, values in answers.items()}
            place = f"of text {next(count)} (from 0)"
            for name, values in answers.items():
                if np.issubdtype(values.dtype, np.floating):
                    require_finite(answer[name], f"The answer {name} {place}", ADVICE)
            yield _plain(answer)


def predict_rows(
    predictor: Predictor,
    description: Description,
    examples: Examples,
    columns: AnswerColumns,
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Answers examples with a fine-tuned model, lazily.

    Yields:
        Each example, and a row of plain values: its columns, followed by those of
        `Kind.columns`; for an example without text, by those of `Kind.unanswered` and
        the reason in the column `unanswered`.
    """
    kind, task = predictor.kind, description.task
    prepared = (
        (given, kind.prepare(predictor.encoding, example))
        for given, example in examples
    )
    kept, asked = itertools.tee(prepared)
    answers = predictor.answers(
        (example for _, example in asked if missing_text(example) is None),
        task.threshold,
    )
    for given, example in kept:
        reason = missing_text(example)
        if reason is None:
            _, answer = next(answers)
            found = kind.columns(example, answer, task)
        else:
            found = {**kind.unanswered(task), "unanswered": reason}
        yield example, columns.merged(given, found)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Converts a row to plain Python values, without the padding of masks."""
    if {"tokens", "probabilities"} <= row.keys():
        real = row["probabilities"][:, 0] > 0
        tokens = np.char.decode(row["tokens"][real].astype(bytes), "utf-8")
        row = {**row, "tokens": tokens, "probabilities": row["probabilities"][real]}
    if "continuations" in row:
        row = {**row, "continuations": row["continuations"].decode("utf-8")}
    return {name: np.asarray(value).tolist() for name, value in row.items()}
