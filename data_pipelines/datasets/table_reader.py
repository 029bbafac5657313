"""Examples from the rows of tables, and of TFDS: the part that all kinds share."""

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
_WHOLE = "a label as 1.0, a whole number, was read as 1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableReader:
    """A row is an example. Of several names of a column, the first that a file has.

    Attributes:
        first: names of the column of the text, or of the first text.
        id: where there is none, rows are numbered from 0.
        skips_ragged: rows with too few or too many fields are skipped; else they are
            an error.
        is_published: files are those of the catalogue, whose formats are known.
    """

    first: tuple[str, ...] = ("text",)
    label: tuple[str, ...] = ("label",)
    id: tuple[str, ...] = ()
    skips_ragged: bool = False
    is_published: bool = True

    def example(self, name: str, row: Row, reading: Reading) -> Example | None:
        """The example of a row, which is counted in `reading.log`; None: skipped."""
        raise NotImplementedError

    def read_rows(
        self, files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, Any], Any]]:
        """The columns of each row, unchanged, and its example.

        Raises:
            ValueError: a column is missing (of a test, not that of the label), or a
                label is not as expected.
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
        """The examples of all rows, as `read_rows` reads them."""
        return (example for _, example in self.read_rows(files, reading))

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[Any]:
        """The examples of a split of TFDS, whose labels are numbers, -1 for none."""
        rows = self._tfds_rows(data, reading.labels)
        return (example for _, example in self._examples(rows, None, reading))

    def label_text(self, row: Row, reading: Reading) -> str:
        """The label as it is written; "" where a test has none, or in a prediction."""
        if not reading.reads_labels:
            return ""
        if not reading.needs_labels:
            return row.get(*self.label) or ""
        return row.value(*self.label)

    def label_cell(self, row: Row, reading: Reading) -> str:
        """As `label_text`, of a class or a number: as `labels.label_text` finds it."""
        if not reading.reads_labels or labels.is_rejected(row, self.label):
            return ""
        text = labels.label_text(row, self.label)
        if text is None:
            return row.value(*self.label) if reading.needs_labels else ""
        return text

    def class_name(self, text: str, row: Row, reading: Reading) -> str:
        """The name of the class that a cell has; a whole number is without a point."""
        known = reading.labels or ()
        if self.is_published or text in known:
            return text
        whole = labels.whole_number(text)
        if whole != text:
            reading.log.warn(_WHOLE, row.place)
        # Of a model that took numbers as they were written.
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
            reading.log.warn("no id, the number of the row was taken", where)
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


def unknown_label(label: str, where: str, known: Sequence[str]) -> ValueError:
    """An error for a label that is none of the known ones."""
    return ValueError(
        f"{where}: received the label {label!r}. Expected one of "
        f"{str(list(known))[:300]}{similar([label], known)}: correct it, or leave the "
        "example out."
    )
