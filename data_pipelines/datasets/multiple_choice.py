"""Reads multiple-choice examples from rows of tables."""

import dataclasses

from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.datasets.sources import Reading
from data_pipelines.datasets.table_reader import TableReader, number_below
from data_pipelines.datasets.tables import Row


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChoiceTable(TableReader):
    """Reader of rows with a text, choices, and the index of the right choice from 0.

    Attributes:
        choices: the columns of the choices, at least two.
        stem: a column whose text is put before each choice; None for no such text.
    """

    choices: tuple[str, ...]
    stem: str | None = None

    def example(self, name: str, row: Row, reading: Reading) -> ChoiceExample | None:
        """Returns the example of a row, or None; counts it in `reading.log`."""
        first = row.value(*self.first)
        choices = [row.value(column) for column in self.choices]
        stem = f"{row.value(self.stem)} " if self.stem is not None else ""
        text = self.class_name(self.label_cell(row, reading), row, reading)
        label = number_below(len(choices), text, row) if text else None
        if not reading.takes(first, label is not None, row.place):
            return None
        if not all(choice.strip() for choice in choices):
            reading.log.warn("empty choice", row.place)
        return ChoiceExample(name, first, tuple(stem + c for c in choices), label)


_ENDINGS = tuple(f"ending{number}" for number in range(4))
_ANSWERS = tuple(f"answer{number}" for number in range(4))

# Section 4.4 of the paper: the first sentence, and the beginning of the second with
# each of its endings.
SWAG = ChoiceTable(first=("sent1",), stem="sent2", choices=_ENDINGS, id=("fold-ind",))
COSMOS_QA = ChoiceTable(
    first=("context",), stem="question", choices=_ANSWERS, id=("id",)
)
CODAH = ChoiceTable(first=("prompt",), choices=_ENDINGS)
CODAH_COLUMNS = ("category", "prompt", *_ENDINGS, "label")
