"""TF-IDF with a linear model: the baseline for single texts, pairs and choices.

The features are TF-IDF of words and word bigrams, or of 1 to 3 characters in scripts
without spaces, such as Chinese. For a pair they are those of both texts, their product
and absolute difference, and measures of overlap. The model is logistic regression
(ridge regression for scores), with the penalty chosen by cross-validation on the
training examples. The result is deterministic.

Each baseline takes the dataset, the training examples and the examples to answer.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bert_tf.metrics.classification import prediction_scores
from bert_tf.tasks.classification import ClassAnswer, ScoreAnswer
from bert_tf.tasks.multiple_choice import ChoiceAnswer
from data_pipelines.datasets.examples import ChoiceExample, TextExample
from data_pipelines.datasets.sources import Dataset

# Words, and each punctuation mark as a word, since "!" and "?" are informative.
_WORD = r"\w+|[^\w\s]"
# Characters of scripts without spaces: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_VECTORIZER = {"sublinear_tf": True, "max_features": 300_000, "dtype": np.float32}
_INVERSE_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_NUM_FOLDS = 3
# The maximum number of examples for cross-validation; the final model uses all.
_MAX_FOLDED = 20_000

# Maps a model, features and row numbers to a quality; greater is better.
_Quality = Callable[[Any, csr_matrix, np.ndarray], float]


def classify(
    dataset: Dataset, train: Sequence[TextExample], dev: Sequence[TextExample]
) -> list[ClassAnswer]:
    """Predicts classes by logistic regression.

    The penalty is chosen by the dataset's first metric: with rare classes, as in CoLA,
    the best accuracy is not the best correlation.
    """
    labels = dataset.labels or ()
    ids = np.array([labels.index(str(example.label)) for example in train])
    metric = dataset.metrics[0]

    def quality(model: Any, x: csr_matrix, rows: np.ndarray) -> float:
        found = prediction_scores(
            [metric], ids[rows], model.predict(x), num_classes=len(labels)
        )
        return found[metric]

    probabilities = np.zeros((len(dev), len(labels)))
    if len(np.unique(ids)) == 1:
        probabilities[:, ids[0]] = 1
    else:
        texts = _texts(train)
        features = _Features(texts)
        model = _fitted(_logistic, quality, features(texts), ids, np.arange(len(ids)))
        probabilities[:, model.classes_] = model.predict_proba(features(_texts(dev)))
    return [ClassAnswer(labels[row.argmax()], row) for row in probabilities]


def regress(
    dataset: Dataset, train: Sequence[TextExample], dev: Sequence[TextExample]
) -> list[ScoreAnswer]:
    """Predicts scores by ridge regression."""
    scores = np.array([example.label for example in train], np.float64)

    def quality(model: Any, x: csr_matrix, rows: np.ndarray) -> float:
        return -float(np.mean((scores[rows] - model.predict(x)) ** 2))

    texts = _texts(train)
    features = _Features(texts)
    model = _fitted(_ridge, quality, features(texts), scores, np.arange(len(scores)))
    return [ScoreAnswer(float(score)) for score in model.predict(features(_texts(dev)))]


def choose(
    dataset: Dataset, train: Sequence[ChoiceExample], dev: Sequence[ChoiceExample]
) -> list[ChoiceAnswer]:
    """Predicts choices by logistic regression on pairs of a text and a choice.

    The choice with the greatest logit wins; probabilities are the softmax of logits.
    """
    labels = np.array([example.label for example in train])
    pairs, owners, places = _pairs(train)

    def quality(model: Any, x: csr_matrix, rows: np.ndarray) -> float:
        kept, inverse = np.unique(owners[rows], return_inverse=True)
        logits = _by_example(model.decision_function(x), inverse, places[rows])
        return float(np.mean(logits.argmax(axis=1) == labels[kept]))

    features = _Features(pairs)
    is_right = (places == labels[owners]).astype(np.int64)
    model = _fitted(_logistic, quality, features(pairs), is_right, owners)
    pairs, *of_pairs = _pairs(dev)
    logits = _by_example(model.decision_function(features(pairs)), *of_pairs)
    probabilities = scipy.special.softmax(logits, axis=1)
    return [ChoiceAnswer(int(row.argmax()), row) for row in probabilities]


class _Features:
    """Features of texts, each `(text,)` or `(first, second)`, fitted to those given."""

    def __init__(self, texts: Sequence[tuple[str, ...]]) -> None:
        parts = list(zip(*texts, strict=True))
        together = [text for part in parts for text in part]
        self._words = _word_vectorizer(together).fit(together)
        if len(parts) == 2:
            # Character n-grams detect that "fly" and "flying" are similar.
            self._pieces = TfidfVectorizer(
                analyzer="char_wb", ngram_range=(2, 5), **_VECTORIZER
            ).fit(together)
            self._scaler = StandardScaler().fit(self._shared(*parts))

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> csr_matrix:
        """Computes features, float `(texts, features)`."""
        parts = list(zip(*texts, strict=True))
        first = self._words.transform(parts[0])
        if len(parts) == 1:
            return first
        second = self._words.transform(parts[1])
        shared = csr_matrix(self._scaler.transform(self._shared(*parts)))
        blocks = [shared, first, second, first.multiply(second), abs(first - second)]
        return hstack(blocks, format="csr")

    def _shared(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Computes measures of the overlap of two texts, float64 `(texts, 9)`."""
        columns = []
        for vectorizer in (self._words, self._pieces):
            # TF-IDF rows have length 1: their products are cosines.
            product = vectorizer.transform(first).multiply(vectorizer.transform(second))
            columns.append(np.asarray(product.sum(axis=1), np.float64).ravel())
        bigrams = self._words.build_analyzer()
        for grams in (bigrams, lambda text: re.findall(_WORD, text.lower())):
            sets = [
                (set(grams(x)), set(grams(y)))
                for x, y in zip(first, second, strict=True)
            ]
            sizes = [(len(a), len(b), len(a & b)) for a, b in sets]
            a, b, both = np.array(sizes, np.float64).T
            columns += [both / np.maximum(size, 1) for size in (a, b, a + b - both)]
        columns.append(np.abs(np.log1p(a) - np.log1p(b)))
        return np.stack(columns, axis=1)


