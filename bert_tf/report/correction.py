"""What a corrector makes of the development set."""

from collections import Counter
from collections.abc import Sequence

from bert_tf.metrics.correction import nearest, word_changes, words_of
from bert_tf.report.excerpts import spread
from bert_tf.report.page import Html, Section, join, note, table, tag
from bert_tf.tasks.correction_answers import CorrectionAnswer
from data_pipelines.corpus.alignment import align
from data_pipelines.datasets.examples import CorrectionExample

# How many texts of each sort are shown.
_NUM_SHOWN = {
    "right text changed": 10,
    "wrongly corrected": 12,
    "missed": 8,
    "corrected": 10,
    "right text kept": 2,
}
_NUM_CHANGES = 12

_LEGEND = tag(
    "p",
    "In the gold line: ",
    tag("mark", "found", kind="found"),
    " ",
    tag("mark", "not found so", kind="missed"),
    "; in the predicted line: ",
    tag("mark", "right", kind="right"),
    " ",
    tag("mark", "wrong", kind="wrong"),
    ". What was there before is ",
    tag("del", "crossed out"),
    ".",
)


def sections(
    examples: Sequence[CorrectionExample], answers: Sequence[CorrectionAnswer]
) -> list[Section]:
    """What became of the texts, which changes are missed and invented, and texts.

    Args:
        examples: with corrections.
        answers: one for each.
    """
    golds = [
        nearest(example.text, answer.corrected, example.corrected)
        for example, answer in zip(examples, answers, strict=True)
    ]
    sorts = [
        _sort(example.text, answer.corrected, gold)
        for example, answer, gold in zip(examples, answers, golds, strict=True)
    ]
    counts = Counter(sorts)
    rows = [
        [sort, f"{counts[sort]:,}", f"{counts[sort] / len(sorts):.1%}"]
        for sort in _NUM_SHOWN
    ]
    outcomes = table(["", "texts", ""], rows, numbers=(1, 2))
    texts = [example.text for example in examples]
    given = [answer.corrected for answer in answers]
    return [
        Section("What became of the texts", outcomes),
        Section("Changes", _changes(texts, given, golds)),
        Section("Corrected texts", _cards(examples, answers, golds, sorts)),
    ]


def _sort(text: str, given: str, gold: str) -> str:
    if text == gold:
        return "right text kept" if given == text else "right text changed"
    if given == gold:
        return "corrected"
    return "missed" if given == text else "wrongly corrected"


def _changes(texts: Sequence[str], given: Sequence[str], golds: Sequence[str]) -> Html:
    """The most frequent changes that are missed, and those that are invented."""
    missed: Counter[tuple[str, str]] = Counter()
    invented: Counter[tuple[str, str]] = Counter()
    for text, own, gold in zip(texts, given, golds, strict=True):
        wanted, found = word_changes(text, gold), word_changes(text, own)
        words = words_of(text)
        missed.update(_spelled(words, change) for change in wanted - found)
        invented.update(_spelled(words, change) for change in found - wanted)
    tables = []
    for name, counts in (("not found", missed), ("wrongly made", invented)):
        order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        rows = [[*change, f"{count:,}"] for change, count in order[:_NUM_CHANGES]]
        tables.append(table([f"{name}:", "becomes", "times"], rows, numbers=(2,)))
    return tag("div", *(tag("div", shown) for shown in tables), kind="side")


def _spelled(words: Sequence[str], change: tuple) -> tuple[str, str]:
    place, inserted, new = change
    return ("" if inserted else words[place]), new or ""


def _cards(
    examples: Sequence[CorrectionExample],
    answers: Sequence[CorrectionAnswer],
    golds: Sequence[str],
    sorts: Sequence[str],
) -> Html:
    explanation = note(
        "Of each sort some: first those of whose changes the model is most sure."
    )
    cards = []
    for sort, count in _NUM_SHOWN.items():
        places = [place for place, other in enumerate(sorts) if other == sort]
        if sort in ("right text changed", "wrongly corrected"):
            chosen = sorted(places, key=lambda place: -_surest(answers[place]))[:count]
        else:
            chosen = spread(places, count)
        word = "right" if sort in ("corrected", "right text kept") else "wrong"
        for place in chosen:
            head = [tag("span", sort, kind=word)]
            if answers[place].edits:
                head.append(tag("span", f"{_surest(answers[place]):.1%}", kind="pale"))
            head.append(tag("span", examples[place].id, kind="id"))
            body = _lines(examples[place].text, answers[place].corrected, golds[place])
            cards.append(tag("div", tag("p", join(head, " ")), body, kind="card"))
    return join([explanation, _LEGEND, *cards])


def _surest(answer: CorrectionAnswer) -> float:
    return max((edit.probability for edit in answer.edits), default=0.0)


def _lines(text: str, given: str, gold: str) -> Html:
    rows = [
        [tag("span", name, kind="pale"), _marked(text, new, other, *kinds)]
        for name, new, other, kinds in (
            ("gold", gold, given, ("found", "missed")),
            ("predicted", given, gold, ("right", "wrong")),
        )
    ]
    return table(None, rows if given != gold else rows[1:])


def _marked(text: str, new: str, other: str, shared: str, alone: str) -> Html:
    """The text with what is changed in it, marked by whether the other does so, too."""
    common = word_changes(text, new) & word_changes(text, other)
    words, others = words_of(text), words_of(new)
    parts: list[str] = []
    old_end = new_end = place = inserted = 0
    for old, following in align(words, others):
        if old is None:
            inserted += 1
            change: tuple = (place, inserted, others[following])  # type: ignore[index]
        else:
            place, inserted = old + 1, 0
            change = (old, 0, None if following is None else others[following])
        gap = ""
        if following is not None:
            start = new.index(others[following], new_end)
            gap, new_end = new[new_end:start], start + len(others[following])
        if old is not None:
            start = text.index(words[old], old_end)
            gap = gap or text[old_end:start]
            old_end = start + len(words[old])
        parts.append(gap)
        if (
            old is not None
            and following is not None
            and words[old] == others[following]
        ):
            parts.append(words[old])
            continue
        crossed = tag("del", words[old]) if old is not None else ""
        written = others[following] if following is not None else ""
        kind = shared if change in common else alone
        parts.append(tag("mark", crossed, written, kind=kind))
    return join(parts)
