"""Examples in plain Python: one dataclass per kind.

The `id` of an example is the index or name in the data, else its number from 0. A label
is None if it is unknown. The first text, the question, the context and the words of an
example are not blank, except in examples read for prediction: see `missing_text`.
"""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with a class or a score.

    Attributes:
        second: None for single texts.
        label: the name of a class (classification), or a score (regression).
    """

    id: str
    first: str
    second: str | None
    label: str | float | None


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One or more words with one tag each.

    Attributes:
        tags: entity tags are in IOB2: every entity begins with `B-`.
        document: number of the document of the sentence. In data without documents,
            each sentence is a document.
        running: whether the words were split from running text.

    Raises:
        ValueError: the numbers of words and tags differ.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    document: int
    running: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.tags is not None and len(self.tags) != len(self.words):
            raise ValueError(
                f"Sentence {self.id}: received {len(self.words)} words and "
                f"{len(self.tags)} tags. Expected one tag per word: correct the tags."
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context.

    Attributes:
        text: text of the span, not blank.
        start: index of its first character in the context; -1 if not in the context.
    """

    text: str
    start: int


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A question about a text.

    Attributes:
        title: title of the article of the context; "" if unknown.
        answers: reference answers, perhaps repeated; those that occur in the context
            come first. Empty if there is no answer, or it is unknown.
        is_impossible: whether the question is known to have no answer in the context.
    """

    id: str
    title: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    is_impossible: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ChoiceExample:
    """A text and possible continuations: `[CLS] first [SEP] choice [SEP]` for each.

    Attributes:
        choices: at least two continuations.
        label: index of the right choice, from 0.
    """

    id: str
    first: str
    choices: tuple[str, ...]
    label: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CorrectionExample:
    """A text and its reference corrections.

    Attributes:
        corrected: corrections by one or more annotators, equal to the text if it is
            correct. Empty if unknown.
    """

    id: str
    text: str
    corrected: tuple[str, ...]


Example = TextExample | TaggedSentence | Question | ChoiceExample | CorrectionExample


def missing_text(example: Example) -> str | None:
    """Returns the reason why a model cannot answer an example; None if it can."""
    match example:
        case TextExample() | ChoiceExample():
            texts = {"empty text": example.first}
        case CorrectionExample():
            texts = {"empty text": example.text}
        case TaggedSentence():
            texts = {"no words": " ".join(example.words)}
        case Question():
            texts = {
                "empty question": example.question,
                "empty context": example.context,
            }
    return next((reason for reason, text in texts.items() if not text.strip()), None)


def labels_in(examples: Iterable[Example]) -> tuple[str, ...]:
    """Returns the classes or tags in examples, in the order of their ids.

    Names are sorted alphabetically, numbers numerically; `O`, no entity, comes first.

    Raises:
        ValueError: there are fewer than two.
    """
    found: set[str] = set()
    for example in examples:
        if isinstance(example, TaggedSentence):
            found.update(example.tags or ())
        elif isinstance(example, TextExample) and isinstance(example.label, str):
            found.add(example.label)
    if len(found) < 2:
        raise ValueError(
            f"Received examples with the labels {sorted(found)}. Expected at least two "
            "different labels: check the label column."
        )
    if all(label.isascii() and label.isdigit() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found, key=lambda label: (label != "O", label)))
