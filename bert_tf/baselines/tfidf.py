"""What one scores without BERT: the yardsticks for fine-tuned models.

For each kind there is the most frequent answer, which looks at no text, and what can be
had by counting words. Inputs are plain lists; the same input gives the same output.
"""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.special
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bert_tf.metrics.classification import prediction_scores
from bert_tf.metrics.correction import WORD, words_of
from data_pipelines.corpus.alignment import align

# A text, or a pair of texts.
Text = str | tuple[str, str]
# A text, and what may follow it.
Choices = tuple[str, Sequence[str]]

# Words, and each sign of punctuation as a word: "!" and "?" say something.
_WORD = r"\w+|[^\w\s]"
# Of scripts without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Cross-validation chooses the strength of the L2 penalty; these are its inverses.
_INVERSE_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_NUM_FOLDS = 3
# Examples that choose the penalty; the model then learns from all.
_MAX_FOLDED = 20_000
_MAX_FEATURES = 300_000


@dataclasses.dataclass(frozen=True)
class Guesses:
    """What a baseline says of examples.

    Attributes:
        predictions: int64 class ids, or float64 scores, `(examples,)`.
        probabilities: float64 `(examples, classes)`; None for scores.
    """

    predictions: np.ndarray
    probabilities: np.ndarray | None


def majority(
    train_labels: Sequence[int], num_examples: int, num_classes: int | None = None
) -> Guesses:
    """The most frequent class, and the frequencies of all, for every example.

    For multiple choice the classes are the positions of the right choices.

    Args:
        train_labels: class ids.
        num_examples: for how many to guess.
        num_classes: None: as many as the labels need.

    Raises:
        ValueError: there are no labels, or one is not a class id.
    """
    labels, num_classes = _class_ids(train_labels, num_classes)
    counts = np.bincount(labels, minlength=num_classes)
    predictions = np.full(num_examples, counts.argmax(), np.int64)
    return Guesses(predictions, np.tile(counts / len(labels), (num_examples, 1)))


def mean_score(train_scores: Sequence[float], num_examples: int) -> Guesses:
    """The mean of the training scores for every example.

    Raises:
        ValueError: there are no scores, or one is not a number.
    """
    return Guesses(np.full(num_examples, _finite(train_scores).mean()), None)


def tfidf_linear(
    train_texts: Sequence[Text],
    train_labels: Sequence[int] | Sequence[float],
    texts: Sequence[Text],
    *,
    regression: bool = False,
    metric: str = "accuracy",
    num_classes: int | None = None,
) -> Guesses:
    """Counted words and a linear model.

    TF-IDF of words and of two in a row; in texts without spaces, such as Chinese, of
    1 to 3 characters. For pairs: that of both texts, the product and the absolute
    difference of the two, and how much the texts share. On it logistic regression, or
    ridge regression for scores, with the penalty that is best in a cross-validation on
    the training texts.

    Args:
        train_texts: texts, or pairs of texts.
        train_labels: class ids, or scores.
        texts: to guess, single or pairs as those.
        regression: whether labels are scores; the penalty is then that with the
            least squared error.
        metric: of classes, by which the penalty is chosen: `accuracy`, `f1` or
            `matthews`. With rare classes, such as in CoLA, the one to be reported.
        num_classes: None: as many as the labels need.

    Raises:
        ValueError: an unknown metric, texts that are not alike or not as many as
            labels, none to guess, or labels that are not of the metric's kind.
    """
    if metric not in ("accuracy", "f1", "matthews"):
        raise ValueError(
            f"Received metric={metric!r}. Expected 'accuracy', 'f1' or 'matthews'."
        )
    _check_lengths("texts", train_texts, train_labels)
    _check_alike([*train_texts, *texts])
    _check_any(texts)
    labels: np.ndarray
    make: Callable[[float], Any]
    if regression:
        labels, make = _finite(train_labels), _ridge
    else:
        labels, num_classes = _class_ids(train_labels, num_classes)
        make = _logistic
        if len(np.unique(labels)) == 1:
            return majority(labels.tolist(), len(texts), num_classes)
    features = _Features(train_texts)

    def quality(model: Any, x: scipy.sparse.csr_matrix, rows: np.ndarray) -> float:
        if regression:
            return -float(np.mean((labels[rows] - model.predict(x)) ** 2))
        return prediction_scores(
            [metric], labels[rows], model.predict(x), num_classes=num_classes
        )[metric]

    model = _fitted(
        make, quality, features(train_texts), labels, np.arange(len(labels))
    )
    x = features(texts)
    if regression or num_classes is None:
        return Guesses(model.predict(x).astype(np.float64), None)
    probabilities = np.zeros((len(texts), num_classes))
    probabilities[:, model.classes_] = model.predict_proba(x)
    return Guesses(model.predict(x).astype(np.int64), probabilities)