def _word_vectorizer(texts: Sequence[str]) -> TfidfVectorizer:
    """Makes a TF-IDF of words, or of characters if texts are written without spaces."""
    unspaced = sum(len(_UNSPACED.findall(text)) for text in texts)
    if unspaced > sum(map(len, texts)) / 3:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **_VECTORIZER)
    return TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), **_VECTORIZER)


def _texts(examples: Sequence[TextExample]) -> list[tuple[str, ...]]:
    return [(e.first,) if e.second is None else (e.first, e.second) for e in examples]


def _pairs(
    examples: Sequence[ChoiceExample],
) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """Pairs of text and choice, with the example's number and the choice's position."""
    pairs: list[tuple[str, ...]] = [
        (example.first, choice) for example in examples for choice in example.choices
    ]
    sizes = [len(example.choices) for example in examples]
    places = np.concatenate([np.arange(size) for size in sizes])
    return pairs, np.repeat(np.arange(len(examples)), sizes), places


def _by_example(
    logits: np.ndarray, owners: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Reshapes `(pairs,)` to `(examples, choices)`; missing choices get -inf."""
    table = np.full((owners.max() + 1, places.max() + 1), -np.inf)
    table[owners, places] = logits
    return table


def _logistic(inverse_penalty: float) -> LogisticRegression:
    return LogisticRegression(C=inverse_penalty, solver="newton-cg", max_iter=300)


def _ridge(inverse_penalty: float) -> Ridge:
    return Ridge(alpha=1 / inverse_penalty, solver="sparse_cg", tol=1e-4)


def _fitted(
    make: Callable[[float], Any],
    quality: _Quality,
    x: csr_matrix,
    labels: np.ndarray,
    groups: np.ndarray,
) -> Any:
    """Fits a model with the inverse penalty that is best in cross-validation.

    Args:
        make: makes a model with an inverse penalty.
        quality: measures a model on the rows that were held out.
        x: `(rows, features)`.
        labels: `(rows,)`.
        groups: int `(rows,)`, from 0: rows of a group are not split.
    """
    chosen = np.random.default_rng(0).permutation(groups.max() + 1)[:_MAX_FOLDED]
    folds = KFold(_NUM_FOLDS).split(chosen) if len(chosen) >= 2 * _NUM_FOLDS else ()
    totals = np.zeros(len(_INVERSE_PENALTIES))
    # The products are too small for threads: on a busy machine, waiting for each other
    # made a fit take 8 s instead of 0.2 s.
    with threadpool_limits(1):
        for fold in folds:
            rows, others = (np.flatnonzero(np.isin(groups, chosen[f])) for f in fold)
            # A fold may lack a rare class, and a single class cannot be fitted.
            if make is _logistic and len(np.unique(labels[rows])) == 1:
                continue
            x_rows, x_others = x[rows], x[others]
            for place, inverse_penalty in enumerate(_INVERSE_PENALTIES):
                model = make(inverse_penalty).fit(x_rows, labels[rows])
                totals[place] += quality(model, x_others, others)
        # Without any fold all totals are 0, and the default penalty is used.
        best = _INVERSE_PENALTIES[totals.argmax()] if totals.any() else 1.0
        return make(best).fit(x, labels)
