"""Metrics of predicted classes and numbers, for tables and plots."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipelines.programs.extras import extra

# One entry for each example.
Vector = Sequence[int] | Sequence[float] | np.ndarray

_OF_CLASSES = ("accuracy", "f1", "matthews")
_OF_NUMBERS = ("pearson", "spearman")


@dataclasses.dataclass(frozen=True)
class LabelScores:
    """Precision, recall and F1 of one label, or of one type of entity.

    Attributes:
        precision: share of its predictions that are right; 0 without any.
        recall: share of its gold occurrences that are found; 0 without any.
        f1: their harmonic mean; 0 if both are 0.
        support: number of gold occurrences.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclasses.dataclass(frozen=True)
class CalibrationBin:
    """The examples, at least one, whose confidence is in `(low, high]`.

    The first bin includes confidence 0.

    Attributes:
        confidence: mean probability of the predicted class.
        accuracy: share of examples whose predicted class is right.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


def prediction_scores(
    names: Sequence[str],
    labels: Vector,
    predictions: Vector,
    *,
    num_classes: int | None = None,
) -> dict[str, float]:
    """Computes the named metrics of predictions.

    Args:
        names: `accuracy`, `f1` and `matthews` compare class ids, `pearson` and
            `spearman` compare real numbers.
        labels, predictions: class ids or numbers, `(examples,)`.
        num_classes: the number of classes; None: as many as the ids require. With two,
            `f1` is the F1 of class 1, as in GLUE's MRPC and QQP; with more it is the
            mean F1 over the classes that occur (macro).

    Raises:
        ValueError: a name is unknown, the lengths differ or are zero, an id is not a
            class, a number is not finite.
        ImportError: scikit-learn or SciPy is missing.
    """
    known = [*_OF_CLASSES, *_OF_NUMBERS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"Received the metric names {unknown}. Expected some of {known}."
        )
    return {
        name: _class_metric(name, *_ids(labels, predictions, num_classes))
        if name in _OF_CLASSES
        else _correlation(name, labels, predictions)
        for name in names
    }


def confusion_matrix(
    labels: Vector, predictions: Vector, num_classes: int | None = None
) -> np.ndarray:
    """Counts the predictions of each class, by gold class.

    Returns:
        int64 `(classes, classes)`: row = label, column = prediction.

    Raises:
        ValueError: as for `prediction_scores`.
    """
    labels, predictions, num_classes = _ids(labels, predictions, num_classes)
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def label_scores(
    labels: Vector, predictions: Vector, names: Sequence[str]
) -> dict[str, LabelScores]:
    """Precision, recall, F1 and support of each class.

    Args:
        labels, predictions: int `(examples,)`.
        names: the names of the classes, in the order of their ids.

    Raises:
        ValueError: as for `prediction_scores`.
        ImportError: scikit-learn is missing.
    """
    with extra("finetune"):
        import sklearn.metrics
    labels, predictions, num_classes = _ids(labels, predictions, len(names))
    columns = sklearn.metrics.precision_recall_fscore_support(
        labels, predictions, labels=range(num_classes), zero_division=0
    )
    return by_label(names, columns)


def by_label(
    names: Sequence[str], columns: Sequence[np.ndarray]
) -> dict[str, LabelScores]:
    """Turns columns of precision, recall, F1 and support into scores by name."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: LabelScores(*row) for name, row in zip(names, rows, strict=True)}


