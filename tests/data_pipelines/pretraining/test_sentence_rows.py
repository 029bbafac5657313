import itertools
import random

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.sentence_rows import sentence_rows
from tests.data_pipelines.pretraining import pretraining_data
from tests.reference.sentence_pairs import walk

VOCABULARY = pretraining_data.vocabulary(10)
SEP = VOCABULARY.sep_id


def make(group, seed=1, length=64, sentences="next_sentence", short=0.1):
    rows = sentence_rows(
        group,
        tf.constant([seed, 0], tf.int64),
        VOCABULARY,
        RowOptions(length, sentences),
        short_row_rate=short,
    )
    return {name: value.numpy() for name, value in rows.items()}


def segments(rows):
    """Python lists: first segment, second segment, label."""
    for token_ids, segment_ids, mask, label in zip(
        rows["token_ids"],
        rows["segment_ids"],
        rows["padding_mask"],
        rows["sentence_label"],
        strict=True,
    ):
        assert token_ids[0] == VOCABULARY.cls_id
        first = token_ids[mask & (segment_ids == 0)]
        second = token_ids[mask & (segment_ids == 1)]
        assert first[-1] == SEP
        assert second[-1] == SEP
        yield first[1:-1].tolist(), second[:-1].tolist(), int(label)


def is_run(tokens):
    return tokens == list(range(tokens[0], tokens[0] + len(tokens)))


def test_pairs_follow_or_come_from_another_document():
    documents = pretraining_data.documents(20)
    rows = make(pretraining_data.group(documents))
    count = 0
    for first, second, label in segments(rows):
        count += 1
        assert first
        assert second
        assert len(first) + len(second) <= 61
        # Neither segment leaves its document.
        assert is_run(first)
        assert is_run(second)
        same = pretraining_data.document_of(first[0]) == pretraining_data.document_of(
            second[0]
        )
        if label:
            assert not same
        else:
            assert same
            assert second[0] > first[-1]
            # Nothing between them but what was cut.
            if len(first) + len(second) < 61:
                assert second[0] == first[-1] + 1
    assert count > 200


def test_distribution_is_that_of_the_reference():
    documents = pretraining_data.documents(30, sentences=60, longest=40)
    group = pretraining_data.group(documents)
    ours = [row for seed in range(8) for row in segments(make(group, seed))]
    generator = random.Random(1)
    theirs = [row for _ in range(8) for row in walk(documents, 61, 0.1, generator)]

    def measures(rows):
        return {
            "length": np.array([len(a) + len(b) for a, b, _ in rows]),
            "first": np.array([len(a) for a, _, _ in rows]),
            "second": np.array([len(b) for _, b, _ in rows]),
            "label": np.array([label for _, _, label in rows]),
            "full": np.array([len(a) + len(b) == 61 for a, b, _ in rows]),
            # Where the documents are cut, by the place of the first token.
            "front": np.array(
                [(a[0] - 10) % pretraining_data.IDS_PER_DOCUMENT for a, _, _ in rows]
            ),
        }

    # Rows of an epoch, and with it the tokens that are used.
    assert abs(len(ours) / len(theirs) - 1) < 0.03
    ours, theirs = measures(ours), measures(theirs)
    for name in ours:
        a, b = ours[name].astype(float), theirs[name].astype(float)
        # Rows of one document depend on each other a little: 5 instead of 4 sigma.
        sigma = np.sqrt(a.var() / len(a) + b.var() / len(b))
        assert abs(a.mean() - b.mean()) < 5 * sigma, name
        quantiles = [0.1, 0.25, 0.5, 0.75, 0.9]
        difference = np.quantile(a, quantiles) - np.quantile(b, quantiles)
        assert np.abs(difference).max() <= max(2, 0.1 * b.std()), name


def test_truncation_takes_from_both_ends_evenly():
    # One sentence of 100 tokens, so that 20 go: Binomial(20, 1/2) at the front.
    document = [list(range(10, 110))]
    documents = [document, [list(range(2_510, 2_520))]]
    group = pretraining_data.group(documents)
    cuts = []

    @tf.autograph.experimental.do_not_convert
    def rows_of(seed, group):
        return sentence_rows(
            group, tf.stack([seed, 0]), VOCABULARY, RowOptions(93), short_row_rate=0.0
        )

    copies = tf.data.Dataset.from_tensors(group).repeat(100).enumerate()
    for rows in copies.map(rows_of):
        rows = {name: value.numpy() for name, value in rows.items()}
        for first, second, _ in segments(rows):
            if first[0] < 2_500:
                assert len(first) == 80
                assert len(second) == 10
                cuts.append(first[0] - 10)
    cuts = np.array(cuts)
    assert len(cuts) == 100
    assert abs(cuts.mean() - 10) < 4 * np.sqrt(5 / 100)
    assert 2 < cuts.var() < 9


