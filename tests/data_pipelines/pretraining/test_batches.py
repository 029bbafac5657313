import hashlib
import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.pretraining import batches as pretraining
from data_pipelines.pretraining.documents import (
    documents_from_records,
)
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.rows import features
from tests.data_pipelines.pretraining import pretraining_data

VOCABULARY = pretraining_data.vocabulary(60_100)
NUM_DOCUMENTS = 24


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    documents = pretraining_data.documents(NUM_DOCUMENTS)
    return [
        pretraining_data.write_records(
            str(folder / f"{number}.tfrecord"), documents[number::4], 100 * number
        )
        for number in range(4)
    ]


@pytest.fixture(scope="module")
def dataset(files):
    return make(files)


@pytest.fixture(scope="module")
def rows(dataset):
    return arrays(dataset)


ROWS = RowOptions(64, max_predictions=10)


def make(
    files, rows=ROWS, *, epochs=1, seed=1, batch_size=4, shuffle_rows=32, **options
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "PARTS_PER_GROUP", 8)
        patch.setattr(pretraining, "SHUFFLE_ROWS", shuffle_rows)
        return pretraining.training_batches(
            documents_from_records(files, seed=seed, shuffle_parts=6),
            VOCABULARY,
            rows,
            batch_size=batch_size,
            seed=seed,
            num_epochs=epochs,
            **options,
        )


def arrays(batches):
    """All rows of all batches, one array a feature."""
    batches = [{name: v.numpy() for name, v in batch.items()} for batch in batches]
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def unmasked(rows):
    token_ids = rows["token_ids"].copy()
    row, place = np.nonzero(rows["mlm_weights"])
    token_ids[row, rows["mlm_positions"][row, place]] = rows["mlm_ids"][row, place]
    return token_ids


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_batches_are_what_features_says(dataset):
    for name, spec in features.row_features(64, 10).items():
        assert dataset.element_spec[name] == tf.TensorSpec([4, *spec.shape], spec.dtype)
    assert set(dataset.element_spec) == set(features.row_features(64, 10))


def test_rows_are_masked_pairs_of_the_documents(rows):
    token_ids = unmasked(rows)
    assert (rows["token_ids"] == VOCABULARY.mask_id).any()
    assert not (token_ids == VOCABULARY.mask_id).any()
    for row, mask, segments, label in zip(
        token_ids,
        rows["padding_mask"],
        rows["segment_ids"],
        rows["sentence_label"],
        strict=True,
    ):
        first = row[mask & (segments == 0)][1:-1]
        second = row[mask & (segments == 1)][:-1]
        assert (np.diff(first) == 1).all()
        assert (np.diff(second) == 1).all()
        own, other = map(pretraining_data.document_of, (first[0], second[0]))
        assert (own != other) == label
    assert 0.4 < rows["sentence_label"].mean() < 0.75
    documents = {pretraining_data.document_of(row[1]) for row in token_ids}
    assert documents == set(range(NUM_DOCUMENTS))


def test_same_seed_same_batches_whatever_the_number_of_threads(files, rows):
    one = tf.data.Options()
    one.threading.private_threadpool_size = 1
    one.autotune.enabled = False
    assert_same(arrays(make(files).with_options(one)), rows)
    other = arrays(make(files, seed=2))
    assert not np.array_equal(rows["token_ids"][:20], other["token_ids"][:20])


def test_the_batches_are_those_of_every_machine(rows):
    """Made by this test at the first commit; another number breaks resumed runs."""
    digest = hashlib.sha256()
    for name in sorted(rows):
        digest.update(rows[name].tobytes())
    assert digest.hexdigest()[:16] == "123424feb31f2b8e"


def test_epochs_differ_in_pairs_and_masks(files):
    # Without a buffer the rows of the first epoch come first.
    both = arrays(make(files, epochs=2, batch_size=1, shuffle_rows=0))
    first = arrays(make(files, epochs=1, batch_size=1, shuffle_rows=0))
    number = len(first["token_ids"])
    assert_same({name: v[:number] for name, v in both.items()}, first)

    def distinct(values):
        return {tuple(row) for row in values}

    ids = unmasked(both)
    # Some rows of few sentences come again, but hardly with the same masks.
    assert len(distinct(ids[:number]) & distinct(ids[number:])) < 0.3 * number
    masked = both["token_ids"]
    assert len(distinct(masked[:number]) & distinct(masked[number:])) < 0.02 * number


def test_an_iterator_resumes_amid_and_across_epochs(files, tmp_path):
    running, restarted = make(files, epochs=None), make(files, epochs=None)
    for before in (3, 70):
        iterator = iter(running)
        for _ in range(before):
            next(iterator)
        path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "saved"))
        expected = arrays([next(iterator) for _ in range(100)])  # Over an epoch.
        iterator = iter(restarted)
        tf.train.Checkpoint(iterator=iterator).restore(path).assert_consumed()
        assert_same(arrays([next(iterator) for _ in range(100)]), expected)


