"""What simple guesses score on the development set of a dataset."""

from collections.abc import Sequence
from typing import Any

from bert_tf.baselines import tfidf
from bert_tf.tasks.classification import ClassAnswer, ScoreAnswer
from bert_tf.tasks.correction_answers import CorrectionAnswer
from bert_tf.tasks.kinds import KINDS
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.datasets.sources import Dataset

# Nothing is compared with a linear model that would be trained for minutes.
_MAX_TEXTS = 100_000


def baseline_scores(
    dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]
) -> dict[str, dict[str, float]]:
    """Metrics by the name of the guess, none for questions.

    Args:
        dataset: with its labels.
        train: examples to learn from.
        dev: examples to guess.
    """
    guesses = {
        "classification": _classes,
        "regression": _scores,
        "token_tagging": _tags,
        "multiple_choice": _choices,
        "correction": _corrections,
        "span_qa": lambda *_: {},
    }[dataset.kind](dataset, list(train[:_MAX_TEXTS]), dev)
    return {
        name: KINDS[dataset.kind].score(dev, answers, dataset.metrics, dataset.labels)
        for name, answers in guesses.items()
    }


def _text(example: Any) -> tfidf.Text:
    if example.second is None:
        return example.first
    return example.first, example.second


def _classes(dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]) -> dict:
    names = dataset.labels or ()
    ids = {label: index for index, label in enumerate(names)}
    labels = [ids[example.label] for example in train]

    def answers(guesses: tfidf.Guesses) -> list[ClassAnswer]:
        rows = zip(guesses.predictions, guesses.probabilities, strict=True)  # type: ignore[arg-type]
        return [ClassAnswer(names[int(place)], row) for place, row in rows]

    texts, asked = [_text(e) for e in train], [_text(e) for e in dev]
    return {
        "most frequent class": answers(tfidf.majority(labels, len(dev), len(names))),
        "TF-IDF + linear": answers(
            tfidf.tfidf_linear(
                texts,
                labels,
                asked,
                metric=dataset.metrics[0],
                num_classes=len(names),
            )
        ),
    }


def _scores(dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]) -> dict:
    labels = [example.label for example in train]

    def answers(guesses: tfidf.Guesses) -> list[ScoreAnswer]:
        return [ScoreAnswer(float(score)) for score in guesses.predictions]

    texts, asked = [_text(e) for e in train], [_text(e) for e in dev]
    return {
        "mean": answers(tfidf.mean_score(labels, len(dev))),
        "TF-IDF + linear": answers(
            tfidf.tfidf_linear(texts, labels, asked, regression=True)
        ),
    }


def _tags(dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]) -> dict:
    guessed = tfidf.frequent_tags(
        [example.words for example in train],
        [example.tags for example in train],
        [example.words for example in dev],
    )
    return {
        "most frequent tag of each word": [
            TagsAnswer(tuple(tags), (1.0,) * len(tags)) for tags in guessed
        ]
    }


def _corrections(dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]) -> dict:
    texts = [example.text for example in dev]
    guessed = tfidf.frequent_replacements(
        [(example.text, example.corrected[0]) for example in train], texts
    )
    return {
        name: [CorrectionAnswer(text, ()) for text in corrected]
        for name, corrected in (
            ("no change", texts),
            ("most frequent replacement of each word", guessed),
        )
    }


def _choices(dataset: Dataset, train: Sequence[Any], dev: Sequence[Any]) -> dict:
    labels = [example.label for example in train]

    def answers(guesses: tfidf.Guesses) -> list[ChoiceAnswer]:
        rows = zip(guesses.predictions, guesses.probabilities, strict=True)  # type: ignore[arg-type]
        return [ChoiceAnswer(int(place), row) for place, row in rows]

    texts, asked = (
        [(e.first, e.choices) for e in train],
        [(e.first, e.choices) for e in dev],
    )
    return {
        "most frequent place": answers(
            tfidf.majority(labels, len(dev), dataset.num_choices)
        ),
        "TF-IDF + linear": answers(tfidf.tfidf_choice(texts, labels, asked)),
    }
