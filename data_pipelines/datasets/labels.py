"""Reads labels of tables as common tools write them, and checks their plausibility."""

import ast
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tables import Row

_WHOLE = re.compile(r"(-?\d+)\.0+")
_MISSING = ("nan", "none", "null", "n/a")
_SEPARATORS = re.compile(r"\s*[,;|#]\s*")
# Minimum numbers of labels for the checks of classes.
_FEW, _MANY = 10, 100


def label_text(row: Row, columns: Sequence[str]) -> str | None:
    """Returns the label of a row; "" if it is empty, None if there is no label column.

    A list of one label counts as that label (doccano), also if written as text. Without
    a label column, the choice in Label Studio's `annotations` or Prodigy's `accept` is
    the label.

    Raises:
        ValueError: there are several labels, or a label is a list or an object.
    """
    for column in columns:
        if row.has(column):
            return _single(row.find(column), row)
    if isinstance(row.values.get("annotations"), list):
        return _single(_choices(row, columns), row)
    if isinstance(row.values.get("accept"), list) and "options" in row.values:
        return _single(row.values["accept"], row)
    return None


def is_rejected(row: Row, columns: Sequence[str]) -> bool:
    """Returns True if a row was rejected or ignored in Prodigy: its label is wrong."""
    answer = row.values.get("answer")
    return answer in ("reject", "ignore") and "answer" not in columns


def whole_number(text: str) -> str:
    """Removes the `.0` that pandas adds to whole numbers in some columns."""
    found = _WHOLE.fullmatch(text)
    return text if found is None else found[1]


def _single(value: Any, row: Row) -> str:
    if isinstance(value, str) and value.strip()[:1] == "[":
        value = _list_in(value.strip())
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        value = value["choices"]
    if isinstance(value, list):
        if len(value) > 1:
            raise ValueError(
                f"{row.where}: received several labels, {str(value)[:100]}. Expected "
                "one label: multi-label classification is not supported."
            )
        value = value[0] if value else None
    if isinstance(value, list | dict):
        raise ValueError(
            f"{row.where}: received the label {str(value)[:100]}. Expected the name of "
            "a class or a number: name another column."
        )
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value)


def _list_in(text: str) -> Any:
    """Parses a list in JSON or Python, such as `["pos"]`; else returns the text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return value if isinstance(value, list) else text
    return text


def _choices(row: Row, columns: Sequence[str]) -> list[Any]:
    """Returns the choices in Label Studio: one if annotators agree, else several."""
    chosen: dict[str, list[Any]] = {}
    for annotation in row.values["annotations"]:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result") or []:
            value = result.get("value") if isinstance(result, dict) else None
            for choice in _chosen(value if isinstance(value, dict) else {}):
                known = chosen.setdefault(str(result.get("from_name")), [])
                known += [choice] if choice not in known else []
    named = [name for name in columns if name in chosen]
    if not named and len(chosen) > 1:
        raise ValueError(
            f"{row.where}: received choices for {list(chosen)}. Expected one of them: "
            "name it with label_column."
        )
    return chosen[named[0]] if named else next(iter(chosen.values()), [])


def _chosen(value: dict[str, Any]) -> list[Any]:
    choices = value.get("choices")
    numbers = [value[name] for name in ("rating", "number") if name in value]
    return choices if isinstance(choices, list) else numbers


class ClassesSeen:
    """Collects the classes of a training set, and checks them at the end."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._count = 0

    def add(self, label: str | float | None, place: str) -> None:
        """Adds the label of an example; scores are ignored."""
        if not isinstance(label, str):
            return
        self._count += 1
        self._places.setdefault(label, place)

    def check(self, source: str, log: ReadLog) -> None:
        """Notes classes that differ only in case, look missing, or are too many.

        Raises:
            ValueError: every example has a different class, or some cells contain
                several of the classes.
        """
        places = self._places
        for label, place in places.items():
            parts = _SEPARATORS.split(label)
            if len(parts) > 1 and all(part in places for part in parts):
                raise ValueError(
                    f"{source}, {place}: received several labels, {label!r}. Expected "
                    "one label: multi-label classification is not supported."
                )
        by_folded: dict[str, str] = {}
        for label in places:
            other = by_folded.setdefault(label.casefold(), label)
            if other != label:
                log.note(
                    f"the classes {other!r} ({places[other]}) and {label!r} "
                    f"({places[label]}) differ only in case"
                )
            if label.casefold() in _MISSING:
                log.note(f"{label!r} ({places[label]}) is read as a class")
        some = " and ".join(f"{x!r} ({p})" for x, p in list(places.items())[:2])
        if self._count >= _MANY and len(places) == self._count:
            raise ValueError(
                f"{source}: received {len(places)} classes in as many examples, such "
                f"as {some}. Expected several examples per class: name another "
                "label column, or use the kind regression."
            )
        if self._count >= _FEW and len(places) * 2 > self._count:
            log.note(
                f"{len(places)} classes in {self._count} examples, such as {some}: is "
                "this the label column?"
            )
