"""Metrics as people call them, and how they are written."""

_METRICS = {
    "accuracy": ("accuracy", "{:.1%}"),
    "f1": ("F1", "{:.1%}"),
    "exact": ("exact match", "{:.1%}"),
    "entity_f1": ("F1 of entities", "{:.1%}"),
    "entity_precision": ("precision of entities", "{:.1%}"),
    "entity_recall": ("recall of entities", "{:.1%}"),
    **{
        f"{level}_{name}": (f"{words} of {what}", "{:.1%}")
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
    "false_positive_rate": ("right texts that are changed", "{:.1%}"),
    "matthews": ("Matthews correlation", "{:.3f}"),
    "pearson": ("Pearson correlation", "{:.3f}"),
    "spearman": ("Spearman correlation", "{:.3f}"),
}


def is_known(metric: str) -> bool:
    """Whether it is one of the metrics, and not a count or a threshold beside them."""
    return metric in _METRICS


def name_of(metric: str) -> str:
    """As people call it."""
    return _METRICS[metric][0] if metric in _METRICS else metric


def text_of(metric: str, value: float) -> str:
    """A value as it is written."""
    form = _METRICS[metric][1] if metric in _METRICS else "{:.3f}"
    return form.format(value)
