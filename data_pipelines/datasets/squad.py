"""Questions from SQuAD 1.1 and 2.0, and from files in their format."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit
from data_pipelines.datasets.text_files import read_lines

_ValueT = TypeVar("_ValueT")

_NOT_WHERE_SAID = "answer not where it is said to be, the nearest was taken"
_NOT_IN_CONTEXT = "answer not found in the context"


@dataclasses.dataclass(frozen=True)
class SquadJson:
    """Questions from SQuAD's JSON, and from TFDS.

    Where an answer is not at its given start, its nearest occurrence is taken. A
    question whose answers do not occur in the context is skipped in training, but can
    be evaluated on.
    """

    def read_files(self, files: Files, reading: Reading) -> Iterator[Question]:
        """The questions of the files; `files.part` divides them by article.

        Raises:
            ValueError: a file is not in SQuAD's format.
        """
        for path in files.paths:
            for question in _questions(path):
                if files.has(question.title):
                    yield from _checked(question, reading)

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[Question]:
        """The questions of a split of TFDS."""
        for example in data.examples:
            answers = example["answers"]
            pairs = zip(answers["text"], answers["answer_start"], strict=True)
            question = Question(
                id=example["id"].decode("utf-8"),
                title=example["title"].decode("utf-8"),
                question=example["question"].decode("utf-8"),
                context=example["context"].decode("utf-8"),
                answers=tuple(Answer(t.decode("utf-8"), int(s)) for t, s in pairs),
                is_impossible=bool(example.get("is_impossible", False)),
            )
            yield from _checked(question, reading)


def _checked(question: Question, reading: Reading) -> Iterable[Question]:
    """The question with its answers located; nothing if it is skipped."""
    log, name, context = reading.log, question.id, question.context
    answers = () if question.is_impossible else question.answers
    given = [answer for answer in answers if answer.text.strip()]
    located = [_locate(answer, context) for answer in given]
    is_known = question.is_impossible or bool(given)
    is_found = question.is_impossible or any(answer.start >= 0 for answer in located)
    skipped_if = {
        "empty question": not question.question.strip(),
        "empty context": not context.strip(),
        "no answer": not is_known and reading.role != "test",
        _NOT_IN_CONTEXT: is_known and not is_found and reading.role == "train",
    }
    for reason, applies in skipped_if.items():
        if applies:
            log.skip(reason, name)
            return ()
    if any(answer.start < 0 for answer in located):
        log.warn(_NOT_IN_CONTEXT, name)
    pairs = zip(given, located, strict=True)
    if any(new.start >= 0 and not _is_at(old, context) for old, new in pairs):
        log.warn(_NOT_WHERE_SAID, name)
    log.use()
    # Sorting is stable: only those that were not found go behind the others.
    located.sort(key=lambda answer: answer.start < 0)
    return (dataclasses.replace(question, answers=tuple(located)),)


def _is_at(answer: Answer, context: str) -> bool:
    return answer.start >= 0 and context.startswith(answer.text, answer.start)


def _locate(answer: Answer, context: str) -> Answer:
    # A space at an end of the answer belongs to none of its tokens.
    text = answer.text.strip()
    if _is_at(answer, context):
        return Answer(text, answer.start + answer.text.index(text))
    starts = [match.start() for match in re.finditer(f"(?={re.escape(text)})", context)]
    nearest = min(starts, key=lambda start: abs(start - answer.start), default=-1)
    return Answer(text, nearest)


def _questions(path: str) -> Iterator[Question]:
    try:
        content = json.loads("\n".join(read_lines(path)))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"{path}: not JSON ({error}). Expected a whole file as SQuAD's are: copy "
            "it again."
        ) from None
    for i, article in enumerate(_get(content, "data", list, path)):
        at = f"{path}, data[{i}]"
        title = _get(article, "title", str, at, "")
        for j, paragraph in enumerate(_get(article, "paragraphs", list, at)):
            context = _get(paragraph, "context", str, f"{at}.paragraphs[{j}]")
            questions = _get(paragraph, "qas", list, f"{at}.paragraphs[{j}]")
            for k, entry in enumerate(questions):
                place = f"{at}.paragraphs[{j}].qas[{k}]"
                yield _question(entry, title, context, place)


def _question(entry: Any, title: str, context: str, place: str) -> Question:
    answers = []
    for number, answer in enumerate(_get(entry, "answers", list, place, [])):
        at = f"{place}.answers[{number}]"
        start = _get(answer, "answer_start", int, at)
        answers.append(Answer(_get(answer, "text", str, at), start))
    return Question(
        id=_get(entry, "id", str, place),
        title=title,
        question=_get(entry, "question", str, place),
        context=context,
        answers=tuple(answers),
        is_impossible=_get(entry, "is_impossible", bool, place, False),
    )


def _get(
    entry: Any,
    name: str,
    kind: type[_ValueT],
    where: str,
    default: _ValueT | None = None,
) -> _ValueT:
    is_object = isinstance(entry, dict)
    value = entry.get(name, default) if is_object else None
    if not isinstance(value, kind):
        received = sorted(entry) if is_object else type(entry).__name__
        if is_object and name in entry:
            received = f"{name!r}: {str(value)[:100]}"
        raise ValueError(
            f"{where}: received {received}. Expected {name!r}, a {kind.__name__}, as "
            'in SQuAD: {"data": [{"title": …, "paragraphs": [{"context": …, "qas": '
            '[{"id": …, "question": …, "answers": [{"text": …, "answer_start": …}]'
            "}]}]}]}."
        )
    return value
