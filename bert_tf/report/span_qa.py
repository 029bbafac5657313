"""What a model of answers in texts makes of the development set."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bert_tf.metrics.squad import question_scores
from bert_tf.report.excerpts import Mark, marked, shortened, spread
from bert_tf.report.page import (
    Html,
    Section,
    bar,
    join,
    note,
    picture,
    side_by_side,
    table,
    tag,
)
from bert_tf.report.threshold import threshold_figure
from bert_tf.tasks.span_answers import SpanAnswer
from data_pipelines.datasets.examples import Question

_NUM_WRONG = 20
_NUM_PARTLY_RIGHT = 8
_NUM_RIGHT = 8
_NUM_GUESSES = 5
_NUM_LENGTHS = 4
_MAX_GOLD = 4
_QUESTION_WORD = re.compile(
    r"\b(how many|how much|what|who|whom|whose|when|where|which|why|how)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class _Scores:
    """Figures of each question, float64 (questions,) or bool.

    Attributes:
        exact, f1: of what the model says.
        answered: whether it gives an answer.
        impossible: whether there is none.
    """

    exact: np.ndarray
    f1: np.ndarray
    answered: np.ndarray
    impossible: np.ndarray


def sections(
    examples: Sequence[Question], answers: Sequence[SpanAnswer], threshold: float | None
) -> list[Section]:
    """Scores by question, the threshold, and examples.

    Args:
        examples: with gold answers.
        answers: one for each.
        threshold: from which no-answer score on there is none; None: every question
            is given an answer.
    """
    pairs = list(zip(examples, answers, strict=True))
    # Exact match and F1 of the best span, and of no answer.
    spans = np.array([question_scores(e, answer.text(None)) for e, answer in pairs])
    none = np.array([question_scores(e, "") for e in examples])
    no_answer = np.array([answer.no_answer_score for answer in answers])
    leave = (
        np.zeros(len(examples), bool) if threshold is None else no_answer > threshold
    )
    kept = np.where(leave[:, None], none, spans)
    impossible = np.array([example.is_impossible for example in examples])
    answered = np.array([bool(answer.text(threshold)) for answer in answers])
    scores = _Scores(kept[:, 0], kept[:, 1], answered, impossible)
    found = [Section("Questions", _questions(examples, scores))]
    if threshold is not None:
        figure = threshold_figure(no_answer, spans, none, impossible, threshold)
        explanation = note(
            "A question is left without an answer if no answer is better than the best "
            "span by more than the threshold. It was chosen on the development set, "
            "whose figures are a little too good for this."
        )
        shown = picture(figure, "exact match and F1 by the threshold")
        found.append(Section("No-answer threshold", join([shown, explanation])))
    shown = _shown(examples, answers, scores, threshold)
    return [*found, Section("Questions and answers", shown)]


def question_word(question: str) -> str:
    """Its first question word, in lower case; "other" if it has none."""
    match = _QUESTION_WORD.search(question)
    return match.group().lower() if match else "other"


def _questions(examples: Sequence[Question], scores: _Scores) -> Html:
    everything: dict[str, Iterable[int]] = {"all": range(len(examples))}
    if scores.impossible.any():
        everything["with an answer"] = np.flatnonzero(~scores.impossible)
        everything["without an answer"] = np.flatnonzero(scores.impossible)
    words: dict[str, list[int]] = {}
    for place, example in enumerate(examples):
        words.setdefault(question_word(example.question), []).append(place)
    by_count = dict(sorted(words.items(), key=lambda item: -len(item[1])))
    left = [
        _groups("questions", everything, scores),
        _outcomes(scores),
        _groups("characters of the text", _by_length(examples), scores),
    ]
    return side_by_side([join(left), _groups("question word", by_count, scores)])


def _by_length(examples: Sequence[Question]) -> dict[str, Iterable[int]]:
    lengths = np.array([len(example.context) for example in examples])
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _NUM_LENGTHS + 1)))
    edges = np.round(edges).astype(int)
    groups: dict[str, Iterable[int]] = {}
    for low, high in itertools.pairwise(edges):
        first = low if low == edges[0] else low + 1
        inside = np.flatnonzero((lengths >= first) & (lengths <= high))
        if len(inside):
            groups[f"{first:,} to {high:,}"] = inside
    return groups or {f"{edges[0]:,}": range(len(examples))}


def _groups(name: str, groups: Mapping[str, Iterable[int]], scores: _Scores) -> Html:
    rows = []
    for group, places in groups.items():
        inside = np.array(list(places))
        f1 = float(scores.f1[inside].mean())
        exact = float(scores.exact[inside].mean())
        rows.append([group, f"{len(inside):,}", f"{exact:.1%}", f"{f1:.1%}"])
    return table([name, "number", "exact", "F1"], rows, numbers=(1, 2, 3))


def _outcome(scores: _Scores, place: int) -> str:
    if scores.impossible[place]:
        return "an answer, wrongly" if scores.answered[place] else "no answer, rightly"
    if not scores.answered[place]:
        return "no answer, wrongly"
    if scores.exact[place]:
        return "exactly right"
    return "partly right" if scores.f1[place] else "wrong"


def _outcomes(scores: _Scores) -> Html:
    counts = Counter(_outcome(scores, place) for place in range(len(scores.f1)))
    total = sum(counts.values())
    rows = [
        [n, f"{count:,}", f"{count / total:.1%}"] for n, count in counts.most_common()
    ]
    return table(["what became of them", "number", "share"], rows, numbers=(1, 2))


def _shown(
    examples: Sequence[Question],
    answers: Sequence[SpanAnswer],
    scores: _Scores,
    threshold: float | None,
) -> Html:
    sure = np.array([_probability(a, a.text(threshold)) for a in answers])
    order = np.argsort(-sure, kind="stable")
    wrong = [int(place) for place in order if not scores.f1[place]]
    partly = [int(p) for p in order if scores.f1[p] and not scores.exact[p]]
    right = [int(place) for place in np.flatnonzero(scores.exact)]
    explanation = note(
        f"{len(wrong):,} of {len(examples):,} are wrong, {len(partly):,} partly right. "
        "First those of which the model is most sure, then some right ones."
    )
    legend = tag(
        "p",
        "In the texts: ",
        tag("mark", "gold answers", kind="gold"),
        ", ",
        tag("mark", "what the model says", kind="predicted"),
        ", ",
        tag("mark", "both", kind="gold predicted"),
        ".",
    )
    places = [
        *wrong[:_NUM_WRONG],
        *partly[:_NUM_PARTLY_RIGHT],
        *spread(right, _NUM_RIGHT),
    ]
    cards = [
        _card(
            examples[place],
            answers[place],
            threshold,
            _outcome(scores, place),
            float(scores.f1[place]),
        )
        for place in places
    ]
    return join([explanation, legend, *cards])


def _probability(answer: SpanAnswer, text: str) -> float:
    if text:
        return answer.best[0].probability
    return max(0.0, 1 - sum(guess.probability for guess in answer.best))


def _card(
    example: Question,
    answer: SpanAnswer,
    threshold: float | None,
    outcome: str,
    f1: float,
) -> Html:
    text = answer.text(threshold)
    golds = list(dict.fromkeys(gold.text for gold in example.answers))
    marks = [
        Mark(gold.start, gold.start + len(gold.text), "gold")
        for gold in example.answers
    ]
    if text:
        marks.append(Mark(answer.best[0].start, answer.best[0].end, "predicted"))
    kind = "wrong" if not f1 else "right" if f1 == 1 else ""
    partly = f" (F1 {f1:.0%})" if 0 < f1 < 1 else ""
    ids = " ".join(filter(None, [example.title.replace("_", " "), example.id]))
    said = {
        "gold": " / ".join(golds[:_MAX_GOLD]) or "no answer",
        "predicted": shortened(text, 200) or "no answer",
    }
    facts = [[tag("span", name, kind="pale"), value] for name, value in said.items()]
    lines = [
        tag(
            "p",
            tag("span", outcome + partly, kind=kind),
            " ",
            tag("span", ids, kind="id"),
        ),
        tag("p", tag("b", shortened(example.question))),
        tag("p", marked(example.context, marks)),
        side_by_side([table(None, facts), _guesses(answer, threshold)]),
    ]
    return tag("div", *lines, kind="card")


def _guesses(answer: SpanAnswer, threshold: float | None) -> Html:
    guesses = [(guess.probability, guess.text) for guess in answer.best]
    if threshold is not None:
        guesses.append((_probability(answer, ""), ""))
    rows = [
        [
            f"{probability:.1%}",
            bar(probability),
            shortened(text, 90) if text else tag("i", "no answer"),
        ]
        for probability, text in sorted(guesses, key=lambda guess: -guess[0])
    ]
    return table(None, rows[:_NUM_GUESSES], numbers=(0,))
