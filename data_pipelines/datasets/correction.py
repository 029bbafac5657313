"""Texts and their corrections: tables, SIGHAN's files, and files line by line."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Part, Reading, TfdsSplit
from data_pipelines.datasets.tables import Row
from data_pipelines.datasets.text_files import read_lines
from data_pipelines.datasets.text_tables import rows_of, tfds_rows

_SIGHAN_LINE = re.compile(r"\((?P<name>[^)]*)\)\s*(?P<text>.*?)\s*")


@dataclasses.dataclass(frozen=True)
class CorrectionTable:
    """Which columns hold what. Rows in which both texts are equal are clean examples.

    Attributes:
        text: the column of the text.
        corrected: that of the corrected text.
        id: names of the column of the id, of which the first that there is counts;
            where there is none, rows are numbered from 0.
    """

    text: str = "text"
    corrected: str = "corrected"
    id: tuple[str, ...] = ()

    def read_rows(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[tuple[dict[str, str], CorrectionExample]]:
        """The columns of rows as they are written, and the example of each.

        Raises:
            ValueError: a column is missing; of a test, that of the text.
        """
        return self._read(rows_of(paths, files), files.part, reading)

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """The examples of all rows, as `read_rows` reads them."""
        return (example for _, example in self.read_rows(paths, files, reading))

    def read_tfds(
        self, data: TfdsSplit, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """The examples of a split of TFDS."""
        return (example for _, example in self._read(tfds_rows(data), None, reading))

    def _read(
        self, rows: Iterable[Row], part: Part | None, reading: Reading
    ) -> Iterator[tuple[dict[str, str], CorrectionExample]]:
        is_test = reading.role == "test"
        for number, row in enumerate(rows):
            text = row.value(self.text)
            if part is not None and not part.has(text):
                continue
            get = row.get if is_test else row.value
            corrected = (get(self.corrected) or "",)
            known = tuple(text for text in corrected if text.strip())
            name = row.get(*self.id) or str(number)
            example = CorrectionExample(name, text, known)
            if _is_used(example, row.place, is_test, reading.log):
                yield row.values, example


@dataclasses.dataclass(frozen=True)
class SighanFiles:
    """The bake-offs' two files: texts, and where which characters are wrong.

    Lines are `(pid=A2-0023-1)`, a tab and the text, and `A2-0023-1, 10, 友`: pairs of
    a place, counted from 1, and the right character, or a 0 where nothing is wrong.

    Of the texts to train on nearly all have an error, of those of a test the half. So
    that a model and its threshold see clean ones, too, each text that was corrected is
    followed by its correction as a clean example, but not in a test.
    """

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """The examples, in the order of the texts.

        Raises:
            ValueError: a line is not as it should be, or the files are not of the
                same texts.
        """
        texts, truth = paths
        for number, (line, answer) in enumerate(_lines_together(paths), start=1):
            found = _SIGHAN_LINE.fullmatch(line)
            name, *pairs = (part.strip() for part in answer.split(","))
            if found is None or _plain(name) != _plain(found["name"]):
                raise ValueError(
                    f"{texts} and {truth}, line {number}: received {line[:60]!r} and "
                    f"{answer[:60]!r}. Expected '(NAME)', a tab and a text in the one, "
                    "and the same name in the other."
                )
            text = found["text"]
            if files.part is not None and not files.part.has(text):
                continue
            corrected = _with_characters(text, pairs, f"{truth}, line {number}")
            example = CorrectionExample(_plain(name), text, (corrected,))
            if not _is_used(example, f"line {number}", False, reading.log):
                continue
            yield example
            if corrected != text and reading.role != "test":
                reading.log.use()
                name = f"{example.id}, corrected"
                yield CorrectionExample(name, corrected, (corrected,))

    def read_tfds(
        self, data: TfdsSplit, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """TFDS does not have them, so that no split names one of it."""
        raise OSError(f"TFDS does not have {data.source}. Expected a data_dir.")


@dataclasses.dataclass(frozen=True)
class ParallelLines:
    """A file of texts, one a line, and files with a correction of each in its line."""

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """The examples of all lines; white space around texts is left out.

        Raises:
            ValueError: one of the files has fewer lines.
        """
        for number, lines in enumerate(_lines_together(paths)):
            text, *corrected = (line.strip() for line in lines)
            if files.part is not None and not files.part.has(text):
                continue
            known = tuple(other for other in corrected if other)
            example = CorrectionExample(str(number), text, known)
            place = f"line {number + 1}"
            if _is_used(example, place, reading.role == "test", reading.log):
                yield example

    def read_tfds(
        self, data: TfdsSplit, reading: Reading
    ) -> Iterator[CorrectionExample]:
        """TFDS does not have them, so that no split names one of it."""
        raise OSError(f"TFDS does not have {data.source}. Expected a data_dir.")


def _is_used(
    example: CorrectionExample, place: str, is_test: bool, log: ReadLog
) -> bool:
    if not example.text.strip():
        log.skip("empty text", place)
    elif not example.corrected and not is_test:
        log.skip("no corrected text", place)
    else:
        log.use()
        return True
    return False


def _lines_together(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        yield from zip(*map(read_lines, paths), strict=True)
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise ValueError(
            f"The files {list(paths)} have different numbers of lines. Expected one "
            "line for each text in all of them: copy them again."
        ) from None


def _plain(name: str) -> str:
    """`(pid=A2-0023-1)` is called `A2-0023-1` in the other file."""
    return re.sub(r"^\(?((pid|NID)=)?|\)$", "", name)


def _with_characters(text: str, pairs: Sequence[str], where: str) -> str:
    characters = list(text)
    if list(pairs) == ["0"]:
        return text
    for place, character in zip(pairs[::2], pairs[1::2], strict=False):
        is_place = place.isdigit() and 1 <= int(place) <= len(text)
        if not is_place or len(character) != 1:
            raise ValueError(
                f"{where}: received {place!r} and {character!r} for a text of "
                f"{len(text)} characters. Expected a place in it, counted from 1, and "
                "one character."
            )
        characters[int(place) - 1] = character
    if len(pairs) % 2 or not pairs:
        raise ValueError(
            f"{where}: received {list(pairs)}. Expected pairs of a place and a "
            "character, or a 0."
        )
    return "".join(characters)
