"""Reads questions of SQuAD 1.1 and 2.0, and from files in their format."""

import collections
import dataclasses
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator

from data_pipelines.datasets.examples import Answer, Question
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.sources import Files, Reading, TfdsSplit
from data_pipelines.datasets.squad_json import read_questions

_WRONG_START = "answer not at its given start; the nearest occurrence was used"
_NOT_IN_CONTEXT = "answer not found in the context"
_SPELLED_DIFFERENTLY = (
    "answer spelled differently in the context (case, spaces, accents or HTML "
    "entities); the spelling of the context was used"
)
_WITHOUT_START = "answer without a start; its first occurrence was used"
_ASSUMED_IMPOSSIBLE = "empty answers without is_impossible; read as unanswerable"
_NO_ID = "no id; the number of the question was used"
_DUPLICATE_ID = "duplicate id; a number was appended"


@dataclasses.dataclass(frozen=True)
class SquadJson:
    """Reader of questions from SQuAD's JSON, flat JSON of Hugging Face, and TFDS.

    A question without an id gets its number, from 0; duplicate ids are made unique.

    If an answer is not at its given start, its nearest occurrence is used; if there is
    none, an occurrence that differs only in case, white space, Unicode normalization or
    HTML entities. A question whose answers do not occur in the context is skipped in
    training, but used in evaluation.
    """

    def read_files(self, files: Files, reading: Reading) -> Iterator[Question]:
        """Reads the questions of files; `files.part` selects them by article.

        Raises:
            ValueError: a file is not in SQuAD's format.
        """
        names = _Names(reading.log)
        for path in files.paths:
            questions, has_is_impossible = read_questions(path)
            for question in questions:
                if files.has(question.title):
                    question = names.named(question)
                    is_assumed = question.is_impossible and not has_is_impossible
                    if is_assumed and reading.reads_labels:
                        reading.log.warn(_ASSUMED_IMPOSSIBLE, question.id)
                    yield from _checked(question, reading)

    def read_tfds(self, data: TfdsSplit, reading: Reading) -> Iterator[Question]:
        """Reads the questions of a TFDS split."""
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


class _Names:
    """Gives each question a unique id."""

    def __init__(self, log: ReadLog) -> None:
        self._log = log
        self._number = 0
        self._uses = collections.Counter[str]()

    def named(self, question: Question) -> Question:
        given = question.id or str(self._number)
        self._number += 1
        name = given
        while self._uses[name]:
            self._uses[given] += 1
            name = f"{given}-{self._uses[given]}"
        self._uses[name] += 1
        if not question.id:
            self._log.warn(_NO_ID, name)
        if name != given:
            self._log.warn(_DUPLICATE_ID, name)
        return dataclasses.replace(question, id=name)


def _checked(question: Question, reading: Reading) -> Iterable[Question]:
    """Locates the answers of a question; returns no question if it is skipped."""
    log, name, context = reading.log, question.id, question.context
    if not reading.reads_labels:
        log.use()
        return (dataclasses.replace(question, answers=(), is_impossible=False),)
    answers = () if question.is_impossible else question.answers
    given = [answer for answer in answers if answer.text.strip()]
    located = [_locate(answer, context) for answer in given]
    is_known = question.is_impossible or bool(given)
    is_found = question.is_impossible or any(answer.start >= 0 for answer in located)
    skipped_if = {
        "empty question": not question.question.strip(),
        "empty context": not context.strip(),
        "no answer": not is_known and reading.needs_labels,
        _NOT_IN_CONTEXT: is_known and not is_found and reading.role == "train",
    }
    for reason, applies in skipped_if.items():
        if applies:
            log.skip(reason, name)
            return ()
    pairs = zip(given, located, strict=True)
    for problem in dict.fromkeys(_problem(*pair, context) for pair in pairs):
        if problem is not None:
            log.warn(problem, name)
    log.use()
    # A stable sort: only answers that were not found move to the end.
    located.sort(key=lambda answer: answer.start < 0)
    return (dataclasses.replace(question, answers=tuple(located)),)


def _problem(given: Answer, located: Answer, context: str) -> str | None:
    if located.start < 0:
        return _NOT_IN_CONTEXT
    if located.text != given.text.strip():
        return _SPELLED_DIFFERENTLY
    if given.start < 0:
        return _WITHOUT_START
    return None if _is_at(given, context) else _WRONG_START


def _is_at(answer: Answer, context: str) -> bool:
    return answer.start >= 0 and context.startswith(answer.text, answer.start)


def _locate(answer: Answer, context: str) -> Answer:
    # Spaces at the ends of an answer belong to no token.
    text = answer.text.strip()
    if _is_at(answer, context):
        return Answer(text, answer.start + answer.text.index(text))
    starts = [match.start() for match in re.finditer(f"(?={re.escape(text)})", context)]
    if starts:
        return Answer(text, min(starts, key=lambda start: abs(start - answer.start)))
    return _locate_loosely(text, answer.start, context)


def _locate_loosely(text: str, near: int, context: str) -> Answer:
    """Locates an answer that is spelled differently in the context."""
    plain, places = _plain(context)
    spellings = (text, html.unescape(text), html.escape(text, quote=False))
    for wanted in dict.fromkeys(_plain(spelling)[0] for spelling in spellings):
        # A letter followed by a combining accent is another letter.
        pattern = f"(?={re.escape(wanted)}(?P<after>.?))"
        found = [
            (places[match.start()], places[match.start() + len(wanted) - 1] + 1)
            for match in re.finditer(pattern, plain)
            if wanted and not unicodedata.combining(match["after"] or " ")
        ]
        if found:
            start, end = min(found, key=lambda span: abs(span[0] - near))
            return Answer(context[start:end], start)
    return Answer(text, -1)


def _plain(text: str) -> tuple[str, list[int]]:
    """Normalizes a text (NFKD, case, spaces); also returns the original indices."""
    kept: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        parts = unicodedata.normalize("NFKD", character.casefold())
        if parts.isspace():
            parts = " " if kept[-1:] != [" "] else ""
        kept.extend(parts)
        places.extend([place] * len(parts))
    return "".join(kept), places