def calibration(
    probabilities: np.ndarray, labels: Vector, num_bins: int = 10
) -> list[CalibrationBin]:
    """Compares the confidence of a model with its accuracy.

    Guo et al. 2017, section 2: the confidence of an example is the probability of its
    predicted class; the bins have equal width. The expected calibration error is the
    mean of |accuracy - confidence|, weighted by the counts.

    Args:
        probabilities: `(examples, classes)`, each row sums to 1.
        labels: int `(examples,)`.
        num_bins: the number of bins.

    Returns:
        The bins that have examples, in the order of confidence.

    Raises:
        ValueError: shapes do not agree, rows are not probabilities, or there are no
            examples or bins.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2:
        raise ValueError(
            f"Received probabilities of shape {probabilities.shape}. Expected "
            "(examples, classes), with both columns if there are two classes."
        )
    if num_bins < 1:
        raise ValueError(f"Received num_bins={num_bins}. Expected 1 or more.")
    sums = probabilities.sum(axis=1)
    # bfloat16 and float16 outputs sum to 1 within a few thousandths.
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, atol=1e-2)):
        raise ValueError(
            f"Received rows whose sums range from {sums.min()} to {sums.max()}, with "
            f"the smallest entry {probabilities.min()}. Expected probabilities: apply "
            "softmax to logits first."
        )
    predictions = probabilities.argmax(axis=1)
    label_ids, _, _ = _ids(labels, predictions, probabilities.shape[1])
    confidence, right = probabilities.max(axis=1), predictions == label_ids
    edges = np.linspace(0, 1, num_bins + 1)
    places = np.clip(np.searchsorted(edges, confidence) - 1, 0, num_bins - 1)
    bins = []
    for place in np.unique(places):
        inside = places == place
        mean, accuracy = (float(x[inside].mean()) for x in (confidence, right))
        low, high = edges[place : place + 2].tolist()
        bins.append(CalibrationBin(low, high, mean, accuracy, int(inside.sum())))
    return bins


def _class_metric(
    name: str, labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> float:
    if name == "accuracy":
        return float(np.mean(labels == predictions))
    with extra("finetune"):
        import sklearn.metrics
    if name == "f1":
        average = "binary" if num_classes == 2 else "macro"
        found = sklearn.metrics.f1_score(
            labels, predictions, average=average, zero_division=0
        )
    # Undefined, and 0 by convention, where all labels or predictions are equal.
    elif _is_constant(labels) or _is_constant(predictions):
        found = 0.0
    else:
        found = sklearn.metrics.matthews_corrcoef(labels, predictions)
    return float(found)


def _correlation(name: str, labels: Vector, predictions: Vector) -> float:
    with extra("finetune"):
        import scipy.stats
    labels, predictions = (v.astype(float) for v in _aligned(labels, predictions))
    for what, values in (("labels", labels), ("predictions", predictions)):
        if not np.all(np.isfinite(values)):
            raise ValueError(
                f"Received {np.sum(~np.isfinite(values))} of {len(values)} {what} that "
                "are NaN or infinite. Expected finite numbers: such predictions come "
                "from a loss that diverged, such labels from examples without a score."
            )
    # The correlation is undefined for constants; 0 is the score of a constant guess.
    if _is_constant(labels) or _is_constant(predictions):
        return 0.0
    function = {"pearson": scipy.stats.pearsonr, "spearman": scipy.stats.spearmanr}
    return float(function[name](labels, predictions).statistic)


def _is_constant(values: np.ndarray) -> bool:
    # The range, not the variance: the mean of equal floats need not equal them.
    return bool(np.ptp(values) == 0)


def _ids(
    labels: Vector, predictions: Vector, num_classes: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels and predictions as checked class ids, and the number of classes."""
    labels, predictions = _aligned(labels, predictions)
    for name, values in (("labels", labels), ("predictions", predictions)):
        is_whole = np.issubdtype(values.dtype, np.number) and np.all(values % 1 == 0)
        if not is_whole or values.min() < 0:
            raise ValueError(
                f"Received {name} such as {np.unique(values)[:5].tolist()}. Expected "
                "class ids 0, 1, …: take the argmax of logits, and remove examples "
                "without a label."
            )
    largest = int(max(labels.max(), predictions.max()))
    if num_classes is None:
        # If all ids are 0, the task is binary, and class 1 does not occur.
        num_classes = max(largest + 1, 2)
    if largest >= num_classes:
        raise ValueError(
            f"Received the class id {largest} with num_classes={num_classes}. "
            f"Expected ids below {num_classes}: labels and model must have the same "
            "classes."
        )
    return labels.astype(np.int64), predictions.astype(np.int64), num_classes


def _aligned(labels: Vector, predictions: Vector) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(
            f"Received labels of shape {labels.shape} and predictions of shape "
            f"{predictions.shape}. Expected one of each per example: (examples,)."
        )
    if not len(labels):
        raise ValueError("Received no examples. Expected at least one to score.")
    return labels, predictions
