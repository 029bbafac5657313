"""Examples in plain Python: one dataclass a kind.

The `id` of an example is the index or name that the data gives it, else its number from
0. A label is None if it is unknown. The first text, the question, the context and the
words of an example are not blank, but of one that is read for a prediction: see
`missing_text`.
"""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with a class or a score.

    Attributes:
        second: None where texts are single.
        label: the name of a class (classification), or a score (regression).
    """

    id: str
    first: str
    second: str | None
    label: str | float | None


@dataclasses.dataclass(frozen=True, slots=True)
class TaggedSentence:
    """Words, at least one, with a tag each.

    Attributes:
        tags: those of entities are in the scheme IOB2: every entity begins with `B-`.
        document: equal for the sentences of one document, and only for these. A
            sentence of data without documents is a document of its own.
        running: whether the words were found in running text, not given.

    Raises:
        ValueError: there are more or fewer tags than words.
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
                f"{len(self.tags)} tags. Expected a tag for each word."
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A span of the context.

    Attributes:
        text: not blank.
        start: its first character in the context; -1: the text does not occur in it.
    """

    text: str
    start: int


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A question on a text.

    Attributes:
        title: of the article that the context is from; "" if unknown.
        answers: of people, perhaps the same several times; those that occur in the
            context come first. Empty if there is none, or it is unknown.
        is_impossible: known to have no answer in the context.
    """

    id: str
    title: str
    question: str
    context: str
    answers: tuple[Answer, ...]
    is_impossible: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ChoiceExample:
    """A text and what may follow it: `[CLS] first [SEP] choice [SEP]` for each choice.

    Attributes:
        choices: at least two.
        label: the position of the right choice, from 0.
    """

    id: str
    first: str
    choices: tuple[str, ...]
    label: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CorrectionExample:
    """A text, and how people corrected it.

    Attributes:
        corrected: its corrections by one or several people, equal to the text where
            nothing is wrong. Empty if unknown.
    """

    id: str
    text: str
    corrected: tuple[str, ...]


Example = TextExample | TaggedSentence | Question | ChoiceExample | CorrectionExample


def missing_text(example: Example) -> str | None:
    """The reason why no model can answer an example; None: it can."""
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
    """The names of classes or tags in examples, in the order of their ids.

    Names are in alphabetical order, numbers in theirs; `O`, no entity, comes first.

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
            "different ones: check which column is the label's."
        )
    if all(label.isascii() and label.isdigit() for label in found):
        return tuple(sorted(found, key=lambda label: (int(label), label)))
    return tuple(sorted(found, key=lambda label: (label != "O", label)))
