import tensorflow as tf

from data_pipelines import batching


def numbers(batches):
    return [batch.numpy().tolist() for batch in batches]


def flat(batches):
    return [row for batch in batches for row in batch]


def test_training_batches_have_one_size_and_every_row_each_epoch():
    batches = numbers(
        batching.training_batches(
            tf.data.Dataset.range(10), batch_size=4, num_epochs=2, seed=1
        )
    )
    assert [len(batch) for batch in batches] == [4] * 5
    rows = flat(batches)
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10] != rows[10:]


def test_training_is_the_same_again_and_drops_only_the_end():
    def make(seed):
        return numbers(
            batching.training_batches(
                tf.data.Dataset.range(10), batch_size=4, num_epochs=3, seed=seed
            )
        )

    assert make(1) == make(1) != make(2)
    assert len(make(1)) == 7


def test_workers_share_the_rows():
    rows = []
    for worker in range(3):
        rows += numbers(
            batching.training_batches(
                tf.data.Dataset.range(9),
                batch_size=3,
                shard_index=worker,
                num_shards=3,
                map_row=lambda row: row * 2,
                map_batch=lambda batch: batch + 1,
            )
        )
    assert sorted(flat(rows)) == list(range(1, 19, 2))


def test_evaluation_loses_no_row():
    rows = tf.data.Dataset.range(5).map(
        lambda x: {"x": x, "s": tf.strings.as_string(x)}
    )
    batches = list(batching.evaluation_batches(rows, batch_size=3))
    assert [batch["x"].numpy().tolist() for batch in batches] == [[0, 1, 2], [3, 4, 0]]
    assert batches[1]["s"].numpy().tolist() == [b"3", b"4", b""]
    assert batches[1]["row_weight"].numpy().tolist() == [1, 1, 0]
    assert batches[0]["row_weight"].shape == (3,)


def test_evaluation_keeps_weights_and_maps():
    rows = tf.data.Dataset.range(3).map(
        lambda x: {"x": tf.fill([2], x), "row_weight": tf.constant(0.5)}
    )
    batches = list(
        batching.evaluation_batches(
            rows,
            batch_size=2,
            map_row=lambda row: {**row, "y": row["x"] > 0},
            map_batch=lambda batch: {**batch, "x": batch["x"] + 1},
        )
    )
    assert batches[1]["x"].numpy().tolist() == [[3, 3], [0, 0]]
    assert batches[1]["y"].numpy().tolist() == [[True, True], [False, False]]
    assert batches[1]["row_weight"].numpy().tolist() == [0.5, 0]


def test_a_training_iterator_resumes(tmp_path):
    dataset = batching.training_batches(
        tf.data.Dataset.range(50), batch_size=4, num_epochs=None, shuffle_rows=20
    )
    iterator = iter(dataset)
    for _ in range(17):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "saved"))
    expected = [next(iterator).numpy().tolist() for _ in range(30)]
    iterator = iter(dataset)
    tf.train.Checkpoint(iterator=iterator).restore(path)
    assert [next(iterator).numpy().tolist() for _ in range(30)] == expected
