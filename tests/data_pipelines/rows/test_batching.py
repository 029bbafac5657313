import tensorflow as tf

from data_pipelines.rows import batching


def test_evaluation_loses_no_row():
    rows = tf.data.Dataset.range(5).map(
        lambda x: {"x": x, "s": tf.strings.as_string(x)}
    )
    batches = list(batching.evaluation_batches(rows, batch_size=3))
    assert [batch["x"].numpy().tolist() for batch in batches] == [[0, 1, 2], [3, 4, 0]]
    assert batches[1]["s"].numpy().tolist() == [b"3", b"4", b""]
    assert batches[1]["row_weight"].numpy().tolist() == [1, 1, 0]
    assert batches[0]["row_weight"].shape == (3,)


def test_evaluation_keeps_weights():
    rows = tf.data.Dataset.range(3).map(
        lambda x: {"x": tf.fill([2], x), "row_weight": tf.constant(0.5)}
    )
    batches = list(batching.evaluation_batches(rows, batch_size=2))
    assert batches[1]["x"].numpy().tolist() == [[2, 2], [0, 0]]
    assert batches[1]["row_weight"].numpy().tolist() == [0.5, 0]
