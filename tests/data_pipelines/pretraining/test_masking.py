import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.pretraining.masking import mask_tokens
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

# Even ids from 6 on are words, odd ones continuations.
VOCABULARY = Vocabulary(
    (*SPECIAL_TOKENS, *(f"##c{i}" if i % 2 else f"w{i}" for i in range(5, 2000)))
)
PAD, UNK, CLS, SEP, MASK = range(5)
LENGTH = 64


def rows(number=500, seed=0):
    """Rows of two segments of random pieces, of every length."""
    generator = np.random.default_rng(seed)
    token_ids = np.full([number, LENGTH], PAD, np.int32)
    for row in token_ids:
        size = generator.integers(6, LENGTH + 1)
        row[:size] = generator.integers(5, 2000, size)
        row[generator.integers(2, size - 2)] = SEP
        row[0], row[size - 1] = CLS, SEP
    return token_ids, token_ids != PAD


def mask(token_ids, padding_mask, seed=1, **options):
    masked = mask_tokens(
        tf.constant(token_ids),
        tf.constant(padding_mask),
        tf.constant([seed, 0], tf.int64),
        VOCABULARY,
        RowOptions(LENGTH, **options),
    )
    return {name: value.numpy() for name, value in masked.items()}


def expected_number(padding_mask, rate=0.15, most=20):
    sizes = padding_mask.sum(axis=1).tolist()
    return np.array([min(most, max(1, round(size * rate))) for size in sizes])


def chosen(masked, shape):
    """bool (rows, sequence)."""
    found = np.zeros(shape, bool)
    row, place = np.nonzero(masked["mlm_weights"])
    found[row, masked["mlm_positions"][row, place]] = True
    return found


@pytest.mark.parametrize("kind", ["token", "whole_word", "span"])
def test_labels_are_the_original_tokens_and_never_special_ones(kind):
    token_ids, padding_mask = rows()
    masked = mask(token_ids, padding_mask, masking=kind)
    used = masked["mlm_weights"] == 1
    originals = np.take_along_axis(token_ids, masked["mlm_positions"], axis=1)
    np.testing.assert_array_equal(masked["mlm_ids"][used], originals[used])
    assert not np.isin(masked["mlm_ids"][used], [PAD, CLS, SEP]).any()
    # Ascending, without gaps, then zeros.
    for positions, weights in zip(
        masked["mlm_positions"], masked["mlm_weights"], strict=True
    ):
        number = int(weights.sum())
        assert (weights[:number] == 1).all()
        assert (np.diff(positions[:number]) > 0).all()
        assert not positions[number:].any()
    assert not masked["mlm_ids"][~used].any()
    # Elsewhere nothing has changed.
    elsewhere = ~chosen(masked, token_ids.shape)
    np.testing.assert_array_equal(masked["token_ids"][elsewhere], token_ids[elsewhere])


def test_token_number_is_exact():
    token_ids, padding_mask = rows()
    masked = mask(token_ids, padding_mask)
    # Rows of six tokens have three of them at least that are not special.
    np.testing.assert_array_equal(
        masked["mlm_weights"].sum(axis=1), expected_number(padding_mask)
    )


@pytest.mark.parametrize("most", [1, 3, 100])
def test_at_most_max_predictions(most):
    token_ids, padding_mask = rows(50)
    masked = mask(token_ids, padding_mask, max_predictions=most)
    assert masked["mlm_positions"].shape == (50, most)
    np.testing.assert_array_equal(
        masked["mlm_weights"].sum(axis=1), expected_number(padding_mask, most=most)
    )


def test_rate_one_masks_all_that_can_be():
    token_ids, padding_mask = rows(20)
    masked = mask(
        token_ids,
        padding_mask,
        mlm_rate=1.0,
        max_predictions=LENGTH,
        mask_rate=1.0,
        random_rate=0.0,
    )
    special = np.isin(token_ids, [PAD, CLS, SEP])
    np.testing.assert_array_equal(
        masked["token_ids"], np.where(special, token_ids, MASK)
    )


