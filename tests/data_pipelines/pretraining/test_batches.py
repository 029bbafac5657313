import hashlib
import itertools
from string import ascii_lowercase

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.pretraining import batches as pretraining
from data_pipelines.rows import features
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
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


def make(files, *, epochs=1, seed=1, batch_size=4, **options):
    keywords = {
        "sequence_length": 64,
        "parts_per_group": 8,
        "shuffle_rows": 32,
        "max_predictions": 10,
        **options,
    }
    return pretraining.training_batches(
        pretraining.documents_from_records(files, seed=seed, shuffle_parts=6),
        VOCABULARY,
        batch_size=batch_size,
        seed=seed,
        num_epochs=epochs,
        **keywords,
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
    arguments = {"epochs": None, "batch_size": 8, "num_streams": 4, "num_replicas": 2}
    iterator = iter(make(files, **arguments))
    for _ in range(50):
        next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(str(tmp_path / "saved"))
    expected = arrays([next(iterator) for _ in range(60)])
    iterator = iter(make(files, **arguments))
    tf.train.Checkpoint(iterator=iterator).restore(path).assert_consumed()
    assert_same(arrays([next(iterator) for _ in range(60)]), expected)


@pytest.mark.parametrize(
    "sentences, kind, length",
    [("sentence_order", "whole_word", 32), ("full_sentences", "span", 128)],
)
def test_the_same_records_make_rows_of_any_kind(files, sentences, kind, length):
    batch = next(
        iter(
            make(files, sentences=sentences, masking_kind=kind, sequence_length=length)
        )
    )
    assert batch["token_ids"].shape == (4, length)
    assert float(tf.reduce_sum(batch["mlm_weights"])) > 0


def test_evaluation_is_fixed_and_loses_no_row(files):
    documents = pretraining.documents_from_records(files, shuffle_parts=0)
    options = {"sequence_length": 64, "parts_per_group": 8, "max_predictions": 10}

    def evaluate(size):
        return arrays(
            pretraining.evaluation_batches(
                documents, VOCABULARY, batch_size=size, **options
            )
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
    documents = pretraining.documents_from_records(files)
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
        batches(replica=replica, num_replicas=num_replicas)
        for replica in range(num_replicas)
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
        {"batch_size": 8, "num_streams": 4, "num_replicas": 3},
    ],
)
def test_streams_that_do_not_fit(files, arguments):
    with pytest.raises(ValueError, match="Expected as many rows from each stream"):
        make(files, **arguments)


def test_the_order_of_parts_depends_on_the_epoch(files):
    parts = pretraining.documents_from_records(files, shuffle_parts=6)

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
        pretraining.documents_from_records([])
    with pytest.raises(FileNotFoundError, match=r"nowhere\.tfrecord"):
        pretraining.documents_from_records(["nowhere.tfrecord"])
    empty = pretraining_data.write_records(str(tmp_path / "empty.tfrecord"), [])
    with pytest.raises(ValueError, match="not a single row"):
        make([empty], epochs=None)


TEXT_VOCABULARY = Vocabulary(
    (*SPECIAL_TOKENS, ".", *ascii_lowercase, *(f"##{a}" for a in ascii_lowercase))
)


def text(seed, sentences):
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(sentences):
        words = [
            "".join(generator.choice(list("abcdefgh"), generator.integers(1, 5)))
            for _ in range(generator.integers(3, 9))
        ]
        made.append(" ".join(words).capitalize() + ".")
    return " ".join(made)


@pytest.mark.slow
def test_text_gives_the_rows_of_its_records(tmp_path):
    documents = [text(seed, 30 + 300 * (seed == 2)) for seed in range(6)]
    source = tmp_path / "source.txt"
    source.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    tokenizer = WordPieceTokenizer(TEXT_VOCABULARY)
    from_text = pretraining.documents_from_text(
        [str(source)], tokenizer, separator="blank_line"
    )

    records = str(tmp_path / "0.tfrecord")
    with tf.io.TFRecordWriter(records) as writer:
        for part in from_text(0, 0, 1):
            writer.write(
                features.part_to_example(
                    part["token_ids"].numpy(),
                    part["sentence_lengths"].numpy(),
                    part["document_id"].numpy(),
                )
            )
    from_records = pretraining.documents_from_records([records], shuffle_parts=0)
    first, second = (
        arrays(
            pretraining.training_batches(
                documents,
                TEXT_VOCABULARY,
                batch_size=3,
                sequence_length=64,
                seed=1,
                num_epochs=2,
            )
        )
        for documents in (from_text, from_records)
    )
    assert_same(first, second)
    assert first["sentence_label"].any()


def test_tokenize_documents_cuts_what_is_long(monkeypatch):
    monkeypatch.setattr(pretraining, "MAX_PART_SENTENCES", 3)
    monkeypatch.setattr(pretraining, "MAX_PART_TOKENS", 12)
    monkeypatch.setattr(pretraining, "MAX_SENTENCE_TOKENS", 5)
    tokenizer = WordPieceTokenizer(TEXT_VOCABULARY)
    long = "Ab cd. Ef. Gh. Ij. Kl. " + "Mn " * 6 + "."
    parts = pretraining.tokenize_documents(
        tf.constant([long, "", "Ab.", " \n "]),
        tf.constant([7, 8, 9, 10], tf.int64),
        tokenizer,
    )
    assert parts["document_id"].numpy()[-1] == 9
    assert set(parts["document_id"].numpy().tolist()) == {7, 9}
    assert parts["text"].numpy().tolist()[-1] == 2
    lengths = parts["sentence_lengths"].to_list()
    assert max(len(part) for part in lengths) <= 3
    assert max(length for part in lengths for length in part) == 5
    assert min(length for part in lengths for length in part) >= 1
    assert [sum(part) for part in lengths] == [
        len(part) for part in parts["token_ids"].to_list()
    ]
    whole = tokenizer.tokenize(tf.constant([long])).values.numpy().tolist()
    assert parts["token_ids"][:-1].values.numpy().tolist() == whole


def test_batches_of_text_lose_nothing(monkeypatch):
    monkeypatch.setattr(pretraining, "_CHUNK_CHARACTERS", 40)
    monkeypatch.setattr(pretraining, "_BATCH_CHARACTERS", 100)
    documents = [text(1, 20), "x" * 200, "", "é" * 10, text(1, 20)]
    batches = list(pretraining.batches_of_text(documents))
    entries = [entry for batch in batches for entry in batch]
    assert len(batches) > 3
    assert all(len(piece.decode()) <= 40 for piece, _, _ in entries)
    assert b"".join(piece for piece, _, _ in entries).decode() == "".join(documents)
    assert sum(begins for _, _, begins in entries) == 4
    # Copies have one id, others their own.
    assert len({document_id for _, document_id, _ in entries}) == 3
    # Cut between words where there are some.
    assert all(piece.endswith(b" ") for piece, _, _ in entries[:5])
