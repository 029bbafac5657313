import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.rows import features


def test_a_part_goes_through_a_record_and_back():
    record = features.part_to_example([7, 8, 9], [2, 1], -5)
    part = features.parse_part(tf.constant(record))
    assert part["token_ids"].numpy().tolist() == [7, 8, 9]
    assert part["sentence_lengths"].numpy().tolist() == [2, 1]
    assert part["document_id"].numpy() == -5
    names = ("token_ids", "sentence_lengths", "document_id")
    assert [part[n].dtype for n in names] == [tf.int32, tf.int32, tf.int64]
    assert part["document_id"].shape == ()


def test_a_record_is_the_same_bytes_always():
    arrays = np.array([7, 8, 9], np.int32), np.array([2, 1], np.int64)
    assert features.part_to_example(*arrays, 5) == features.part_to_example(
        [7, 8, 9], [2, 1], 5
    )


@pytest.mark.parametrize("lengths", [[2], [3, 0], [2, 2]])
def test_lengths_that_are_not_the_sentences(lengths):
    with pytest.raises(ValueError, match="Received 3 token ids"):
        features.part_to_example([7, 8, 9], lengths, 5)


def test_a_record_of_another_program_is_refused():
    example = tf.train.Example()
    example.features.feature["token_ids"].int64_list.value.extend([1, 2])
    example.features.feature["sentence_lengths"].int64_list.value.extend([1])
    example.features.feature["document_id"].int64_list.value.append(1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="write it again"):
        features.parse_part(tf.constant(example.SerializeToString()))


def test_the_model_inputs_are_features_of_a_row():
    assert set(features.MODEL_INPUTS) <= set(features.row_features(128, 20))