def test_rates_zero_change_nothing_but_ask():
    token_ids, padding_mask = rows(20)
    masked = mask(token_ids, padding_mask, mask_rate=0.0, random_rate=0.0)
    np.testing.assert_array_equal(masked["token_ids"], token_ids)
    assert masked["mlm_weights"].sum() > 0


@pytest.mark.parametrize("kind", ["token", "whole_word", "span"])
def test_80_10_10(kind):
    token_ids, padding_mask = rows(4000)
    masked = mask(token_ids, padding_mask, masking=kind)
    at = chosen(masked, token_ids.shape)
    now, before = masked["token_ids"][at], token_ids[at]
    number = at.sum()
    shares = {
        "mask": (now == MASK).mean(),
        "kept": (now == before).mean(),
        "random": ((now != MASK) & (now != before)).mean(),
    }
    expected = {"mask": 0.8, "kept": 0.1, "random": 0.1}
    # A span is decided as a whole: as many decisions as spans, not as tokens.
    decisions = number / (6 if kind == "span" else 1)
    for name, share in expected.items():
        sigma = np.sqrt(share * (1 - share) / decisions)
        assert abs(shares[name] - share) < 4 * sigma + 1e-3, name


def test_random_tokens_are_uniform_over_the_vocabulary():
    token_ids, padding_mask = rows(2000)
    masked = mask(token_ids, padding_mask, mask_rate=0.0, random_rate=1.0)
    found = masked["token_ids"][chosen(masked, token_ids.shape)]
    size = len(VOCABULARY)
    sigma = size / np.sqrt(12 * len(found))
    assert abs(found.mean() - (size - 1) / 2) < 4 * sigma
    assert found.min() < 20
    assert found.max() > size - 20
    assert len(np.unique(found)) > 0.95 * size


def test_every_position_is_chosen_equally():
    token_ids = np.tile(np.arange(6, 6 + 2 * LENGTH, 2, dtype=np.int32), (5000, 1))
    token_ids[:, 0], token_ids[:, -1] = CLS, SEP
    masked = mask(token_ids, np.ones_like(token_ids, bool))
    per_position = chosen(masked, token_ids.shape).mean(axis=0)
    assert per_position[0] == per_position[-1] == 0
    share = 10 / 62  # round(64 * 0.15) = 10 of 62
    sigma = np.sqrt(share * (1 - share) / 5000)
    assert np.abs(per_position[1:-1] - share).max() < 4.5 * sigma


def words(row):
    """Runs of a piece and its continuations, as lists of positions."""
    found = []
    for position, token in enumerate(row.tolist()):
        if token in (PAD, CLS, SEP):
            found.append(None)
        elif token % 2 and found and found[-1] is not None:
            found[-1].append(position)
        else:
            found.append([position])
    return [word for word in found if word]


def test_whole_words_are_whole():
    token_ids, padding_mask = rows()
    masked = mask(token_ids, padding_mask, masking="whole_word")
    at = chosen(masked, token_ids.shape)
    for row, is_chosen in zip(token_ids, at, strict=True):
        for word in words(row):
            assert len(set(is_chosen[word].tolist())) == 1
    number, most = at.sum(axis=1), expected_number(padding_mask)
    assert (number <= most).all()
    # No word that is left would have fit: the number is reached as well as can be.
    for row, is_chosen, left in zip(token_ids, at, most - number, strict=True):
        for word in words(row):
            assert is_chosen[word[0]] or len(word) > left
    # Words are chosen, each with its own decisions of what to replace it by.
    assert (masked["token_ids"][at] == MASK).mean() > 0.75


