"""Rows of tables to texts with several endings or answers, one of them right."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from data_pipelines.datasets.examples import ChoiceExample
from data_pipelines.datasets.sources import Files, Part, Reading, TfdsSplit
from data_pipelines.datasets.tables import Row
from data_pipelines.datasets.text_tables import number_below, rows_of, tfds_rows


@dataclasses.dataclass(frozen=True)
class ChoiceTable:
    """Which columns hold what.

    Attributes:
        first: the column of the text.
        choices: the columns of what may follow it, at least two.
        stem: a column whose text stands before each choice; None: nothing does.
        label: the column of the number of the right one, from 0.
        id: names of the column of the id, of which the first that there is counts;
            where there is none, rows are numbered from 0.
    """

    first: str
    choices: tuple[str, ...]
    stem: str | None = None
    label: str = "label"
    id: tuple[str, ...] = ()

    def read_rows(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, str], ChoiceExample]]:
        """The columns of rows as they are written, and the example of each.

        Raises:
            ValueError: a column is missing, or a label is not as it should be.
        """
        return self._read(rows_of(paths, files), files.part, reading)

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[ChoiceExample]:
        """The examples of all rows, as `read_rows` reads them."""
        return (example for _, example in self.read_rows(paths, files, reading))

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[ChoiceExample]:
        """The examples of a split of TFDS, in which -1 is no label."""
        rows = tfds_rows(data, (self.label,))
        return (example for _, example in self._read(rows, None, reading))

    def _read(
        self, rows: Iterable[Row], part: Part | None, reading: Reading
    ) -> Iterator[tuple[dict[str, str], ChoiceExample]]:
        log = reading.log
        for number, row in enumerate(rows):
            first = row.value(self.first)
            if part is not None and not part.has(first):
                continue
            choices = [row.value(column) for column in self.choices]
            is_blank = not all(choice.strip() for choice in choices)
            if self.stem is not None:
                stem = row.value(self.stem)
                choices = [f"{stem} {choice}" for choice in choices]
            label = self._label(row, reading)
            if not first.strip():
                log.skip("empty text", row.place)
            elif label is None and reading.role != "test":
                log.skip("no label", row.place)
            else:
                if is_blank:
                    log.warn("empty choice", row.place)
                log.use()
                name = row.get(*self.id) or str(number)
                yield row.values, ChoiceExample(name, first, tuple(choices), label)

    def _label(self, row: Row, reading: Reading) -> int | None:
        has_to_be = reading.role != "test"
        text = row.value(self.label) if has_to_be else row.get(self.label)
        text = (text or "").strip()
        return number_below(len(self.choices), text, row) if text else None


_ENDINGS = tuple(f"ending{number}" for number in range(4))
_ANSWERS = tuple(f"answer{number}" for number in range(4))

# The paper's section 4.4: the given sentence, and the beginning of the next with each
# of its endings.
SWAG = ChoiceTable(first="sent1", stem="sent2", choices=_ENDINGS, id=("fold-ind",))
COSMOS_QA = ChoiceTable(first="context", stem="question", choices=_ANSWERS, id=("id",))
CODAH = ChoiceTable(first="prompt", choices=_ENDINGS)
CODAH_COLUMNS = ("category", "prompt", *_ENDINGS, "label")
