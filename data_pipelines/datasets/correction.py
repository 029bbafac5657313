"""Reads texts and their corrections from tables, SIGHAN files and parallel files."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit
from data_pipelines.datasets.table_reader import TableReader
from data_pipelines.datasets.tables import Row
from data_pipelines.datasets.text_files import read_lines

_SIGHAN_LINE = re.compile(r"\((?P<name>[^)]*)\)\s*(?P<text>.*?)\s*")
_MISSING = "no corrected text"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrectionTable(TableReader):
    """Reader of rows with a text and its correction, which may be equal."""

    label: tuple[str, ...] = ("corrected",)

    def example(
        self, name: str, row: Row, reading: Reading
    ) -> CorrectionExample | None:
        """Returns the example of a row, or None; counts it in `reading.log`."""
        text, corrected = row.value(*self.first), self.label_text(row, reading)
        known = (corrected,) if corrected.strip() else ()
        if not reading.takes(text, bool(known), row.place, _MISSING):
            return None
        return CorrectionExample(name, text, known)


class _LineFiles:
    """Base class for line-aligned files, which are not in TFDS."""

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[Any]:
        """Raises an OSError."""
        raise OSError(
            f"TFDS does not have {data.source}. Expected files: set data_dir."
        )


class SighanFiles(_LineFiles):
    """Reader of the two files of the bake-offs: texts, and their wrong characters.

    Lines are `(pid=A2-0023-1)`, a tab and the text, and `A2-0023-1, 10, 友`: pairs of
    a position, counted from 1, and the right character, or 0 if the text is correct.

    Nearly all training texts have an error, but only half of the test texts. To show
    correct texts to the model and its threshold, too, each text with an error is
    followed by its correction as another example, except in the test set.
    """

    def read_files(self, files: Files, reading: Reading) -> Iterator[CorrectionExample]:
        """Reads the examples, in the order of the texts.

        Raises:
            ValueError: a line is malformed, or the files have different texts.
        """
        texts, truth = files.paths
        for number, (line, answer) in enumerate(_lines_together(files.paths), start=1):
            found = _SIGHAN_LINE.fullmatch(line)
            name, *pairs = (part.strip() for part in answer.split(","))
            if found is None or _plain(name) != _plain(found["name"]):
                raise ValueError(
                    f"{texts} and {truth}, line {number}: received {line[:60]!r} and "
                    f"{answer[:60]!r}. Expected '(NAME)', a tab and a text in the "
                    "first file, and the same name in the second."
                )
            name, text = _plain(name), found["text"]
            if not files.has(text):
                continue
            corrected = _with_characters(text, pairs, f"{truth}, line {number}")
            if reading.takes(text, bool(corrected), f"line {number}", _MISSING):
                yield CorrectionExample(name, text, (corrected,))
                if corrected != text and reading.needs_labels:
                    reading.log.use()
                    name = f"{name}, corrected"
                    yield CorrectionExample(name, corrected, (corrected,))


class ParallelLines(_LineFiles):
    """Reader of a file with one text per line, and files with its corrections."""

    def read_files(self, files: Files, reading: Reading) -> Iterator[CorrectionExample]:
        """Reads one example per line; white space around texts is removed.

        Raises:
            ValueError: one of the files has fewer lines.
        """
        for number, lines in enumerate(_lines_together(files.paths)):
            text, *corrected = (line.strip() for line in lines)
            if not files.has(text):
                continue
            known = tuple(other for other in corrected if other)
            if reading.takes(text, bool(known), f"line {number + 1}", _MISSING):
                yield CorrectionExample(str(number), text, known)


def _lines_together(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    try:
        yield from zip(*map(read_lines, paths), strict=True)
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise ValueError(
            f"The files {list(paths)} have different numbers of lines. Expected one "
            "line per text in each file: copy them again."
        ) from None


def _plain(name: str) -> str:
    """Returns `A2-0023-1`, as in the second file, for `(pid=A2-0023-1)`."""
    return re.sub(r"^\(?((pid|NID)=)?|\)$", "", name)


def _with_characters(text: str, pairs: list[str], where: str) -> str:
    if pairs == ["0"]:
        return text
    if len(pairs) % 2 or not pairs:
        raise ValueError(
            f"{where}: received {pairs}. Expected pairs of a position and a character, "
            "or 0: correct the line."
        )
    characters = list(text)
    for place, character in zip(pairs[::2], pairs[1::2], strict=True):
        is_place = place.isdigit() and 1 <= int(place) <= len(text)
        if not is_place or len(character) != 1:
            raise ValueError(
                f"{where}: received {place!r} and {character!r} for a text of "
                f"{len(text)} characters. Expected a position in the text, counted "
                "from 1, and one character: correct the line."
            )
        characters[int(place) - 1] = character
    return "".join(characters)
