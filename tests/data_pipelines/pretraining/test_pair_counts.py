"""What pairs of sentences a text gives, counted in rows of made-up documents."""

import pytest

from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.pair_counts import count_pairs
from data_pipelines.pretraining.row_options import RowOptions
from tests.data_pipelines.pretraining import pretraining_data

VOCABULARY = pretraining_data.vocabulary(10)
ONE_SENTENCE = pretraining_data.documents(40, sentences=1, longest=8)
ORDINARY = pretraining_data.documents(10, sentences=40, longest=12)


def counted(folder, documents, task="next_sentence", length=64):
    path = pretraining_data.write_records(str(folder / "a.tfrecord"), documents)
    rows = RowOptions(length, task)
    return count_pairs(documents_from_records([path]), VOCABULARY, rows)


@pytest.mark.parametrize("task", ["next_sentence", "sentence_order"])
def test_documents_of_one_sentence(tmp_path, task):
    # A single token makes no row of two halves.
    documents = [d for d in ONE_SENTENCE if len(d[0]) > 1]
    counts = counted(tmp_path, documents, task)
    assert (counts.pairs, counts.single) == (len(documents), len(documents))
    assert counts.documents == len(documents)
    assert counts.is_impossible and counts.is_unfit
    kind = "is always random" if task == "next_sentence" else "two halves of it"
    share = f"{len(documents)} of {len(documents)} sentence pairs (100%)"
    assert share in counts.finding and kind in counts.finding


def test_ordinary_documents(tmp_path):
    counts = counted(tmp_path, ORDINARY)
    assert counts.documents == 10
    assert counts.single < counts.pairs / 3
    assert not counts.is_unfit
    assert counts.finding is None


def test_most_documents_of_one_sentence(tmp_path):
    ordinary = pretraining_data.documents(4, sentences=4, longest=12)
    counts = counted(tmp_path, [*ONE_SENTENCE, *ordinary])
    assert 40 <= counts.single < counts.pairs <= 56
    assert not counts.is_impossible
    assert counts.is_unfit
    half = counted(tmp_path, [*ONE_SENTENCE[:10], *ORDINARY[:1]])
    assert not half.is_unfit
    assert f"{half.single} of {half.pairs} sentence pairs" in half.finding


def test_a_single_document(tmp_path):
    counts = counted(tmp_path, ORDINARY[:1])
    assert counts.is_impossible
    assert "a single document" in counts.finding
    # Sentences have an order in one document too.
    assert counted(tmp_path, ORDINARY[:1], "sentence_order").finding is None


def test_sentences_that_fill_the_rows(tmp_path):
    """Text without ends of sentences, which is cut where a part ends."""
    documents = [[list(range(10, 522))] * 4 for _ in range(5)]
    counts = counted(tmp_path, documents)
    assert counts.single == counts.pairs
    assert "sentences fill rows of 64 tokens" in counts.finding


def test_rows_without_pairs(tmp_path):
    counts = counted(tmp_path, ONE_SENTENCE, "full_sentences")
    assert not counts.is_unfit
    assert counts.finding is None
