"""What one scores without BERT: the yardsticks for fine-tuned models.

Two of each kind: the most frequent answer, which looks at no text, and the best that
counting words does. Inputs are plain lists; every function gives the same for the same
input.
"""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

# A text, or a pair of texts.
Text = str | tuple[str, str]
# A prompt and what may follow it.
Choices = tuple[str, Sequence[str]]

# Words, and every sign of punctuation as one: "!" and "not" say something.
_WORD = r"\w+|[^\w\s]"
# Strengths of regularization from which cross-validation chooses: the inverses of the
# weights of the L2 penalty.
_STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_NUM_FOLDS = 3
# Fits of cross-validation use no more examples: enough to choose one of seven.
_MAX_FOLD_EXAMPLES = 20_000
_MAX_FEATURES = 300_000


@dataclasses.dataclass(frozen=True)
class Guesses:
    """What a baseline says of the examples of a split.

    Attributes:
        predictions: class ids int64 or scores float64 `(examples,)`; for multiple
            choice the position of the choice.
        probabilities: float64 `(examples, classes)`, or a list of `(choices,)` where
            the examples have not equally many; None for scores.
    """

    predictions: np.ndarray
    probabilities: np.ndarray | list[np.ndarray] | None


def majority(
    train_labels: Sequence[int], num_examples: int, num_classes: int | None = None
) -> Guesses:
    """The most frequent class for every example, with the frequencies of all classes.

    For multiple choice, labels are the positions of the right choices.

    Args:
        train_labels: class ids from 0.
        num_examples: of the split to guess.
        num_classes: None: as many as the labels need.

    Raises:
        ValueError: there are no labels, or one is not a class id.
    """
    labels, num_classes = _class_ids(train_labels, num_classes)
    counts = np.bincount(labels, minlength=num_classes)
    return Guesses(
        np.full(num_examples, counts.argmax(), np.int64),
        np.tile(counts / counts.sum(), (num_examples, 1)),
    )


def mean_score(train_scores: Sequence[float], num_examples: int) -> Guesses:
    """The mean of the training scores for every example.

    Raises:
        ValueError: there are no scores, or one is not finite.
    """
    mean = _finite(train_scores).mean()
    return Guesses(np.full(num_examples, mean, np.float64), None)


def tfidf_linear(
    train_texts: Sequence[Text],
    train_labels: Sequence[int] | Sequence[float],
    texts: Sequence[Text],
    *,
    regression: bool = False,
    num_classes: int | None = None,
) -> Guesses:
    """Counts of words with a linear model.

    TF-IDF of words and pairs of words; of texts without spaces, such as Chinese ones,
    of 1 to 3 characters. Of pairs of texts: TF-IDF of both, their product and
    difference, and how much the two share. Then logistic regression, or ridge
    regression for scores; its regularization is chosen by cross-validation on the
    training texts.

    Args:
        train_texts: texts, or pairs of texts.
        train_labels: class ids from 0, or scores.
        texts: to guess, of the same form.
        regression: whether labels are scores.
        num_classes: None: as many as the labels need.

    Raises:
        ValueError: texts and labels do not agree, single texts and pairs are mixed, or
            there is nothing to learn from.
    """
    _check_texts(train_texts, train_labels, texts)
    if regression:
        scores = _finite(train_labels)
        features = _TextFeatures(train_texts)
        x, guessed = features(train_texts), features(texts)
        strength = _choose_strength(
            lambda s, rows: _ridge(s).fit(x[rows], scores[rows]),
            lambda model, rows: -np.mean((model.predict(x[rows]) - scores[rows]) ** 2),
            len(scores),
        )
        return Guesses(_ridge(strength).fit(x, scores).predict(guessed), None)
    labels, num_classes = _class_ids(train_labels, num_classes)
    if len(np.unique(labels)) == 1:
        return majority(labels, len(texts), num_classes)
    features = _TextFeatures(train_texts)
    x, guessed = features(train_texts), features(texts)
    strength = _choose_strength(
        lambda s, rows: _logistic(s).fit(x[rows], labels[rows]),
        lambda model, rows: np.mean(model.predict(x[rows]) == labels[rows]),
        len(labels),
    )
    model = _logistic(strength).fit(x, labels)
    probabilities = np.zeros((len(texts), num_classes))
    probabilities[:, model.classes_] = model.predict_proba(guessed)
    return Guesses(probabilities.argmax(axis=1), probabilities)
