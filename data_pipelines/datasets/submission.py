"""Writes predictions as files for the GLUE leaderboard."""

import math
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.datasets.catalog import DATASETS
from data_pipelines.files.atomic import write_file

# File names by dataset and split.
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
    """Writes the file of one task atomically.

    Args:
        folder: local or remote folder; created if it is missing.
        dataset, split: names such as `glue/mnli` and `test_mismatched`.
        ids: ids of the examples, for the column `index`.
        predictions: a label per example, or a score (STS-B), which is clipped to 0 to 5
            and written with three decimals.

    Returns:
        The path of the file.

    Raises:
        ValueError: the leaderboard has no such task, ids and predictions do not
            correspond one to one, or a prediction is not a label or number.
    """
    if (dataset, split) not in SUBMISSIONS:
        raise ValueError(
            f"Received dataset={dataset!r} and split={split!r}. Expected one of the "
            "tasks of the GLUE leaderboard: "
            f"{[' '.join(key) for key in SUBMISSIONS]}."
        )
    if len(ids) != len(predictions) or len(set(ids)) != len(ids) or not ids:
        raise ValueError(
            f"Received {len(ids)} ids, {len(set(ids))} of them different, and "
            f"{len(predictions)} predictions. Expected one prediction per id of the "
            f"split {split!r} of {dataset}."
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
