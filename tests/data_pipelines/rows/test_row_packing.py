import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.rows import row_packing
from data_pipelines.tokenizers.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"))
PAD, CLS, SEP = 0, 2, 3
LENGTHS = [
    generator.integers(2, 17, generator.integers(1, 30))
    for generator in map(np.random.default_rng, range(12))
]


def pack(sequences, second_starts=None, row_length=8, **arguments):
    lengths = [len(sequence) for sequence in sequences]
    packed = row_packing.pack_rows(
        tf.RaggedTensor.from_row_lengths(
            tf.constant([t for s in sequences for t in s], tf.int32), lengths
        ),
        tf.constant(lengths if second_starts is None else second_starts, tf.int32),
        row_length=row_length,
        vocabulary=VOCABULARY,
        **arguments,
    )
    return {name: value.numpy() for name, value in packed.items()}


def first_fit_decreasing(lengths, row_length):
    """The row and the place of each sequence, in plain Python."""
    used, found = [], [None] * len(lengths)
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fitting = [r for r, n in enumerate(used) if n + lengths[index] <= row_length]
        if not fitting:
            used.append(0)
        row = fitting[0] if fitting else len(used) - 1
        found[index] = (row, used[row])
        used[row] += lengths[index]
    return found, len(used)


def test_the_example_of_the_docstring():
    packed = pack(
        [[CLS, 11, SEP, 12, SEP], [CLS, 13, SEP], [CLS, 14, 15, SEP]], [3, 3, 4]
    )
    expected = {
        "token_ids": [
            [CLS, 11, SEP, 12, SEP, CLS, 13, SEP],
            [CLS, 14, 15, SEP, PAD, PAD, PAD, PAD],
        ],
        "segment_ids": [[0, 0, 0, 1, 1, 0, 0, 0], [0] * 8],
        "padding_mask": [[True] * 8, [True] * 4 + [False] * 4],
        "positions": [[0, 1, 2, 3, 4, 0, 1, 2], [0, 1, 2, 3, 0, 0, 0, 0]],
        "sequence_ids": [[0, 0, 0, 0, 0, 1, 1, 1], [2, 2, 2, 2, -1, -1, -1, -1]],
        "first_tokens": [0, 5, 8],
    }
    assert {name: value.tolist() for name, value in packed.items()} == expected
    for name, value in packed.items():
        assert value.dtype == (bool if name == "padding_mask" else np.int32)


@pytest.mark.parametrize("pad_to_bucket", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_every_sequence_is_whole_and_once_in_a_row(lengths, pad_to_bucket):
    generator = np.random.default_rng(0)
    sequences = [generator.integers(5, 100, length).tolist() for length in lengths]
    starts = generator.integers(0, lengths + 1)
    packed = pack(sequences, starts, row_length=16, pad_to_bucket=pad_to_bucket)
    assert packed["token_ids"].shape[1] == 16
    flat = {
        name: packed[name].reshape(-1)
        for name in ("token_ids", "segment_ids", "positions", "sequence_ids")
    }
    covered = np.zeros(flat["token_ids"].size, int)
    for index, (sequence, first) in enumerate(
        zip(sequences, packed["first_tokens"], strict=True)
    ):
        length = len(sequence)
        assert first // 16 == (first + length - 1) // 16
        here = slice(first, first + length)
        covered[here] += 1
        assert flat["token_ids"][here].tolist() == sequence
        assert flat["positions"][here].tolist() == list(range(length))
        assert set(flat["sequence_ids"][here]) == {index}
        second = (np.arange(length) >= starts[index]).astype(int)
        assert flat["segment_ids"][here].tolist() == second.tolist()
    assert covered.max() == 1
    empty = covered == 0
    assert (packed["padding_mask"].reshape(-1) == ~empty).all()
    assert (flat["token_ids"][empty] == PAD).all()
    assert (flat["sequence_ids"][empty] == -1).all()
    assert not flat["positions"][empty].any() and not flat["segment_ids"][empty].any()


@pytest.mark.parametrize("lengths", LENGTHS)
def test_first_fit_decreasing(lengths):
    rows, places, num_rows = row_packing.first_fit(tf.constant(lengths, tf.int32), 16)
    expected, expected_rows = first_fit_decreasing(lengths.tolist(), 16)
    found = list(zip(rows.numpy().tolist(), places.numpy().tolist(), strict=True))
    assert found == expected
    assert int(num_rows) == expected_rows


def test_pad_to_bucket():
    allowed = [*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80]
    for count in (1, 3, 5, 8, 9, 11, 13, 16, 17, 21, 32, 33, 64, 65):
        packed = pack([[CLS, SEP]] * count, row_length=2, pad_to_bucket=True)
        rows = len(packed["token_ids"])
        assert count <= rows == min(n for n in allowed if n >= count)
        assert 5 * (rows - count) < rows


def test_a_sequence_that_is_longer_than_a_row():
    with pytest.raises(tf.errors.InvalidArgumentError, match="longer than a row"):
        pack([[CLS, SEP], [CLS, *range(5, 12), SEP]])


def test_no_sequences():
    assert pack([])["token_ids"].shape == (0, 8)
    assert pack([], pad_to_bucket=True)["token_ids"].shape == (1, 8)
    assert pack([])["first_tokens"].shape == (0,)
