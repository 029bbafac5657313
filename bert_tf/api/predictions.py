"""Answers of the task classes: plain values that show themselves well."""

import dataclasses
import html
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Predictions(list[T | None], Generic[T]):
    """The predictions for some inputs, in their order.

    One that could not be answered, because its text is blank, is None.
    """

    def as_numpy(self) -> np.ndarray:
        """The predictions as one array.

        Returns:
            float32: probabilities (inputs, classes) or (inputs, choices), or scores
            (inputs,); NaN for None. Or of type object, (inputs,): lists of tags,
            answers or corrected texts; None for None.
        """
        values = [None if item is None else item.value for item in self]  # type: ignore[attr-defined]
        known = next((value for value in values if value is not None), None)
        if isinstance(known, float | tuple) and not _is_text(known):
            nothing = np.full_like(np.array(known, np.float32), np.nan)
            return np.array([nothing if v is None else v for v in values], np.float32)
        found = np.empty(len(values), object)
        for place, value in enumerate(values):
            found[place] = value
        return found

    def _repr_html_(self) -> str:
        parts = ("" if item is None else item._repr_html_() for item in self)  # type: ignore[attr-defined]
        return "<hr>".join(parts)


def _is_text(value: Any) -> bool:
    return isinstance(value, tuple) and any(isinstance(part, str) for part in value)


@dataclasses.dataclass(frozen=True)
class ClassPrediction:
    """The most probable class.

    Attributes:
        label: its name.
        probability: its own.
        probabilities: those of all classes, by name.
        text: the input, one text or two.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    text: str | tuple[str, str] = dataclasses.field(repr=False)

    @property
    def value(self) -> tuple[float, ...]:
        """The probabilities, in the order of the labels."""
        return tuple(self.probabilities.values())

    def _repr_html_(self) -> str:
        return _quoted(self.text) + _bars(self.probabilities.items())


@dataclasses.dataclass(frozen=True)
class ScorePrediction:
    """A score of a text, or of two.

    Attributes:
        text: the input.
    """

    score: float
    text: str | tuple[str, str] = dataclasses.field(repr=False)

    @property
    def value(self) -> float:
        """The score."""
        return self.score

    def _repr_html_(self) -> str:
        return f"{_quoted(self.text)}<b>{self.score:.3f}</b>"


@dataclasses.dataclass(frozen=True)
class Entity:
    """An entity: `words[start:end]` of its sentence."""

    type: str
    text: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class TagPrediction:
    """A tag for each word.

    Attributes:
        entities: those that the tags make, if they are tags of entities.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    entities: tuple[Entity, ...] = ()

    @property
    def value(self) -> tuple[str, ...]:
        """The tags."""
        return self.tags

    def _repr_html_(self) -> str:
        marks = {e.start: (e.end, e.type) for e in self.entities}
        if not self.entities:
            marks = {
                place: (place + 1, tag)
                for place, tag in enumerate(self.tags)
                if tag != "O"
            }
        parts, place = [], 0
        while place < len(self.words):
            end, label = marks.get(place, (place + 1, ""))
            words = " ".join(self.words[place:end])
            parts.append(_marked(words, label) if label else html.escape(words))
            place = end
        return f"<p>{' '.join(parts)}</p>"


@dataclasses.dataclass(frozen=True)
class SpanPrediction:
    """The answer to a question.

    Attributes:
        text: a span of the context; "" if there is no answer.
        start, end: its first character in the context, and the one after its last; -1
            without an answer.
        probability: among the best spans; None without an answer.
        no_answer_score: how much better no answer is than the best span; an answer is
            given if this is not above the model's threshold.
        best: the best spans with their probabilities, best first.
        context: the text that was searched.
    """

    text: str
    start: int
    end: int
    probability: float | None
    no_answer_score: float
    best: tuple[tuple[str, float], ...] = dataclasses.field(repr=False)
    context: str = dataclasses.field(repr=False)

    @property
    def value(self) -> str:
        """The text of the answer."""
        return self.text

    def _repr_html_(self) -> str:
        if not self.text:
            return f"{_quoted(self.context)}<b>no answer</b>"
        before, after = self.context[: self.start], self.context[self.end :]
        answer = _marked(self.context[self.start : self.end])
        return f"<p>{html.escape(before)}{answer}{html.escape(after)}</p>" + _bars(
            self.best
        )


@dataclasses.dataclass(frozen=True)
class ChoicePrediction:
    """The best choice.

    Attributes:
        choice: its place, from 0.
        text: its text.
        probabilities: those of all choices, in their order.
        choices: their texts.
    """

    choice: int
    text: str
    probabilities: tuple[float, ...]
    choices: tuple[str, ...] = dataclasses.field(repr=False)

    @property
    def value(self) -> tuple[float, ...]:
        """The probabilities."""
        return self.probabilities

    def _repr_html_(self) -> str:
        return _bars(zip(self.choices, self.probabilities, strict=True))


@dataclasses.dataclass(frozen=True)
class CorrectionPrediction:
    """A text as it should be.

    Attributes:
        corrected: the whole text.
        edits: what was changed: dicts of `start` and `end`, characters of the text that
            was given, `original`, `replacement` and `probability`.
        text: the text that was given.
    """

    corrected: str
    edits: tuple[Mapping[str, Any], ...]
    text: str = dataclasses.field(repr=False)

    @property
    def value(self) -> str:
        """The corrected text."""
        return self.corrected

    def _repr_html_(self) -> str:
        parts, place = [], 0
        for edit in self.edits:
            parts.append(html.escape(self.text[place : edit["start"]]))
            original, new = edit["original"], edit["replacement"]
            parts.append(f"<del>{html.escape(original)}</del>" if original else "")
            parts.append(f"<ins>{html.escape(new)}</ins>" if new else "")
            place = edit["end"]
        return f"<p>{''.join(parts)}{html.escape(self.text[place:])}</p>"


@dataclasses.dataclass(frozen=True)
class Guess:
    """A token that may stand in the place of `[MASK]`."""

    token: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Attention:
    """The attention of each token of a text to each other.

    Attributes:
        tokens: the pieces, [CLS] and [SEP] included.
        weights: float32 (tokens, tokens): a row, from a token to all, sums up to 1.
    """

    tokens: list[str]
    weights: np.ndarray


def _quoted(text: str | tuple[str, str]) -> str:
    texts = (text,) if isinstance(text, str) else text
    return "".join(f"<p>{html.escape(part)}</p>" for part in texts)


def _marked(text: str, label: str = "") -> str:
    name = f" <small><b>{html.escape(label)}</b></small>" if label else ""
    return f"<mark>{html.escape(text)}{name}</mark>"


def _bars(rows: Iterable[tuple[str, float]]) -> str:
    """A table of names and probabilities, with a bar for each."""
    lines = (
        f"<tr><td style='text-align:left'>{html.escape(name)}</td>"
        f"<td><meter value='{probability:.4f}'></meter></td>"
        f"<td>{probability:.1%}</td></tr>"
        for name, probability in rows
    )
    return f"<table>{''.join(lines)}</table>"
