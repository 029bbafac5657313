"""Probabilities by hand, by NLTK, by brute force; they sum up to 1."""

import collections
import itertools

import numpy as np
import pytest

from bert_tf.ngram.model import MAX_VOCAB_SIZE, NgramModel
from tests.bert_tf.ngram.perplexity import perplexity_of

NOTHING = 30


def random_text(seed=0, size=2000, vocab_size=NOTHING):
    """Pieces of which the next depends on the last; its first two come again."""
    generator = np.random.default_rng(seed)
    share = 1 / np.arange(1, vocab_size)
    steps = generator.choice(vocab_size - 1, size, p=share / share.sum())
    # The last piece of the vocabulary never occurs.
    text = np.cumsum(steps) % (vocab_size - 1)
    return np.concatenate([text, text[:2]])


@pytest.fixture(scope="module")
def model():
    return NgramModel.fit([random_text()], NOTHING)


def test_by_hand():
    model = NgramModel.fit([np.array([0, 1, 2, 0, 1, 0])], 4)
    # Trigrams 012, 120, 201, 010, bigrams 12, 20, 01, 10: once each, so that the
    # discount is the usual 0.75. Before 0 stand two pieces, before 1 and 2 one, before
    # 3 none: the discount is 2 / (2 + 2 * 1), of four in all.
    rest = 0.5 * 3 / 4
    alone = [1.5 / 4 + rest / 4, 0.5 / 4 + rest / 4, 0.5 / 4 + rest / 4, rest / 4]
    np.testing.assert_allclose(model.unigrams, alone)
    # After 1 were 2 and 0; after 0 1 as well.
    after_1 = 0.25 / 2 + 0.75 * alone[2]
    after_01 = 0.25 / 2 + 0.75 * after_1
    nothing, unseen = 4, 3
    found = model.probabilities(
        [0, nothing, nothing, unseen, 0], [1, 1, nothing, unseen, 1], [2, 2, 2, 2, 3]
    )
    expected = [after_01, after_1, alone[2], alone[2], 0.75 * 0.75 * alone[3]]
    np.testing.assert_allclose(found, expected)
    text = np.log([alone[0], 0.25 + 0.75 * alone[1], after_01])
    np.testing.assert_allclose(model.log_probabilities([0, 1, 2]), text)
    assert perplexity_of(model, [[0, 1, 2], []]) == pytest.approx(np.exp(-text.mean()))


def test_as_nltk(model):
    lm = pytest.importorskip("nltk.lm", reason="NLTK is not installed")
    from nltk.lm.smoothing import KneserNey
    from nltk.util import everygrams, ngrams

    text = [f"w{piece}" for piece in random_text()]
    kinds = [collections.Counter(ngrams(text, 3))]
    for _ in range(2):
        kinds.append(collections.Counter(gram[1:] for gram in kinds[-1]))
    discounts = []
    for counts in reversed(kinds):
        sizes = collections.Counter(counts.values())
        discounts.append(sizes[1] / (sizes[1] + 2 * sizes[2]) if sizes[1] else 0.75)

    class Discounted(KneserNey):
        """A discount for each order, and the uniform distribution at the bottom."""

        def alpha_gamma(self, word, context):
            self.discount = discounts[len(context)]
            return super().alpha_gamma(word, context)

        def unigram_score(self, word):
            count, total = self._continuation_counts(word)
            rest = discounts[0] * len(set(text)) / total
            return max(count - discounts[0], 0) / total + rest / NOTHING

    oracle = lm.KneserNeyInterpolated(3)
    oracle.estimator = Discounted(oracle.vocab, oracle.counts, order=3)
    oracle.fit([everygrams(text, max_len=3)], text)
    places = np.random.default_rng(1).integers(0, NOTHING - 1, (60, 3))
    for u, v, w in [*places.tolist(), (0, 1, NOTHING - 1)]:
        expected = oracle.score(f"w{w}", (f"w{u}", f"w{v}"))
        if w == NOTHING - 1:
            expected = oracle.unmasked_score(f"w{w}", (f"w{u}", f"w{v}"))
        assert model.probabilities([u], [v], [w]) == pytest.approx(expected, rel=1e-5)


def test_probabilities_sum_up_to_1(model):
    every = np.arange(NOTHING)
    for u, v in itertools.product([0, 7, NOTHING - 1, NOTHING], repeat=2):
        found = model.probabilities(np.full(NOTHING, u), np.full(NOTHING, v), every)
        assert (found > 0).all() and found.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(model.factors([u, v], [])[0], found, rtol=1e-5)


@pytest.mark.parametrize("number_before", [0, 1, 2])
@pytest.mark.parametrize("number_after", [0, 1, 2])
def test_cloze_is_the_product_for_every_piece(model, number_before, number_after):
    text = random_text(seed=2, size=200)
    every = np.arange(NOTHING)
    for place in range(2, 60):
        before = text[place - number_before : place]
        after = text[place + 1 : place + 1 + number_after]
        expected = np.ones(NOTHING)
        row = [NOTHING] * (2 - number_before) + before.tolist()
        for w in every:
            whole = [*row, w, *after]
            for u, v, x in zip(whole, whole[1:], whole[2:], strict=False):
                expected[w] *= model.probabilities([u], [v], [x])[0]
        np.testing.assert_allclose(
            model.cloze(before, after), expected / expected.sum(), rtol=1e-4
        )


def test_what_always_follows_is_known():
    circle = np.tile(np.random.default_rng(0).permutation(20), 50)
    model = NgramModel.fit([circle], 25)
    assert perplexity_of(model, [circle]) < 1.05
    for place in range(2, 30):
        guess = model.cloze(circle[place - 2 : place], circle[place + 1 : place + 3])
        assert guess.argmax() == circle[place] and guess.max() > 0.99


def test_several_texts_are_not_joined():
    model = NgramModel.fit([[0, 1, 2, 3], [4], [], [5, 6, 7]], 8)
    base = 9
    keys = [(0, 1, 2), (1, 2, 3), (5, 6, 7)]
    assert model.trigrams.keys.tolist() == [
        (u * base + v) * base + w for u, v, w in keys
    ]


@pytest.mark.parametrize(
    ("texts", "vocab_size", "message"),
    [
        ([[0, 1], [2, 3]], 4, "no text with three pieces"),
        ([], 4, "no text with three pieces"),
        ([[0, 1, 4]], 4, "ids from 0 to 4. Expected ids below vocab_size=4"),
        ([[0, 1, 2]], MAX_VOCAB_SIZE + 1, "vocab_size=2097152. Expected 1 to 2097151"),
    ],
)
def test_errors(texts, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        NgramModel.fit(texts, vocab_size)


def test_the_largest_keys_fit():
    last = MAX_VOCAB_SIZE - 1
    model = NgramModel.fit([[last, last, last, 0]], MAX_VOCAB_SIZE)
    assert (model.trigrams.keys > 0).all()
    assert model.probabilities([last], [last], [last]) > 0.2
