"""Baselines that count the labels and words of the training examples.

Each takes the dataset, the training examples and the examples to answer.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bert_tf.metrics.correction import WORD, words_of
from bert_tf.tasks.classification import ClassAnswer, ScoreAnswer
from bert_tf.tasks.correction_answers import CorrectionAnswer
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from bert_tf.tasks.token_tagging import TagsAnswer
from data_pipelines.corpus.alignment import align
from data_pipelines.datasets.examples import (
    ChoiceExample,
    CorrectionExample,
    TaggedSentence,
    TextExample,
)
from data_pipelines.datasets.sources import Dataset

Corrections = Sequence[CorrectionExample]


def most_frequent_class(
    dataset: Dataset, train: Sequence[TextExample], dev: Sequence[TextExample]
) -> list[ClassAnswer]:
    """Predicts the most frequent class; probabilities are the class frequencies."""
    labels = dataset.labels or ()
    frequencies = _frequencies(train, labels)
    return [ClassAnswer(labels[frequencies.argmax()], frequencies)] * len(dev)


def most_frequent_place(
    dataset: Dataset, train: Sequence[ChoiceExample], dev: Sequence[ChoiceExample]
) -> list[ChoiceAnswer]:
    """Predicts the most frequent position of the right choice."""
    frequencies = _frequencies(train, range(dataset.num_choices or 0))
    return [ChoiceAnswer(int(frequencies.argmax()), frequencies)] * len(dev)


def _frequencies(examples: Sequence[Any], labels: Iterable[Any]) -> np.ndarray:
    counts = Counter(example.label for example in examples)
    return np.array([counts[label] / len(examples) for label in labels])


def mean_score(
    dataset: Dataset, train: Sequence[TextExample], dev: Sequence[TextExample]
) -> list[ScoreAnswer]:
    """Predicts the mean of the training scores."""
    scores = np.array([example.label for example in train], np.float64)
    return [ScoreAnswer(float(scores.mean()))] * len(dev)


def frequent_tags(
    dataset: Dataset, train: Sequence[TaggedSentence], dev: Sequence[TaggedSentence]
) -> list[TagsAnswer]:
    """Predicts the most frequent tag of each word; for unseen words, that of all words.

    The tags need not form valid IOB2. Ties go to the tag that is first in the alphabet.
    """
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, tag in zip(sentence.words, sentence.tags or (), strict=True):
            of_word[word][tag] += 1
    best = {word: _most_frequent(counts) for word, counts in of_word.items()}
    unknown = _most_frequent(sum(of_word.values(), Counter()))
    tags = [tuple(best.get(word, unknown) for word in s.words) for s in dev]
    return [TagsAnswer(found, (1.0,) * len(found)) for found in tags]


def no_change(
    dataset: Dataset, train: Corrections, dev: Corrections
) -> list[CorrectionAnswer]:
    """Leaves every text unchanged."""
    return [CorrectionAnswer(example.text, ()) for example in dev]


def frequent_replacements(
    dataset: Dataset, train: Corrections, dev: Corrections
) -> list[CorrectionAnswer]:
    """Replaces each word by its most frequent replacement in training.

    Deleted and inserted words are ignored. A word that was kept at least half the time
    is kept; ties go to the replacement that is first in the alphabet.
    """
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for example in train:
        words, others = words_of(example.text), words_of(example.corrected[0])
        for old, new in align(words, others):
            if old is not None and new is not None:
                of_word[words[old]][others[new]] += 1
    best = {
        word: word if 2 * counts[word] >= counts.total() else _most_frequent(counts)
        for word, counts in of_word.items()
    }

    def replaced(text: str) -> str:
        return WORD.sub(lambda found: best.get(found[0], found[0]), text)

    return [CorrectionAnswer(replaced(example.text), ()) for example in dev]


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