def tfidf_choice(
    train: Sequence[Choices], train_labels: Sequence[int], examples: Sequence[Choices]
) -> Guesses:
    """Which choice goes best with its text, by counted words.

    The features of `tfidf_linear` for each pair of a text and a choice, and a logistic
    regression of whether it is the right one; the choice with the greatest logit wins.

    Args:
        train: texts with their choices.
        train_labels: positions of the right choices.
        examples: texts with their choices, to guess.

    Returns:
        Positions; probabilities are a softmax over the choices of an example, 0 for
        those that it has fewer than others.

    Raises:
        ValueError: an example without choices, a position that is none of a choice,
            not as many labels as examples, or none to guess.
    """
    _check_lengths("examples", train, train_labels)
    _check_any(examples)
    for number, (_, choices) in enumerate([*train, *examples]):
        if not choices:
            raise ValueError(
                f"Example {number} has no choices. Expected at least one, better two."
            )
    labels, _ = _class_ids(train_labels, None)
    for label, (first, choices) in zip(labels, train, strict=True):
        if label >= len(choices):
            raise ValueError(
                f"Received the label {label} for {len(choices)} choices (after "
                f"{first[:40]!r}). Expected the position of one, counted from 0."
            )
    pairs, owners, places = _pairs(train)
    right = (places == labels[owners]).astype(np.int64)
    if right.all():
        raise ValueError(
            "Received examples with one choice each. Expected wrong ones, too."
        )
    features = _Features(pairs)

    def quality(model: Any, x: scipy.sparse.csr_matrix, rows: np.ndarray) -> float:
        kept, inverse = np.unique(owners[rows], return_inverse=True)
        logits = _by_example(model.decision_function(x), inverse, places[rows])
        return float(np.mean(logits.argmax(axis=1) == labels[kept]))

    model = _fitted(_logistic, quality, features(pairs), right, owners)
    pairs, owners, places = _pairs(examples)
    logits = _by_example(model.decision_function(features(pairs)), owners, places)
    probabilities = scipy.special.softmax(logits, axis=1)
    return Guesses(logits.argmax(axis=1), probabilities)


def frequent_tags(
    train_words: Sequence[Sequence[str]],
    train_tags: Sequence[Sequence[str]],
    words: Sequence[Sequence[str]],
) -> list[list[str]]:
    """The most frequent tag of each word; of words never seen, that of all words.

    The tags need not follow one another as IOB2 would have it. Of tags that are equally
    frequent, the first in the alphabet.

    Args:
        train_words: words of each training sentence.
        train_tags: as many tags.
        words: words of each sentence to tag.

    Raises:
        ValueError: there are no words, or not as many tags as words.
    """
    _check_lengths("sentences", train_words, train_tags)
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sentence, tags in zip(train_words, train_tags, strict=True):
        _check_lengths("words", sentence, tags)
        for word, tag in zip(sentence, tags, strict=True):
            of_word[word][tag] += 1
    overall = sum(of_word.values(), Counter())
    if not overall:
        raise ValueError("Received no words. Expected some to count the tags of.")
    best = {word: _most_frequent(counts) for word, counts in of_word.items()}
    unknown = _most_frequent(overall)
    return [[best.get(word, unknown) for word in sentence] for sentence in words]


