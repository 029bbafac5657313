"""Rows of tables to texts and pairs of texts with a class or a score."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from data_pipelines.datasets.examples import TextExample
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Part, Reading, TfdsSplit
from data_pipelines.datasets.tables import Row, read_rows


@dataclasses.dataclass(frozen=True)
class TextTable:
    """Which columns hold what; of several names, the first that a file has.

    Attributes:
        first: names of the column of the text, or of the first of a pair.
        second: of the second; none: texts are single.
        label: of the label.
        id: of the id; where there is none, rows are numbered from 0.
        is_score: labels are numbers, else names of classes.
        label_is_id: files have the number of the class for its name.
        skips_ragged: rows with too few or too many fields are skipped.
    """

    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    label: tuple[str, ...] = ("label",)
    id: tuple[str, ...] = ()
    is_score: bool = False
    label_is_id: bool = False
    skips_ragged: bool = False

    def read_rows(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, str], TextExample]]:
        """The columns of rows as they are written, and the example of each.

        Raises:
            ValueError: a column is missing, or a label is not as it should be.
        """
        rows = rows_of(paths, files, reading.log if self.skips_ragged else None)
        return self._read(rows, files.part, self.label_is_id, reading)

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[TextExample]:
        """The examples of all rows, as `read_rows` reads them."""
        return (example for _, example in self.read_rows(paths, files, reading))

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[TextExample]:
        """The examples of a split of TFDS, whose labels are numbers, -1 for none."""
        rows = tfds_rows(data, self.label)
        is_id = not self.is_score
        return (example for _, example in self._read(rows, None, is_id, reading))

    def _read(
        self,
        rows: Iterable[Row],
        part: Part | None,
        label_is_id: bool,
        reading: Reading,
    ) -> Iterator[tuple[dict[str, str], TextExample]]:
        log = reading.log
        for number, row in enumerate(rows):
            first = row.value(*self.first)
            if part is not None and not part.has(first):
                continue
            second = row.value(*self.second) if self.second else None
            label = self._label(row, label_is_id, reading)
            if not first.strip():
                log.skip("empty text", row.place)
            elif label is None and reading.role != "test":
                log.skip("no label", row.place)
            else:
                if second is not None and not second.strip():
                    log.warn("empty second text", row.place)
                log.use()
                name = row.get(*self.id) or str(number)
                yield row.values, TextExample(name, first, second, label)

    def _label(
        self, row: Row, label_is_id: bool, reading: Reading
    ) -> str | float | None:
        has_to_be = reading.role != "test"
        text = row.value(*self.label) if has_to_be else row.get(*self.label)
        text = (text or "").strip()
        if not text:
            return None
        if self.is_score:
            return _score(text, row)
        labels = reading.labels
        if label_is_id and labels is not None:
            return labels[number_below(len(labels), text, row)]
        if labels is not None and text not in labels:
            raise unknown_label(text, row.where, labels)
        return text


def rows_of(
    paths: Sequence[str], files: Files, ragged: ReadLog | None = None
) -> Iterator[Row]:
    """The rows of all files, one after another."""
    return itertools.chain.from_iterable(
        read_rows(path, files.names, ragged) for path in paths
    )


def tfds_rows(data: TfdsSplit, label: Sequence[str] = ("label",)) -> Iterator[Row]:
    """Examples of TFDS as rows of a table: a label of -1 becomes "", which is none."""
    for number, example in enumerate(data.examples):
        values = {name: _text(value) for name, value in example.items()}
        for column in label:
            if values.get(column) in ("-1", "-1.0"):
                values[column] = ""
        yield Row(values, data.source, f"example {number}")


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def number_below(limit: int, text: str, row: Row) -> int:
    """A label that is written as a number from 0.

    Raises:
        ValueError: it is not one, or too large.
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= limit:
        raise ValueError(
            f"{row.where}: received the label {text!r}. Expected a whole number from "
            f"0 to {limit - 1}: correct the row."
        )
    return int(text)


def unknown_label(label: str, where: str, labels: Sequence[str]) -> ValueError:
    """What to raise where a label is none of those that are known."""
    return ValueError(
        f"{where}: received the label {label!r}. Expected one of "
        f"{str(list(labels))[:300]}: correct it, or leave the example out."
    )


def _score(text: str, row: Row) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(
            f"{row.where}: received the label {text!r}. Expected a number, as the "
            "kind is regression: correct the row, or take the kind classification."
        )
    return score
