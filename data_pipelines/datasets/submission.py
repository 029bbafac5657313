"""Predictions in the files of GLUE's leaderboard."""

import math
import os
from collections.abc import Sequence

import numpy as np
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
_SCORES = 0.0, 5.0


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
        dataset, split: such as `glue/mnli` and `test_mismatched`.
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
    if labels is None:
        wrong = [p for p in predictions if isinstance(p, str) or not math.isfinite(p)]
        expected = "a finite number"
    else:
        wrong = [p for p in predictions if p not in labels]
        expected = f"one of {list(labels)}"
    if wrong:
        raise ValueError(
            f"Received the prediction {wrong[0]!r} for {dataset}. Expected {expected}."
        )
    texts = list(map(str, predictions))
    if labels is None:
        texts = [f"{score:.3f}" for score in np.clip(predictions, *_SCORES)]
    rows = ["index\tprediction", *map("\t".join, zip(ids, texts, strict=True))]
    tf.io.gfile.makedirs(folder)
    path = os.path.join(folder, SUBMISSIONS[dataset, split])
    write_file(path, "".join(f"{row}\n" for row in rows).encode())
    return path
