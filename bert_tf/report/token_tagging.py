"""What a tagger makes of the development set."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence

from bert_tf.metrics import entities
from bert_tf.metrics.classification import confusion_matrix, label_scores
from bert_tf.report.confusion import confusion, label_table
from bert_tf.report.excerpts import joined_words, needs_no_space, spread
from bert_tf.report.page import Html, Section, join, note, table, tag
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.examples import TaggedSentence

_NUM_WRONG = 25
_NUM_RIGHT = 6
# A picture of all tags of a treebank would show the diagonal alone.
_MAX_TAGS = 18
# Longer sentences are cut to what is round their mistakes.
_MAX_WORDS = 70
_MARGIN = 20

_ENTITY_LEGEND = tag(
    "p",
    "In the gold line: ",
    tag("mark", "found", tag("small", " TYPE ✓"), kind="found"),
    " ",
    tag("mark", "not found so", tag("small", " TYPE missed"), kind="missed"),
    "; in the predicted line: ",
    tag("mark", "right", tag("small", " TYPE ✓"), kind="right"),
    " ",
    tag("mark", "wrong", tag("small", " TYPE ✗"), kind="wrong"),
    ".",
)
_TAG_LEGEND = tag(
    "p", tag("mark", "word", tag("small", " GOLD ✗ PREDICTED"), kind="wrong")
)


@dataclasses.dataclass(frozen=True)
class _Look:
    """How sentences are shown.

    Attributes:
        mistakes: the words that are wrong.
        lines: the sentence; of a long one those words.
        legend: what the marks mean.
    """

    mistakes: Callable[[TaggedSentence, TagsAnswer], list[int]]
    lines: Callable[[TaggedSentence, TagsAnswer, range], Html]
    legend: Html


# Type, first word, the word after the last.
Entity = tuple[str, int, int]


def sections(
    examples: Sequence[TaggedSentence],
    answers: Sequence[TagsAnswer],
    labels: Sequence[str],
    are_entities: bool,
) -> list[Section]:
    """The types or tags, which are confused, and sentences.

    Args:
        examples: with tags.
        answers: one for each.
        labels: the tags, in the order of their ids.
        are_entities: whether they are IOB2 tags of entities.
    """
    names = tuple(labels)
    ids = {label: place for place, label in enumerate(names)}
    gold = [ids[name] for example in examples for name in example.tags or ()]
    given = [ids[name] for answer in answers for name in answer.tags]
    picture = confusion(confusion_matrix(gold, given, len(names)), names, _MAX_TAGS)
    if not are_entities:
        scores = label_table("tag", label_scores(gold, given, names))
        shown = _sentences(examples, answers, _TAGS)
        return [
            Section("Tags", scores),
            Section("Which tags are confused", picture),
            Section("Sentences", shown),
        ]
    by_type = entities.entity_scores_by_type(
        [example.tags or () for example in examples],
        [answer.tags for answer in answers],
    )
    outcomes = _outcomes(examples, answers)
    sentences = _sentences(examples, answers, _ENTITIES)
    return [
        Section("Entities", join([label_table("type", by_type), outcomes])),
        Section("Which tags are confused", picture),
        Section("Sentences", sentences),
    ]


def outcome(entity: Entity, others: Sequence[Entity]) -> str:
    """What became of an entity, given those of the other side."""
    kind, start, end = entity
    if entity in others:
        return "right"
    overlapping = [other for other in others if other[1] < end and other[2] > start]
    if any(other[1:] == entity[1:] for other in overlapping):
        return "another type"
    if any(other[0] == kind for other in overlapping):
        return "other ends"
    return "another type and other ends" if overlapping else "none there"


def _outcomes(
    examples: Sequence[TaggedSentence], answers: Sequence[TagsAnswer]
) -> Html:
    counts: Counter[tuple[str, str]] = Counter()
    for example, answer in zip(examples, answers, strict=True):
        gold, given = _both(example, answer)
        counts.update(("gold", outcome(entity, given)) for entity in gold)
        counts.update(("given", outcome(entity, gold)) for entity in given)
    words = {
        "right": "same type, same ends",
        "another type": "same ends, another type",
        "other ends": "same type, other ends",
        "another type and other ends": "another type and other ends",
        "none there": "nothing there (missed, or invented)",
    }
    totals = [sum(counts[side, key] for key in words) for side in ("gold", "given")]
    rows = [
        [
            said,
            *(
                f"{counts[side, key]:,} ({counts[side, key] / max(total, 1):.1%})"
                for side, total in zip(("gold", "given"), totals, strict=True)
            ),
        ]
        for key, said in words.items()
    ]
    head = ["on the other side", "gold entities", "predicted entities"]
    return table(head, rows, numbers=(1, 2))


def _sentences(
    examples: Sequence[TaggedSentence],
    answers: Sequence[TagsAnswer],
    look: _Look,
) -> Html:
    doubts, right = [], []
    for place, (example, answer) in enumerate(zip(examples, answers, strict=True)):
        mistakes = look.mistakes(example, answer)
        if mistakes:
            sure = max(answer.probabilities[mistake] for mistake in mistakes)
            doubts.append((-sure, place))
        elif any(name != "O" for name in answer.tags):
            right.append(place)
    wrong = [place for _, place in sorted(doubts)]
    explanation = note(
        f"{len(wrong):,} of {len(examples):,} sentences have a mistake. First those "
        "with the mistakes of which the model is most sure, then some without one."
    )
    cards = []
    for place in (*wrong[:_NUM_WRONG], *spread(right, _NUM_RIGHT)):
        example, answer = examples[place], answers[place]
        mistakes = look.mistakes(example, answer)
        word = "wrong" if mistakes else "right"
        head = [tag("span", word, kind=word), tag("span", example.id, kind="id")]
        if mistakes:
            sure = max(answer.probabilities[mistake] for mistake in mistakes)
            head.insert(1, tag("span", f"probability {sure:.1%}", kind="pale"))
        shown = _shown_words(len(example.words), mistakes)
        body = look.lines(example, answer, shown)
        cards.append(tag("div", tag("p", join(head, " ")), body, kind="card"))
    return join([explanation, look.legend, *cards])


def _wrong_tags(example: TaggedSentence, answer: TagsAnswer) -> list[int]:
    """The words whose tag is wrong."""
    pairs = zip(example.tags or (), answer.tags, strict=True)
    return [place for place, (gold, given) in enumerate(pairs) if gold != given]


def _wrong_entities(example: TaggedSentence, answer: TagsAnswer) -> list[int]:
    """The words with a wrong tag in entities that are not on both sides.

    An entity that begins with `I-` instead of `B-` is no mistake, as in the scores.
    """
    gold, given = _both(example, answer)
    inside = {word for _, *ends in set(gold) ^ set(given) for word in range(*ends)}
    return [word for word in _wrong_tags(example, answer) if word in inside]


def _shown_words(num_words: int, mistakes: Sequence[int]) -> range:
    if num_words <= _MAX_WORDS:
        return range(num_words)
    first = max(0, mistakes[0] - _MARGIN) if mistakes else 0
    return range(first, min(num_words, first + _MAX_WORDS))


def _both(
    example: TaggedSentence, answer: TagsAnswer
) -> tuple[list[Entity], list[Entity]]:
    return entities.entities(example.tags or ()), entities.entities(answer.tags)


def _entity_lines(example: TaggedSentence, answer: TagsAnswer, shown: range) -> Html:
    gold, given = _both(example, answer)
    if gold == given:
        marks = [(entity, "right", "✓") for entity in gold]
        return tag("p", _with_entities(example.words, marks, shown))
    above = [
        (entity, "found", "✓") if entity in given else (entity, "missed", "missed")
        for entity in gold
    ]
    below = [
        (entity, "right", "✓") if entity in gold else (entity, "wrong", "✗")
        for entity in given
    ]
    rows = [
        [tag("span", "gold", kind="pale"), _with_entities(example.words, above, shown)],
        [
            tag("span", "predicted", kind="pale"),
            _with_entities(example.words, below, shown),
        ],
    ]
    return table(None, rows)


def _with_entities(
    words: Sequence[str], marks: Sequence[tuple[Entity, str, str]], shown: range
) -> Html:
    # Pieces of the sentence, each with its first and its last word.
    pieces: list[tuple[Html | str, str, str]] = []
    place = shown.start
    for (name, start, end), kind, sign in marks:
        start, end = max(start, shown.start), min(end, shown.stop)
        if start >= end:
            continue
        pieces += [(word, word, word) for word in words[place:start]]
        inside = joined_words(words[start:end])
        label = tag("small", f" {name}\u00a0{sign}")
        mark = tag("mark", inside, label, kind=kind)
        pieces.append((mark, words[start], words[end - 1]))
        place = end
    pieces += [(word, word, word) for word in words[place : shown.stop]]
    return _joined(pieces, shown, len(words))


def _tag_lines(example: TaggedSentence, answer: TagsAnswer, shown: range) -> Html:
    gold = example.tags or ()
    pieces: list[tuple[Html | str, str, str]] = []
    for place in shown:
        word = example.words[place]
        piece: Html | str = word
        if gold[place] != answer.tags[place]:
            label = tag("small", f" {gold[place]} ✗ {answer.tags[place]}")
            piece = tag("mark", word, label, kind="wrong")
        pieces.append((piece, word, word))
    return tag("p", _joined(pieces, shown, len(example.words)))


def _joined(
    pieces: Sequence[tuple[Html | str, str, str]], shown: range, num_words: int
) -> Html:
    parts: list[str] = ["… "] if shown.start else []
    before = ""
    for piece, first, last in pieces:
        parts += ["" if not before or needs_no_space(before, first) else " ", piece]
        before = last
    return join([*parts, " …" if shown.stop < num_words else ""])


_ENTITIES = _Look(_wrong_entities, _entity_lines, _ENTITY_LEGEND)
_TAGS = _Look(_wrong_tags, _tag_lines, _TAG_LEGEND)
