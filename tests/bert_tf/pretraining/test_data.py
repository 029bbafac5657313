"""The sentence task of a run: the one asked for, where the text allows it."""

import json

import pytest

from bert_tf.pretraining.data import Records, possible_sentences
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from tests.data_pipelines.pretraining.pretraining_data import LETTERS, text

ONE_SENTENCE = [
    f"The man number {chr(97 + n)} went to the old market." for n in range(24)
]
SEVERAL = [text(seed, 12) for seed in range(12)]


def records(folder, texts, **options):
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    options = RecordOptions(num_shards=1, **options)
    out = str(folder / "records")
    manifest = write_records([str(path)], LETTERS, out, options, num_processes=1)
    return Records(out, manifest, skip_corrupt=False)


def possible(records, task="next_sentence", is_chosen=False):
    return possible_sentences(records, LETTERS, RowOptions(64, task), is_chosen)


@pytest.mark.parametrize("task", ["next_sentence", "sentence_order"])
def test_documents_of_one_sentence_are_no_pairs(tmp_path, caplog, task):
    of_text = records(tmp_path, ONE_SENTENCE)
    assert possible(of_text, task) == "full_sentences"
    assert f"without the sentence task {task}: 24 of 24 sentence pairs" in caplog.text
    with pytest.raises(ValueError, match=rf"sentences={task}, but 24 of 24 .*Expected"):
        possible(of_text, task, is_chosen=True)
    assert possible(of_text, "full_sentences", is_chosen=True) == "full_sentences"


def test_documents_of_several_sentences_are(tmp_path, caplog):
    of_text = records(tmp_path, SEVERAL)
    assert possible(of_text) == possible(of_text, is_chosen=True) == "next_sentence"
    assert not caplog.text


def test_few_pairs_are_told(tmp_path, caplog):
    of_text = records(tmp_path, [*ONE_SENTENCE, *SEVERAL[:1]])
    assert possible(of_text, is_chosen=True) == "next_sentence"
    assert "sentences=next_sentence: 2" in caplog.text
    assert "--sentences=full_sentences may suit" in caplog.text


def test_a_single_document_has_no_other(tmp_path, caplog):
    of_text = records(tmp_path, [text(0, 200)])
    assert possible(of_text) == "full_sentences"
    assert "is a single document" in caplog.text
    with pytest.raises(ValueError, match="a single document"):
        possible(of_text, is_chosen=True)
    assert possible(of_text, "sentence_order", is_chosen=True) == "sentence_order"


def test_a_single_document_held_out_is_told(tmp_path, caplog):
    of_text = records(tmp_path, SEVERAL)
    of_text.manifest["heldout_counts"]["documents"] = 1
    assert possible(of_text) == "next_sentence"
    assert "Only one document is held out" in caplog.text