def test_every_token_is_used_without_random_pairs():
    documents = pretraining_data.documents(5, longest=10)
    rows = make(
        pretraining_data.group(documents), sentences="sentence_order", length=70
    )
    used = {token for a, b, _ in segments(rows) for token in a + b}
    given = {token for document in documents for s in document for token in s}
    # Only what truncation takes is missing.
    assert len(used) > 0.9 * len(given)


def test_sentence_order_swaps_half():
    documents = pretraining_data.documents(60)
    rows = make(pretraining_data.group(documents), sentences="sentence_order")
    labels = []
    for first, second, label in segments(rows):
        labels.append(label)
        earlier, later = (second, first) if label else (first, second)
        assert earlier[-1] < later[0]
        assert pretraining_data.document_of(first[0]) == pretraining_data.document_of(
            second[0]
        )
    sigma = 0.5 / np.sqrt(len(labels))
    assert abs(np.mean(labels) - 0.5) < 4 * sigma


def test_one_document_alone_has_no_false_labels():
    documents = pretraining_data.documents(1, sentences=200)
    # Two parts of one document: still no other one.
    group = pretraining_data.group([documents[0][:100], documents[0][100:]], [3, 3])
    rows = make(group)
    assert not rows["sentence_label"].any()
    for first, second, _ in segments(rows):
        assert first[-1] < second[0]


def test_a_single_sentence_is_halved_and_a_single_token_left_out():
    group = pretraining_data.group([[[11, 12, 13]]])
    rows = list(segments(make(group)))
    assert rows == [([11], [12, 13], 0)]
    assert make(pretraining_data.group([[[11]]]))["token_ids"].shape == (0, 64)


def test_short_rows():
    documents = pretraining_data.documents(100, sentences=200, longest=6)
    group = pretraining_data.group(documents)

    def short_share(rate):
        lengths = make(group, short=rate)["padding_mask"].sum(axis=1)
        return (lengths < 40).mean()

    assert short_share(0.0) < 0.1
    assert short_share(1.0) > 0.6


def test_full_sentences_use_every_token_once():
    documents = pretraining_data.documents(10, sentences=20)
    documents[4] = [list(range(10_010, 10_210))]  # Longer than a row.
    rows = make(pretraining_data.group(documents), sentences="full_sentences")
    used = []
    for token_ids, mask in zip(rows["token_ids"], rows["padding_mask"], strict=True):
        tokens = token_ids[mask].tolist()
        assert tokens[0] == VOCABULARY.cls_id
        assert tokens[-1] == SEP
        assert tokens[-2] != SEP
        assert tokens[1] != SEP
        inner = tokens[1:-1]
        for here, there in itertools.pairwise(inner):
            # Text goes on, or one [SEP] stands between two documents.
            assert there == here + 1 or SEP in (here, there)
        used += [token for token in inner if token != SEP]
    assert used == [t for document in documents for s in document for t in s]
    assert not rows["segment_ids"].any()


def test_full_sentences_fill_the_rows():
    documents = pretraining_data.documents(10, sentences=20, longest=15)
    rows = make(pretraining_data.group(documents), sentences="full_sentences")
    # No next sentence, and [SEP] before it, would have fit.
    assert rows["padding_mask"].sum(axis=1)[:-1].min() >= 64 - 15


@pytest.mark.parametrize("kind", ["next_sentence", "sentence_order", "full_sentences"])
def test_same_seed_same_rows(kind):
    group = pretraining_data.group(pretraining_data.documents(8))
    first, again = make(group, 5, sentences=kind), make(group, 5, sentences=kind)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    if kind != "full_sentences":
        other = make(group, 6, sentences=kind)["token_ids"]
        assert not np.array_equal(first["token_ids"], other)


def test_a_group_without_sentences():
    empty = tf.RaggedTensor.from_row_splits(tf.zeros([0], tf.int32), [0])
    group = {
        "token_ids": empty,
        "sentence_lengths": empty,
        "document_id": tf.zeros([0], tf.int64),
    }
    for kind in ("next_sentence", "sentence_order", "full_sentences"):
        assert make(group, sentences=kind)["token_ids"].shape == (0, 64)


def test_errors():
    group = pretraining_data.group([[[11, 12]]])
    with pytest.raises(
        ValueError, match=r"sentences='next_sentences'. Expected one of"
    ):
        make(group, sentences="next_sentences")
    with pytest.raises(ValueError, match=r"sequence_length=4.*at least 5"):
        make(group, length=4)
