import pytest
import tensorflow as tf

from data_pipelines.rows import packing
from data_pipelines.tokenizers.vocabulary import Vocabulary
from tests.data_pipelines.tokenizers.byte_bpe_vocabulary import learned_vocabulary

VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"))
PAD, CLS, SEP = 0, 2, 3


def ragged(rows):
    return tf.ragged.constant(rows, tf.int32, ragged_rank=1)


def test_two_segments():
    packed = packing.pack(
        ragged([[11, 12], [], [14, 15]]),
        ragged([[13], [16], [17, 18]]),
        sequence_length=7,
        vocabulary=VOCABULARY,
    )
    assert packed["token_ids"].numpy().tolist() == [
        [CLS, 11, 12, SEP, 13, SEP, PAD],
        [CLS, SEP, 16, SEP, PAD, PAD, PAD],
        [CLS, 14, 15, SEP, 17, 18, SEP],
    ]
    assert packed["segment_ids"].numpy().tolist() == [
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1],
    ]
    assert packed["padding_mask"].numpy().sum(axis=1).tolist() == [6, 4, 7]
    assert packed["padding_mask"].dtype == tf.bool


def test_one_segment_and_none_at_all():
    packed = packing.pack(
        ragged([[11, 12], []]), None, sequence_length=5, vocabulary=VOCABULARY
    )
    assert packed["token_ids"].numpy().tolist() == [
        [CLS, 11, 12, SEP, PAD],
        [CLS, SEP, PAD, PAD, PAD],
    ]
    assert not packed["segment_ids"].numpy().any()
    empty = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), [0])
    packed = packing.pack(empty, None, sequence_length=5, vocabulary=VOCABULARY)
    assert packed["token_ids"].shape == (0, 5)


def test_segments_that_do_not_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="truncate"):
        packing.pack(ragged([[11, 12]]), None, sequence_length=3, vocabulary=VOCABULARY)


def one_at_a_time(first, second, most):
    while first + second > most:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


@pytest.mark.parametrize("most", [4, 5, 9, 10])
def test_lengths_as_if_taken_one_at_a_time(most):
    pairs = [(a, b) for a in range(14) for b in range(14)]
    first, second = packing.truncated_lengths(
        tf.constant([a for a, _ in pairs]), tf.constant([b for _, b in pairs]), most
    )
    expected = [one_at_a_time(a, b, most) for a, b in pairs]
    assert list(zip(first.numpy(), second.numpy(), strict=True)) == expected


def test_truncate_pair_cuts_the_ends():
    first, second = packing.truncate_pair(
        ragged([[1, 2, 3, 4], [1], []]), ragged([[5], [5, 6], [5, 6, 7, 8]]), 3
    )
    assert first.to_list() == [[1, 2], [1], []]
    assert second.to_list() == [[5], [5, 6], [5, 6, 7]]
    assert first.dtype == tf.int32


def test_two_separators_with_byte_level_bpe(tmp_path):
    """As RoBERTa has them: `<s> A </s></s> B </s>`."""
    vocabulary = learned_vocabulary(str(tmp_path), 300)
    pad, cls, sep = vocabulary.pad_id, vocabulary.cls_id, vocabulary.sep_id
    first = tf.ragged.constant([[5, 6], []], tf.int32)
    second = tf.ragged.constant([[7], [5]], tf.int32)
    expected = [[cls, 5, 6, sep, sep, 7, sep], [cls, sep, sep, 5, sep]]
    joined, second_starts = packing.join(first, second, vocabulary)
    assert joined.to_list() == expected
    assert second_starts.numpy().tolist() == [5, 3]
    assert packing.join(first, None, vocabulary)[1].numpy().tolist() == [4, 2]
    rows = packing.pack(first, second, sequence_length=8, vocabulary=vocabulary)
    assert rows["token_ids"].numpy().tolist() == [
        [*row, *[pad] * (8 - len(row))] for row in expected
    ]
    assert rows["segment_ids"].numpy().tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 1, 1, 0, 0, 0],
    ]
    assert packing.pair_room(8, vocabulary) == 4
