"""Metrics as people call them, and how they are written."""

_PERCENT, _NUMBER = "{:.1%}", "{:.3f}"

_METRICS = {
    "accuracy": ("accuracy", _PERCENT),
    "f1": ("F1", _PERCENT),
    "exact": ("exact match", _PERCENT),
    "entity_f1": ("F1 of entities", _PERCENT),
    "entity_precision": ("precision of entities", _PERCENT),
    "entity_recall": ("recall of entities", _PERCENT),
    **{
        f"{level}_{name}": (f"{words} of {what}", _PERCENT)
        for level, what in (
            ("detection", "detection, by texts"),
            ("correction", "correction, by texts"),
            ("character_detection", "detection, by characters"),
            ("character_correction", "correction, by characters"),
            ("edit", "edits"),
        )
        for name, words in (
            ("accuracy", "accuracy"),
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1", "F1"),
            ("f05", "F0.5"),
        )
    },
    "false_positive_rate": ("right texts that are changed", _PERCENT),
    "matthews": ("Matthews correlation", _NUMBER),
    "pearson": ("Pearson correlation", _NUMBER),
    "spearman": ("Spearman correlation", _NUMBER),
}


def is_known(metric: str) -> bool:
    """Whether it is one of the metrics, and not a count or a threshold beside them."""
    return metric in _METRICS


def name_of(metric: str) -> str:
    """The name that people use."""
    return _METRICS[metric][0] if metric in _METRICS else metric


def text_of(metric: str, value: float) -> str:
    """A value as it is written."""
    form = _METRICS[metric][1] if metric in _METRICS else _NUMBER
    return form.format(value)
