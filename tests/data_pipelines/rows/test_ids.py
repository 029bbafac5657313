import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.rows.ids import id_check, require_ids


@tf.function
def checked(ids):
    with tf.control_dependencies([id_check("token_ids", ids, 5)]):
        return tf.identity(ids)


@pytest.mark.parametrize("ids", [[[0, 4], [2, 3]], [[0], [0]], [[]]])
def test_ids_that_are_there(ids):
    array = np.array(ids, np.int32)
    require_ids("token_ids", array, 5)
    np.testing.assert_array_equal(checked(array), array)


@pytest.mark.parametrize(
    ("ids", "found"), [([[-1, 4]], "-1 to 4"), ([[0], [5]], "0 to 5")]
)
def test_ids_that_are_not(ids, found):
    array = np.array(ids, np.int32)
    message = rf"Received token_ids from {found}\. Expected 0 to 4\."
    with pytest.raises(ValueError, match=message):
        require_ids("token_ids", array, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        checked(array)
