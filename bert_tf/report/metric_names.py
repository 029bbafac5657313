"""Metrics as people call them, and how they are written."""

_PERCENT, _NUMBER = "{:.1%}", "{:.3f}"

METRIC_NAMES = {
    "mlm_loss": ("masked tokens, loss (nats)", _NUMBER),
    "forward_loss": ("tokens from those before, loss (nats)", _NUMBER),
    "backward_loss": ("tokens from those behind, loss (nats)", _NUMBER),
    "mlm_accuracy": ("masked tokens, accuracy", _PERCENT),
    "replaced_loss": ("replaced or not, loss (nats)", _NUMBER),
    "replaced_accuracy": ("replaced or not, accuracy", _PERCENT),
    "sentence_loss": ("sentence task, loss (nats)", _NUMBER),
    "sentence_accuracy": ("sentence task, accuracy", _PERCENT),
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


def name_of(metric: str) -> str:
    """The name that people use."""
    return METRIC_NAMES[metric][0] if metric in METRIC_NAMES else metric


def text_of(metric: str, value: float) -> str:
    """A value as it is written."""
    form = METRIC_NAMES[metric][1] if metric in METRIC_NAMES else _NUMBER
    return form.format(value)
