"""Reads texts and text pairs with a class or a score from rows of tables."""

import dataclasses
import math
import re

import numpy as np

from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.sources import Reading
from data_pipelines.datasets.table_reader import (
    TableReader,
    number_below,
    unknown_label,
)
from data_pipelines.datasets.tables import Row

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_LARGEST = float(np.finfo(np.float32).max)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTable(TableReader):
    """Reader of rows with a text, or a pair of texts, and a label.

    Attributes:
        second: names of the column of the second text; empty for single texts.
        is_score: whether labels are numbers, else class names.
        label_is_id: whether files contain class ids instead of class names.
    """

    second: tuple[str, ...] = ()
    is_score: bool = False
    label_is_id: bool = False

    def example(self, name: str, row: Row, reading: Reading) -> TextExample | None:
        """Returns the example of a row, or None; counts it in `reading.log`."""
        first = row.value(*self.first)
        second = row.value(*self.second) if self.second else None
        label = self._label(row, reading)
        if not reading.takes(first, label is not None, row.place):
            return None
        if second is not None and not second.strip():
            reading.log.warn("empty second text", row.place)
        return TextExample(name, first, second, label)

    def _label(self, row: Row, reading: Reading) -> str | float | None:
        text = self.label_cell(row, reading)
        labels = reading.labels
        if not text:
            return None
        if self.is_score:
            score = _score(text, row)
            if "," in text:
                reading.log.warn("decimal comma in a score", row.place)
            return score
        text = self.class_name(text, row, reading)
        if labels is not None and self.label_is_id:
            return labels[number_below(len(labels), text, row)]
        if labels is not None and text not in labels:
            raise unknown_label(text, row.where, labels)
        return text


def _score(text: str, row: Row) -> float:
    # A comma that cannot separate thousands is a decimal comma.
    if _DECIMAL_COMMA.fullmatch(text) and not _THOUSANDS.fullmatch(text):
        text = text.replace(",", ".")
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    # Rejects NaN, and numbers that are infinite in float32, the type used in training.
    if not abs(score) <= _LARGEST:
        raise ValueError(
            f"{row.where}: received the label {text!r}. Expected a number with a "
            "decimal point for the kind regression: correct the row, or use the kind "
            "classification."
        )
    return score