def test_spans_are_words_in_succession():
    token_ids = np.tile(np.arange(6, 6 + 2 * 128, 2, dtype=np.int32), (1000, 1))
    token_ids[:, 0], token_ids[:, -1] = CLS, SEP
    masked = mask(token_ids, np.ones_like(token_ids, bool), masking="span")
    at = chosen(masked, token_ids.shape)
    assert (at.sum(axis=1) <= 19).all()
    assert at.sum(axis=1).mean() > 17
    runs = (np.diff(at.astype(int), axis=1) == 1).sum()
    # Much longer than the 1.2 of independent tokens.
    assert at.sum() / runs > 2.5
    assert not at[:, 0].any()
    assert not at[:, -1].any()
    # A span is replaced as a whole: neighbours share their fate.
    both = at[:, 1:] & at[:, :-1]
    hidden = masked["token_ids"] == MASK
    assert (hidden[:, 1:] == hidden[:, :-1])[both].mean() > 0.9


def test_next_tokens():
    token_ids = np.array([[CLS, 6, 7, 8, SEP, PAD, PAD], [CLS, 9, SEP, 6, 8, 7, SEP]])
    token_ids = token_ids.astype(np.int32)
    masked = mask(token_ids, token_ids != PAD, masking="next_token", max_predictions=6)
    np.testing.assert_array_equal(masked["token_ids"], token_ids)
    expected = [[6, 7, 8, SEP, PAD, PAD], [9, SEP, 6, 8, 7, SEP]]
    np.testing.assert_array_equal(masked["mlm_ids"], expected)
    np.testing.assert_array_equal(
        masked["mlm_positions"], [[0, 1, 2, 3, 0, 0], [0, 1, 2, 3, 4, 5]]
    )
    np.testing.assert_array_equal(
        masked["mlm_weights"], [[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]
    )
    for most in (3, 9):
        masked = mask(
            token_ids, token_ids != PAD, masking="next_token", max_predictions=most
        )
        assert masked["mlm_ids"].shape == (2, most)
        assert masked["mlm_weights"].sum() == min(most, 4) + min(most, 6)


def test_every_token_but_those_at_the_ends():
    token_ids = np.array([[CLS, 6, 7, 8, SEP, PAD, PAD], [CLS, 9, SEP, 6, 8, 7, SEP]])
    token_ids = token_ids.astype(np.int32)
    masked = mask(token_ids, token_ids != PAD, masking="every_token", max_predictions=5)
    np.testing.assert_array_equal(masked["token_ids"], token_ids)
    np.testing.assert_array_equal(
        masked["mlm_ids"], [[6, 7, 8, PAD, PAD], [9, SEP, 6, 8, 7]]
    )
    np.testing.assert_array_equal(
        masked["mlm_positions"], [[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]]
    )
    np.testing.assert_array_equal(
        masked["mlm_weights"], [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    )


def test_same_seed_same_masks():
    token_ids, padding_mask = rows(20)
    for kind in ("token", "whole_word", "span"):
        first = mask(token_ids, padding_mask, 3, masking=kind)
        again = mask(token_ids, padding_mask, 3, masking=kind)
        other = mask(token_ids, padding_mask, 4, masking=kind)
        for name in first:
            np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first["mlm_positions"], other["mlm_positions"])


def test_no_rows_and_rows_without_words():
    empty = np.zeros([0, LENGTH], np.int32)
    assert mask(empty, empty != PAD)["mlm_ids"].shape == (0, 20)
    nothing = np.full([2, LENGTH], PAD, np.int32)
    nothing[:, :2] = CLS, SEP
    for kind in ("token", "whole_word", "span"):
        assert not mask(nothing, nothing != PAD, masking=kind)["mlm_weights"].any()


def test_errors():
    token_ids, padding_mask = rows(1)
    with pytest.raises(ValueError, match=r"masking='word'. Expected one of"):
        mask(token_ids, padding_mask, masking="word")
    with pytest.raises(ValueError, match=r"mask_rate=0\.95.*from 0 to 1"):
        mask(token_ids, padding_mask, mask_rate=0.95)
    with pytest.raises(ValueError, match=r"max_predictions=0\. Expected numbers"):
        mask(token_ids, padding_mask, max_predictions=0)
