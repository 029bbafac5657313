"""The names and the formats of metrics in reports."""

_PERCENT, _NUMBER = "{:.1%}", "{:.3f}"

METRIC_NAMES = {
    "mlm_loss": ("masked tokens, loss (nats)", _NUMBER),
    "forward_loss": ("next token, loss (nats)", _NUMBER),
    "backward_loss": ("previous token, loss (nats)", _NUMBER),
    "mlm_accuracy": ("masked tokens, accuracy", _PERCENT),
    "replaced_loss": ("replaced tokens, loss (nats)", _NUMBER),
    "replaced_accuracy": ("replaced tokens, accuracy", _PERCENT),
    "sentence_loss": ("sentence task, loss (nats)", _NUMBER),
    "sentence_accuracy": ("sentence task, accuracy", _PERCENT),
    "accuracy": ("accuracy", _PERCENT),
    "f1": ("F1", _PERCENT),
    "exact": ("exact match", _PERCENT),
    "entity_f1": ("entity F1", _PERCENT),
    "entity_precision": ("entity precision", _PERCENT),
    "entity_recall": ("entity recall", _PERCENT),
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
    "false_positive_rate": ("correct texts that are changed", _PERCENT),
    "matthews": ("Matthews correlation", _NUMBER),
    "pearson": ("Pearson correlation", _NUMBER),
    "spearman": ("Spearman correlation", _NUMBER),
}


def name_of(metric: str) -> str:
    """The name of a metric in reports."""
    return METRIC_NAMES[metric][0] if metric in METRIC_NAMES else metric


def text_of(metric: str, value: float) -> str:
    """A formatted value of a metric."""
    form = METRIC_NAMES[metric][1] if metric in METRIC_NAMES else _NUMBER
    return form.format(value)
