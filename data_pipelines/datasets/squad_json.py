"""Reads questions from SQuAD's JSON and from flat JSON objects."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.json_objects import read_objects
from data_pipelines.datasets.text_files import ending_of

_FORMAT = (
    'Expected SQuAD\'s format: {"data": [{"title": …, "paragraphs": [{"context": …, '
    '"qas": [{"id": …, "question": …, "answers": [{"text": …, "answer_start": …}]}]}]}'
    ']}; or one object per line with "context", "question" and "answers".'
)


def read_questions(path: str) -> tuple[list[Question], bool]:
    """Reads the questions of a file; also returns whether it has `is_impossible`.

    Besides SQuAD's nested objects, flat ones are read, as Hugging Face writes them: one
    per line, in an array, or in "data". Ids and texts may be numbers. A missing or null
    id or title is "", missing or null answers are an empty list, and an answer without
    a start has the start -1.

    If no question of the file has `is_impossible` and some have answers, an empty list
    of answers means that the context has no answer, as in Hugging Face's copy of
    SQuAD 2.0; otherwise it means that the answer is unknown.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not in one of these formats.
    """
    entries, questions = [], []
    for entry, title, context, place in _entries(path):
        entries.append(entry)
        questions.append(_question(entry, title, context, place))
    has_is_impossible = any(e.get("is_impossible") is not None for e in entries)
    if not has_is_impossible and any(question.answers for question in questions):
        questions = [
            dataclasses.replace(
                question,
                is_impossible=entry.get("answers") is not None and not question.answers,
            )
            for entry, question in zip(entries, questions, strict=True)
        ]
    return questions, has_is_impossible


def _entries(path: str) -> Iterator[tuple[dict[str, Any], str, Any, str]]:
    """Yields the object of each question, its title, context and location."""
    if ending_of(path) in ("csv", "tsv"):
        raise ValueError(f"{path} is a table according to its name. {_FORMAT}")
    for number, article in read_objects(path):
        at = f"{path}, {number}"
        title = _text(article, "title", at, "")
        if "paragraphs" not in article and "question" in article:
            yield article, title, article.get("context"), at
            continue
        for j, paragraph in enumerate(_list(article, "paragraphs", at)):
            inside = f"{at}.paragraphs[{j}]"
            for k, entry in enumerate(_list(paragraph, "qas", inside)):
                where = f"{inside}.qas[{k}]"
                yield _object(entry, where), title, paragraph.get("context"), where


def _question(entry: dict[str, Any], title: str, context: Any, at: str) -> Question:
    return Question(
        id=_text(entry, "id", at, ""),
        title=title,
        question=_text(entry, "question", at),
        context=_text({"context": context}, "context", at),
        answers=tuple(_answers(entry, at)),
        is_impossible=_is_impossible(entry, at),
    )


def _answers(entry: dict[str, Any], at: str) -> Iterator[Answer]:
    given = entry.get("answers")
    if isinstance(given, dict):  # Columns, as Hugging Face writes them.
        texts = _list(given, "text", f"{at}.answers")
        starts = _list(given, "answer_start", f"{at}.answers", [None] * len(texts))
        if len(texts) != len(starts):
            raise _unexpected(f"{at}.answers", f"{len(texts)} and {len(starts)} values")
        pairs = zip(texts, starts, strict=True)
        given = [{"text": text, "answer_start": start} for text, start in pairs]
    for number, answer in enumerate(_list({"answers": given}, "answers", at, [])):
        place = f"{at}.answers[{number}]"
        start = _object(answer, place).get("answer_start")
        if isinstance(start, float) and start.is_integer():  # As pandas writes it.
            start = int(start)
        if start is not None and (
            not isinstance(start, int) or isinstance(start, bool)
        ):
            raise _unexpected(place, f"'answer_start': {start!r}")
        yield Answer(_text(answer, "text", place), -1 if start is None else start)


def _is_impossible(entry: dict[str, Any], at: str) -> bool:
    value = entry.get("is_impossible")
    if value is None or isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise _unexpected(at, f"'is_impossible': {str(value)[:100]!r}")


def _text(
    entry: dict[str, Any], name: str, where: str, default: str | None = None
) -> str:
    """Returns the text of a field; numbers are formatted as in JSON."""
    value = entry.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    if value is None and default is not None:
        return default
    raise _missing(entry, name, "text", where)


def _list(
    entry: Any, name: str, where: str, default: list[Any] | None = None
) -> list[Any]:
    value = _object(entry, where).get(name)
    if isinstance(value, list):
        return value
    if value is None and default is not None:
        return default
    raise _missing(entry, name, "list", where)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected(where, f"a {type(value).__name__}")
    return value


def _missing(entry: dict[str, Any], name: str, kind: str, where: str) -> ValueError:
    received = f"the fields {sorted(entry)} without the {kind} {name!r}"
    if entry.get(name) is not None:
        received = f"{name!r}: {str(entry[name])[:100]!r}, which is not a {kind}"
    return _unexpected(where, received)


def _unexpected(where: str, received: str) -> ValueError:
    return ValueError(f"{where}: received {received}. {_FORMAT}")