def frequent_replacements(
    train: Sequence[tuple[str, str]], texts: Sequence[str]
) -> list[str]:
    """Each word as what most often became of it in training, if that is another one.

    Words that are deleted, or inserted, are not looked at; of several replacements that
    are equally frequent, none at all or the first in the alphabet is taken.

    Args:
        train: texts and their corrections.
        texts: to correct.
    """
    of_word: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, corrected in train:
        words, others = words_of(text), words_of(corrected)
        for old, new in align(words, others):
            if old is not None and new is not None:
                of_word[words[old]][others[new]] += 1
    best = {
        word: word if 2 * counts[word] >= counts.total() else _most_frequent(counts)
        for word, counts in of_word.items()
    }
    return [WORD.sub(lambda found: best.get(found[0], found[0]), t) for t in texts]


class _Features:
    """Texts, or pairs of texts, as rows of numbers; learns from the training texts."""

    def __init__(self, texts: Sequence[Text]) -> None:
        parts = _parts(texts)
        together = [text for part in parts for text in part]
        self._counted = _vectorizer(together).fit(together)
        if len(parts) == 2:
            # Pieces of words, too, find out that "fly" and "flying" are alike.
            self._pieces = TfidfVectorizer(
                analyzer="char_wb",
                ngram_range=(2, 5),
                sublinear_tf=True,
                max_features=_MAX_FEATURES,
                dtype=np.float32,
            ).fit(together)
            self._scaler = StandardScaler().fit(self._shared(*parts))

    def __call__(self, texts: Sequence[Text]) -> scipy.sparse.csr_matrix:
        """Float `(texts, features)`."""
        parts = _parts(texts)
        first = self._counted.transform(parts[0])
        if len(parts) == 1:
            return first
        second = self._counted.transform(parts[1])
        shared = scipy.sparse.csr_matrix(self._scaler.transform(self._shared(*parts)))
        blocks = [shared, first, second, first.multiply(second), abs(first - second)]
        return scipy.sparse.hstack(blocks, format="csr")

    def _shared(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """How much two texts share, float64 `(texts, 9)`."""
        columns = [_cosines(v, first, second) for v in (self._counted, self._pieces)]
        split = self._counted.build_analyzer()
        for grams in (split, lambda text: re.findall(_WORD, text.lower())):
            sizes = np.array(
                [
                    (len(a), len(b), len(a & b))
                    for a, b in (
                        (set(grams(x)), set(grams(y)))
                        for x, y in zip(first, second, strict=True)
                    )
                ],
                np.float64,
            ).reshape(-1, 3)
            a, b, both = sizes.T
            columns += [both / np.maximum(size, 1) for size in (a, b, a + b - both)]
        columns.append(np.abs(np.log1p(a) - np.log1p(b)))
        return np.stack(columns, axis=1)


def _vectorizer(texts: Sequence[str]) -> TfidfVectorizer:
    """TF-IDF of words, or of characters where texts are written without spaces."""
    unspaced = sum(len(_UNSPACED.findall(text)) for text in texts)
    characters = sum(len(text) for text in texts)
    common = {
        "sublinear_tf": True,
        "max_features": _MAX_FEATURES,
        "dtype": np.float32,
    }
    if unspaced > characters / 3:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), **common)
    return TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), **common)


def _cosines(
    vectorizer: TfidfVectorizer, first: Sequence[str], second: Sequence[str]
) -> np.ndarray:
    # TF-IDF rows have the length 1.
    product = vectorizer.transform(first).multiply(vectorizer.transform(second))
    return np.asarray(product.sum(axis=1), np.float64).ravel()


def _parts(texts: Sequence[Text]) -> list[list[str]]:
    """One list of single texts, or the lists of the first and second ones of pairs."""
    if texts and isinstance(texts[0], str):
        return [list(texts)]  # type: ignore[arg-type]
    return [[text[place] for text in texts] for place in (0, 1)]


def _pairs(
    examples: Sequence[Choices],
) -> tuple[list[Text], np.ndarray, np.ndarray]:
    """Each text with each choice; the number of its example; the choice's position."""
    rows: list[tuple[Text, int, int]] = [
        ((first, choice), owner, place)
        for owner, (first, choices) in enumerate(examples)
        for place, choice in enumerate(choices)
    ]
    pairs = [pair for pair, _, _ in rows]
    numbers = np.array([row[1:] for row in rows], np.int64).reshape(-1, 2)
    return pairs, numbers[:, 0], numbers[:, 1]