def test_an_iterator_of_many_streams_resumes(files, tmp_path):
    arguments = {"epochs": None, "batch_size": 8, "num_streams": 4, "replica": (0, 2)}
    iterator = iter(make(files, **arguments))
    for _ in range(50):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "saved"))
    expected = arrays([next(iterator) for _ in range(60)])
    iterator = iter(make(files, **arguments))
    tf.train.Checkpoint(iterator=iterator).restore(path).assert_consumed()
    assert_same(arrays([next(iterator) for _ in range(60)]), expected)


@pytest.mark.parametrize(
    "rows",
    [
        RowOptions(32, "sentence_order", "whole_word", max_predictions=10),
        RowOptions(128, "full_sentences", "span", max_predictions=10),
    ],
)
def test_the_same_records_make_rows_of_any_kind(files, rows):
    batch = next(iter(make(files, rows)))
    assert batch["token_ids"].shape == (4, rows.sequence_length)
    assert float(tf.reduce_sum(batch["mlm_weights"])) > 0


def test_evaluation_is_fixed_and_loses_no_row(files, monkeypatch):
    monkeypatch.setattr(pretraining, "PARTS_PER_GROUP", 8)
    documents = documents_from_records(files, shuffle_parts=0)

    def evaluate(size):
        return arrays(
            pretraining.evaluation_batches(documents, VOCABULARY, ROWS, batch_size=size)
        )

    one, seven = evaluate(1), evaluate(7)
    number = len(one["token_ids"])
    assert number % 7
    assert len(seven["token_ids"]) % 7 == 0
    assert_same({name: v[:number] for name, v in seven.items()}, one)
    assert (seven["row_weight"][:number] == 1).all()
    assert not seven["row_weight"][number:].any()
    assert not seven["mlm_weights"][number:].any()


@pytest.mark.parametrize("num_streams", [1, 2, 3, 4])
def test_streams_share_the_files(files, num_streams):
    documents = documents_from_records(files)
    for epoch in (0, 3):
        found = []
        for stream in range(num_streams):
            parts = documents(tf.constant(epoch), tf.constant(stream), num_streams)
            found.append([int(part["document_id"]) for part in parts])
        expected = [100 * number + i for number in range(4) for i in range(6)]
        assert sorted(itertools.chain(*found)) == expected
        # Whole files.
        assert {len({i // 100 for i in ids}) for ids in found} <= {1, 2, 4}
        assert all(len(ids) % 6 == 0 for ids in found)


@pytest.mark.parametrize("num_replicas", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_replicas_have_parts_of_the_same_batches(files, num_replicas):
    def batches(**arguments):
        made = make(files, batch_size=8, epochs=2, num_streams=4, **arguments)
        return [{k: v.numpy() for k, v in batch.items()} for batch in made.take(40)]

    one = batches()
    parts = [
        batches(replica=(replica, num_replicas)) for replica in range(num_replicas)
    ]
    assert len(one) == 40
    for whole, *shares in zip(one, *parts, strict=True):
        joined = {k: np.concatenate([share[k] for share in shares]) for k in whole}
        assert_same(joined, whole)


def test_no_row_twice_in_an_epoch(files):
    """Rows of one stream in one epoch are those of its files, whoever reads them."""
    # As long as none of the four is at its end.
    found = arrays(make(files, batch_size=4, num_streams=4).take(8))
    ids = unmasked(found)
    for stream in range(4):
        firsts = {pretraining_data.document_of(row[1]) for row in ids[stream::4]}
        others = {
            pretraining_data.document_of(row[1])
            for other in range(4)
            if other != stream
            for row in ids[other::4]
        }
        assert firsts and not firsts & others


def test_streams_of_a_batch():
    assert pretraining.streams_of(32, 16) == 16
    assert pretraining.streams_of(24, 16) == 8
    assert pretraining.streams_of(7, 16) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 6, "num_streams": 4},
        {"batch_size": 8, "num_streams": 4, "replica": (0, 3)},
    ],
)
def test_streams_that_do_not_fit(files, arguments):
    with pytest.raises(ValueError, match="Expected as many rows from each stream"):
        make(files, **arguments)


def test_the_order_of_parts_depends_on_the_epoch(files):
    parts = documents_from_records(files, shuffle_parts=6)

    def order(epoch):
        dataset = parts(tf.constant(epoch), tf.constant(0), 1)
        return [int(part["document_id"]) for part in dataset]

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == sorted(order(1))


def test_as_fit_inputs(dataset):
    inputs, labels, weights = pretraining.as_fit_inputs(next(iter(dataset)))
    assert list(inputs) == [*features.MODEL_INPUTS, "mlm_positions"]
    assert labels["mlm"].shape == weights["mlm"].shape == (4, 10)
    assert labels["sentence"].shape == weights["sentence"].shape == (4,)


def test_errors(tmp_path, files):
    with pytest.raises(ValueError, match="no record files"):
        documents_from_records([])
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tfrecord"):
        documents_from_records(["nowhere.tfrecord"])
    empty = pretraining_data.write_records(str(tmp_path / "empty.tfrecord"), [])
    with pytest.raises(ValueError, match="not a single row"):
        make([empty], epochs=None)
