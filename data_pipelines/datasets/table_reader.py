"""Reads examples from rows of tables and TFDS: the part that all kinds share."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from data_pipelines.datasets import labels
from data_pipelines.datasets.examples import Example, TextExample
from data_pipelines.datasets.labels import ClassesSeen
from data_pipelines.datasets.sources import Files, Part, Reading, TfdsSplit
from data_pipelines.datasets.tables import Row, read_rows, similar

_REJECTED = "rejected or ignored in Prodigy"
_WHOLE = "label such as 1.0, a whole number, read as 1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableReader:
    """Reader of one example per row.

    A column may have several names; the first that a file has is used.

    Attributes:
        first: names of the column of the text, or of the first text.
        label: names of the column of the label.
        id: names of the column of the id; without one, rows are numbered from 0.
        skips_ragged: whether rows with too few or too many fields are skipped; else
            they are an error.
        is_published: whether files are from the catalogue, with known formats.
    """

    first: tuple[str, ...] = ("text",)
    label: tuple[str, ...] = ("label",)
    id: tuple[str, ...] = ()
    skips_ragged: bool = False
    is_published: bool = True

    def example(self, name: str, row: Row, reading: Reading) -> Example | None:
        """Returns the example of a row, or None; counts it in `reading.log`."""
        raise NotImplementedError

    def read_rows(
        self, files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yields the unchanged columns of each row, and its example.

        Raises:
            ValueError: a column is missing (labels of a test set are optional), or a
                label is invalid.
        """
        rows = (
            read_rows(
                path,
                files.names,
                reading.log,
                skips_ragged=self.skips_ragged,
                is_published=self.is_published,
            )
            for path in files.paths
        )
        return self._examples(itertools.chain.from_iterable(rows), files.part, reading)

    def read_files(self, files: Files, reading: Reading) -> Iterator[Any]:
        """Reads the examples of all rows, see `read_rows`."""
        return (example for _, example in self.read_rows(files, reading))

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[Any]:
        """Reads the examples of a TFDS split, whose labels are numbers, -1 for none."""
        rows = self._tfds_rows(data, reading.labels)
        return (example for _, example in self._examples(rows, None, reading))

    def label_text(self, row: Row, reading: Reading) -> str:
        """Returns the label as written; "" for none in a test, and for prediction."""
        if not reading.reads_labels:
            return ""
        if not reading.needs_labels:
            return row.get(*self.label) or ""
        return row.value(*self.label)

    def label_cell(self, row: Row, reading: Reading) -> str:
        """Returns the label of a class or score, or "", see `labels.label_text`."""
        if not reading.reads_labels or labels.is_rejected(row, self.label):
            return ""
        text = labels.label_text(row, self.label)
        if text is None:
            return row.value(*self.label) if reading.needs_labels else ""
        return text

    def class_name(self, text: str, row: Row, reading: Reading) -> str:
        """Returns the class name in a cell; whole numbers lose their `.0`."""
        known = reading.labels or ()
        if self.is_published or text in known:
            return text
        whole = labels.whole_number(text)
        if whole != text:
            reading.log.warn(_WHOLE, row.place)
        # The labels of the model may be from files where `.0` was kept.
        return f"{text}.0" if f"{text}.0" in known else whole

    def _examples(
        self, rows: Iterable[Row], part: Part | None, reading: Reading
    ) -> Iterator[tuple[dict[str, Any], Example]]:
        seen, source = ClassesSeen(), ""
        for number, row in enumerate(rows):
            if part is None or part.has(row.value(*self.first)):
                if reading.needs_labels and labels.is_rejected(row, self.label):
                    reading.log.skip(_REJECTED, row.place)
                    continue
                name = self._name(row, reading) or str(number)
                example = self.example(name, row, reading)
                if example is not None:
                    if isinstance(example, TextExample):
                        seen.add(example.label, row.place)
                    source = row.source
                    yield row.values, example
        if reading.role == "train" and not self.is_published:
            seen.check(source, reading.log)

    def _name(self, row: Row, reading: Reading) -> str:
        name = row.get(*self.id) or ""
        if self.id and not name and not self.is_published:
            where = f"{row.place}, column {self.id[0]!r}"
            reading.log.warn("no id; the number of the row was used", where)
        return name

    def _tfds_rows(self, data: TfdsSplit, names: Sequence[str] | None) -> Iterator[Row]:
        for number, example in enumerate(data.examples):
            values = {
                name: value.decode("utf-8") if isinstance(value, bytes) else str(value)
                for name, value in example.items()
            }
            row = Row(values, data.source, f"example {number}")
            for column in self.label:
                if values.get(column) in ("-1", "-1.0"):
                    values[column] = ""
                elif column in values and names is not None:
                    place = number_below(len(names), values[column], row)
                    values[column] = names[place]
            yield row


def number_below(limit: int, text: str, row: Row) -> int:
    """Parses a label that is a number from 0 to `limit` - 1.

    Raises:
        ValueError: the text is not such a number.
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= limit:
        raise ValueError(
            f"{row.where}: received the label {text!r}. Expected a whole number from "
            f"0 to {limit - 1}: correct the row."
        )
    return int(text)


def unknown_label(label: str, where: str, known: Sequence[str]) -> ValueError:
    """Returns an error for an unknown label."""
    return ValueError(
        f"{where}: received the label {label!r}. Expected one of "
        f"{str(list(known))[:300]}{similar([label], known)}: correct the label, or "
        "remove the example."
    )
