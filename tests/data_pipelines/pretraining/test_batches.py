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
from data_pipelines.tokenizers.vocabulary import Vocabulary
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


ROWS = RowOptions(64, max_predictions=10)
# Made in less time.
FULL = RowOptions(64, "full_sentences", max_predictions=10)
# Batches of four rows in the first epoch; up to three rows more are in the next one.
EPOCH = 84


def make(
    files,
    rows=ROWS,
    *,
    epochs=None,
    seed=1,
    batch_size=4,
    vocabulary=VOCABULARY,
    **options,
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "PARTS_PER_GROUP", 8)
        patch.setattr(pretraining, "SHUFFLE_ROWS", 32)
        return pretraining.training_batches(
            documents_from_records(files, seed=seed, shuffle_parts=6),
            vocabulary,
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


def run(dataset, count, saved_after, path):
    """The first batches, and a checkpoint of the iterator amid them."""
    iterator = iter(dataset)
    batches = [next(iterator) for _ in range(saved_after)]
    saved = tf.train.Checkpoint(iterator=iterator).save(str(path))
    batches += [next(iterator) for _ in range(count - saved_after)]
    return batches, saved


@pytest.fixture(scope="module")
def dataset(files):
    """Without end; to build it and to begin takes long, to read it does not."""
    return make(files)


@pytest.fixture(scope="module")
def batches(dataset, tmp_path_factory):
    return run(dataset, 2 * EPOCH + 2, 70, tmp_path_factory.mktemp("a") / "saved")


@pytest.fixture(scope="module")
def rows(batches):
    """Of one epoch."""
    return arrays(batches[0][:EPOCH])


@pytest.fixture(scope="module")
def whole(files):
    """40 batches of four streams."""
    return list(make(files, FULL, batch_size=8, num_streams=4).take(40))


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


def test_same_seed_same_batches_whatever_the_number_of_threads(dataset, rows):
    one = tf.data.Options()
    one.threading.private_threadpool_size = 1
    one.autotune.enabled = False
    assert_same(arrays(dataset.take(EPOCH).with_options(one)), rows)


def test_another_seed_makes_other_rows(files, rows):
    other = arrays(make(files, seed=2).take(5))
    assert not np.array_equal(rows["token_ids"][:20], other["token_ids"])


def test_the_batches_are_those_of_every_machine(rows):
    """Made by this test at the first commit; another number breaks resumed runs."""
    digest = hashlib.sha256()
    for name in sorted(rows):
        digest.update(rows[name].tobytes())
    assert digest.hexdigest()[:16] == "123424feb31f2b8e"


def test_epochs_differ_in_pairs_and_masks(batches):
    def distinct(values):
        return {tuple(row) for row in values}

    number = 4 * EPOCH
    both = arrays(batches[0])
    ids, masked = unmasked(both), both["token_ids"]
    documents = {pretraining_data.document_of(row[1]) for row in ids[number:]}
    assert documents == set(range(NUM_DOCUMENTS))
    # Some rows of few sentences come again, but hardly with the same masks.
    for values, most in ((ids, 0.3), (masked, 0.02)):
        first, second = distinct(values[:number]), distinct(values[number:])
        assert len(first & second) < most * number


def test_an_iterator_resumes_amid_and_across_epochs(files, batches):
    expected, saved = batches
    iterator = iter(make(files))
    tf.train.Checkpoint(iterator=iterator).restore(saved).assert_consumed()
    # To the end of the epoch, through the next one, and into the third.
    found = [next(iterator) for _ in range(len(expected) - 70)]
    assert_same(arrays(found), arrays(expected[70:]))


# Odd ids are continuations.
PIECES = Vocabulary(
    tuple(
        f"##{piece}" if number % 2 and number > 5 else piece
        for number, piece in enumerate(VOCABULARY.tokens)
    )
)


@pytest.mark.parametrize(
    "options",
    [
        RowOptions(32, "sentence_order", "whole_word", max_predictions=10),
        RowOptions(128, "full_sentences", "span", max_predictions=20),
    ],
    ids=lambda options: options.sentences,
)
def test_the_same_records_make_rows_of_any_kind(files, options):
    rows = arrays(make(files, options, epochs=1, vocabulary=PIECES))
    assert rows["token_ids"].shape[1] == options.sequence_length
    original = unmasked(rows)
    special = np.isin(original, [PIECES.pad_id, PIECES.cls_id, PIECES.sep_id])
    hidden = np.zeros(original.shape, bool)
    row, place = np.nonzero(rows["mlm_weights"])
    hidden[row, rows["mlm_positions"][row, place]] = True
    assert not (hidden & special).any()

    # What is not chosen is the text, so that with the labels it is a run of ids.
    together = ~special[:, 1:] & ~special[:, :-1]
    documents = pretraining_data.document_of(original)
    steps = np.diff(original, axis=1)[together]
    assert set(steps.tolist()) == {1}
    for ids, segments, mask, label in zip(
        documents,
        rows["segment_ids"],
        rows["padding_mask"] & ~special,
        rows["sentence_label"],
        strict=True,
    ):
        if options.sentences == "full_sentences":
            assert not label and not segments.any()
        else:
            assert len(set(ids[mask].tolist())) == 1
    if options.sentences == "sentence_order":
        first = original[:, 1]
        second = np.where(rows["segment_ids"] == 1, original, original.max() + 1)
        swapped = first > second.min(axis=1, where=~special, initial=original.max() + 1)
        np.testing.assert_array_equal(swapped, rows["sentence_label"])
        assert 0.4 < swapped.mean() < 0.6
    else:
        ids = original[~special]
        assert len(ids) == len(set(ids.tolist()))  # Each token is in one row.

    numbers = hidden.sum(axis=1)
    most = np.round(0.15 * rows["padding_mask"].sum(axis=1))
    assert (numbers <= np.clip(most, 1, options.max_predictions)).all()
    neighbours = (hidden[:, 1:] & hidden[:, :-1] & together).sum()
    masked = rows["token_ids"] == PIECES.mask_id
    if options.masking == "whole_word":
        continues = together & (original[:, 1:] % 2 == 1)
        assert (hidden[:, 1:] == hidden[:, :-1])[continues].all()
    # Of independent tokens 0.15 have a neighbour, of words of two tokens half.
    least = {"whole_word": 0.4, "span": 0.6}[options.masking]
    assert neighbours > least * hidden.sum()
    assert not masked[~hidden].any()
    assert abs(masked[hidden].mean() - 0.8) < 0.06
    kept = (rows["token_ids"] == original)[hidden].mean()
    assert abs(kept - 0.1) < 0.05


def test_evaluation_is_fixed_and_loses_no_row(files, monkeypatch):
    monkeypatch.setattr(pretraining, "PARTS_PER_GROUP", 8)
    documents = documents_from_records(files, shuffle_parts=0)

    def evaluate(size):
        return arrays(
            pretraining.evaluation_batches(documents, VOCABULARY, FULL, batch_size=size)
        )

    one, seven = evaluate(1), evaluate(7)
    number = len(one["token_ids"])
    ids = unmasked(one)[one["padding_mask"]]
    given = pretraining_data.documents(NUM_DOCUMENTS)
    expected = [token for document in given for s in document for token in s]
    assert sorted(ids[ids >= pretraining_data.FIRST_ID].tolist()) == expected
    assert number % 7
    assert len(seven["token_ids"]) % 7 == 0
    assert_same({name: v[:number] for name, v in seven.items()}, one)
    assert (seven["row_weight"][:number] == 1).all()
    assert not seven["row_weight"][number:].any()
    assert not seven["mlm_weights"][number:].any()


def ids_of(documents, epochs, num_streams=1):
    """The ids of the documents of each stream, for each of the epochs."""
    # In one graph, as the batches are made.
    numbers = tf.data.Dataset.from_tensor_slices(
        [(e, s) for e in range(len(epochs)) for s in range(num_streams)]
    )
    parts = numbers.flat_map(
        lambda number: documents(
            tf.gather(tf.constant(epochs), number[0]), number[1], num_streams
        ).map(lambda part: (number, part["document_id"]))
    )
    found = [[[] for _ in range(num_streams)] for _ in epochs]
    for (epoch, stream), document_id in parts.as_numpy_iterator():
        found[epoch][stream].append(int(document_id))
    return found


@pytest.mark.parametrize("num_streams", [1, 2, 3, 4])
def test_streams_share_the_files(files, num_streams):
    expected = [100 * number + i for number in range(4) for i in range(6)]
    for found in ids_of(documents_from_records(files), [0, 3], num_streams):
        assert sorted(itertools.chain(*found)) == expected
        # Whole files.
        assert {len({i // 100 for i in ids}) for ids in found} <= {1, 2, 4}
        assert all(len(ids) % 6 == 0 for ids in found)


@pytest.mark.parametrize("num_replicas", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_replicas_have_parts_of_the_same_batches(files, whole, tmp_path, num_replicas):
    parts = []
    for replica in range(num_replicas):
        options = {"batch_size": 8, "num_streams": 4}
        part = make(files, FULL, replica=(replica, num_replicas), **options)
        found, saved = run(part, 40, 10, tmp_path / f"{replica}")
        parts.append(found)
    for number, (batch, *shares) in enumerate(zip(whole, *parts, strict=True)):
        for name, values in batch.items():
            joined = np.concatenate([share[name] for share in shares])
            np.testing.assert_array_equal(joined, values, f"{name}, batch {number}")
    # And the iterator of one with its streams goes on, over the end of the epoch.
    iterator = iter(part)
    tf.train.Checkpoint(iterator=iterator).restore(saved).assert_consumed()
    again = [next(iterator) for _ in range(30)]
    assert_same(arrays(again), arrays(found[10:]))


def test_no_row_twice_in_an_epoch(whole):
    """Rows of one stream in one epoch are those of its files, whoever reads them."""
    # As long as none of the four is at its end. Two rows of each stream in a batch.
    ids = unmasked(arrays(whole[:4])).reshape(4, 4, 2, -1)
    documents = [
        set(pretraining_data.document_of(ids[:, stream, :, 1]).flatten().tolist())
        for stream in range(4)
    ]
    assert all(documents)
    for one, other in itertools.combinations(documents, 2):
        assert not one & other


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
    with pytest.raises(ValueError, match="Expected the same number of rows"):
        make(files, **arguments)


def test_the_order_of_parts_depends_on_the_epoch(files):
    documents = documents_from_records(files, shuffle_parts=6)
    (first,), (again,), (other,) = ids_of(documents, [0, 0, 1])
    assert first == again != other
    assert sorted(first) == sorted(other)


def test_as_fit_inputs(batches):
    batch = batches[0][0]
    inputs, labels, weights = pretraining.as_fit_inputs(batch)
    assert list(inputs) == [*features.MODEL_INPUTS, "mlm_positions"]
    assert all(inputs[name] is batch[name] for name in inputs)
    assert labels["mlm"] is batch["mlm_ids"]
    assert labels["sentence"] is batch["sentence_label"]
    assert weights["mlm"] is batch["mlm_weights"]
    assert weights["sentence"] is batch["row_weight"]
    assert set(labels) == set(weights) == {"mlm", "sentence"}


def test_errors(tmp_path, files):
    with pytest.raises(ValueError, match="no record files"):
        documents_from_records([])
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tfrecord"):
        documents_from_records(["nowhere.tfrecord"])
    empty = pretraining_data.write_records(str(tmp_path / "empty.tfrecord"), [])
    with pytest.raises(ValueError, match="not give a single row"):
        make([empty])
