"""Predictions in the files of GLUE's leaderboard."""

import math
import os
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.files.atomic import write_file

# File of dataset and split.
SUBMISSIONS = {
    ("glue/cola", "test"): "CoLA.tsv",
    ("glue/sst2", "test"): "SST-2.tsv",
    ("glue/mrpc", "test"): "MRPC.tsv",
    ("glue/stsb", "test"): "STS-B.tsv",
    ("glue/qqp", "test"): "QQP.tsv",
    ("glue/mnli", "test"): "MNLI-m.tsv",
    ("glue/mnli", "test_mismatched"): "MNLI-mm.tsv",
    ("glue/qnli", "test"): "QNLI.tsv",
    ("glue/rte", "test"): "RTE.tsv",
    ("glue/wnli", "test"): "WNLI.tsv",
    ("glue/ax", "test"): "AX.tsv",
}
_MIN_SCORE, _MAX_SCORE = 0.0, 5.0


def write_submission(
    folder: str,
    dataset: str,
    split: str,
    ids: Sequence[str],
    predictions: Sequence[str] | Sequence[float],
) -> str:
    """Writes the file of one task, whole or not at all.

    Args:
        folder: local or remote; made if it is not there.
        dataset: such as `glue/rte`.
        split: of the dataset, `test` or `test_mismatched`.
        ids: of the examples; the column `index`.
        predictions: a label of each, or a score (STS-B), which is written with three
            decimals, between 0 and 5.

    Returns:
        The path of the file.

    Raises:
        ValueError: the leaderboard has no such task, there is not one prediction for
            each different id, or a prediction is not a label, or not a number.
    """
    if (dataset, split) not in SUBMISSIONS:
        raise ValueError(
            f"Received dataset={dataset!r} and split={split!r}. Expected one of "
            f"{[' '.join(key) for key in SUBMISSIONS]}, which the leaderboard of GLUE "
            "takes."
        )
    if len(ids) != len(predictions) or len(set(ids)) != len(ids) or not ids:
        raise ValueError(
            f"Received {len(ids)} ids, {len(set(ids))} of them different, and "
            f"{len(predictions)} predictions. Expected one prediction for each id of "
            f"the split {split!r} of {dataset}."
        )
    labels = DATASETS[dataset].labels
    texts = [_text(prediction, labels, dataset) for prediction in predictions]
    rows = ["index\tprediction", *map("\t".join, zip(ids, texts, strict=True))]
    tf.io.gfile.makedirs(folder)
    path = os.path.join(folder, SUBMISSIONS[dataset, split])
    write_file(path, "".join(f"{row}\n" for row in rows).encode())
    return path


def _text(prediction: str | float, labels: tuple[str, ...] | None, dataset: str) -> str:
    if labels is None:
        if isinstance(prediction, str) or not math.isfinite(prediction):
            raise ValueError(
                f"Received the prediction {prediction!r} for {dataset}. Expected a "
                "finite number."
            )
        return f"{min(max(float(prediction), _MIN_SCORE), _MAX_SCORE):.3f}"
    if prediction not in labels:
        raise ValueError(
            f"Received the prediction {prediction!r} for {dataset}. Expected one of "
            f"{list(labels)}."
        )
    return str(prediction)