def _by_example(
    logits: np.ndarray, owners: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """`(pairs,)` to `(examples, choices)`; choices that are not there get -inf."""
    shape = (owners.max(initial=-1) + 1, places.max(initial=0) + 1)
    table = np.full(shape, -np.inf)
    table[owners, places] = logits
    return table


def _logistic(inverse_penalty: float) -> LogisticRegression:
    return LogisticRegression(C=inverse_penalty, solver="newton-cg", max_iter=300)


def _ridge(inverse_penalty: float) -> Ridge:
    return Ridge(alpha=1 / inverse_penalty, solver="sparse_cg", tol=1e-4)


def _fitted(
    make: Callable[[float], Any],
    quality: Callable[[Any, scipy.sparse.csr_matrix, np.ndarray], float],
    x: scipy.sparse.csr_matrix,
    labels: np.ndarray,
    groups: np.ndarray,
) -> Any:
    """A model fitted with the penalty that is best in cross-validation.

    Args:
        make: inverse penalty → model.
        quality: model, features and numbers of rows → the greater the better.
        x: `(rows, features)`.
        labels: `(rows,)`.
        groups: int `(rows,)`, from 0: rows with the same stay together.
    """
    chosen = np.random.default_rng(0).permutation(groups.max() + 1)[:_MAX_FOLDED]
    totals = np.zeros(len(_INVERSE_PENALTIES))
    # The products are too small for threads: where others compute, too, they wait for
    # one another so long that a fit took 8 s instead of 0.2.
    with threadpool_limits(1):
        for train, test in _folds(chosen):
            rows, others = (np.flatnonzero(np.isin(groups, g)) for g in (train, test))
            # A rare class may be missing here; one class alone cannot be learnt.
            if make is _logistic and len(np.unique(labels[rows])) == 1:
                continue
            x_rows, x_others = x[rows], x[others]
            for place, inverse_penalty in enumerate(_INVERSE_PENALTIES):
                model = make(inverse_penalty).fit(x_rows, labels[rows])
                totals[place] += quality(model, x_others, others)
        # Without any fold, all are 0: then the usual penalty.
        best = _INVERSE_PENALTIES[totals.argmax()] if totals.any() else 1.0
        return make(best).fit(x, labels)


def _folds(groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    if len(groups) < 2 * _NUM_FOLDS:
        return []
    return [(groups[a], groups[b]) for a, b in KFold(_NUM_FOLDS).split(groups)]


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda tag: (-counts[tag], tag))


def _class_ids(
    labels: Sequence[Any], num_classes: int | None
) -> tuple[np.ndarray, int]:
    ids = np.asarray(labels)
    whole = ids.ndim == 1 and len(ids) > 0 and np.issubdtype(ids.dtype, np.number)
    if not whole or ids.min() < 0 or not np.all(ids % 1 == 0):
        raise ValueError(
            f"Received the training labels {list(labels)[:5]}. Expected class ids "
            "0, 1, …, at least one: leave out examples without a label."
        )
    needed = int(ids.max()) + 1
    if num_classes is not None and num_classes < needed:
        raise ValueError(
            f"Received the class id {needed - 1} with num_classes={num_classes}. "
            f"Expected ids below {num_classes}."
        )
    return ids.astype(np.int64), num_classes or needed


def _finite(scores: Sequence[float]) -> np.ndarray:
    values = np.asarray(scores, np.float64)
    if not len(values) or not np.all(np.isfinite(values)):
        raise ValueError(
            f"Received the training scores {list(scores)[:5]}. Expected numbers, at "
            "least one: leave out examples without a score."
        )
    return values


def _check_lengths(what: str, given: Sequence[Any], labels: Sequence[Any]) -> None:
    if len(given) != len(labels):
        raise ValueError(
            f"Received {len(given)} {what} and labels for {len(labels)}. Expected as "
            "many."
        )


def _check_any(examples: Sequence[Any]) -> None:
    if not examples:
        raise ValueError("Received nothing to guess. Expected at least one example.")


def _check_alike(texts: Sequence[Text]) -> None:
    kinds = {1 if isinstance(text, str) else len(text) for text in texts}
    if not kinds <= {1} and not kinds <= {2}:
        raise ValueError(
            f"Received texts with {sorted(kinds)} parts. Expected strings alone, or "
            "pairs of two strings alone."
        )
