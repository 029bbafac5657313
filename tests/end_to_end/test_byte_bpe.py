"""Byte-level BPE from text to a model that is pre-trained, fine-tuned and served."""

import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import finetune, predict, pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.models import config
from bert_tf.serving import saved_model
from tests.bert_tf.serving.graphs import ops_of
from tests.end_to_end.corpus import ANIMALS, write_corpus
from tests.end_to_end.tasks import write_task

pytest.importorskip("tokenizers", reason="needs tokenizers, of requirements.txt")
pytestmark = [pytest.mark.slow, pytest.mark.long]

VOCAB_SIZE = 340


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("byte_bpe")
    config_file = folder / "config.json"
    sizes = config.preset(
        "tiny",
        VOCAB_SIZE,
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        norm_position="pre",
        position_embeddings="rotary",
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    config_file.write_text(sizes.to_json())
    pretrain.pretrain(
        pretrain.PretrainOptions(
            output_dir=str(folder / "model"),
            input_files=(write_corpus(folder / "text"),),
            tokenizer="byte_bpe",
            vocab_size=VOCAB_SIZE,
            config_file=str(config_file),
            sentences="full_sentences",
            masking_kind="whole_word",
            optimizer="adamw",
            learning_rate=5e-3,
            sequence_length=48,
            batch_size=16,
            num_train_steps=400,
            num_processes=1,
            holdout_fraction=0.1,
            eval_every=200,
        )
    )
    return str(folder / "model")


def answers(model: str, input_file: str, output: pathlib.Path, **options) -> list[dict]:
    predict.main(
        predict.PredictOptions(
            model_dir=model,
            input_file=input_file,
            output_file=str(output),
            **options,
        )
    )
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_what_is_written(pretrained):
    _, vocabulary, _ = model_dir.load_description(pretrained)
    assert vocabulary.merges and vocabulary.add_prefix_space
    assert "Ġgarden" in vocabulary
    assert vocabulary.kind == "byte_bpe" and not vocabulary.lower_case
    assert "Then the" in (pathlib.Path(pretrained) / "report.html").read_text()


def test_masks_are_filled(pretrained, tmp_path):
    texts = tmp_path / "texts"
    texts.write_text(
        "There the [MASK] found the bone. It ate the bone in the field.\n"
        "[MASK] ate the worm.\n"
        "no mask\n"
    )
    rows = answers(pretrained, str(texts), tmp_path / "answers.jsonl", top_k=3)
    assert rows[0]["tokens"][0][0] in {f" {animal}" for animal in ANIMALS}
    assert rows[1]["tokens"][0][0] == " It"
    assert rows[2]["tokens"] == []


def fine_tuned(pretrained: str, kind: str, folder: pathlib.Path):
    task = write_task(kind, folder / "files")
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=pretrained,
            output_dir=str(folder / "model"),
            kind=kind,
            train_file=task.train_file,
            dev_file=task.dev_file,
            learning_rate=5e-3,
            dropout=0.0,
            num_epochs=8.0,
            batch_size=16,
            **task.options,
        )
    )
    return task, metrics


_ASK = """
import json, sys
import tensorflow as tf
signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
with open(sys.argv[2]) as file:
    texts = json.load(file)
scores = signature(texts=tf.constant(texts))["probabilities"]
assert "tensorflow_text" not in sys.modules
print(json.dumps(scores.numpy().tolist()))
"""


def test_classification_here_and_served(pretrained, core_ops, tmp_path):
    task, metrics = fine_tuned(pretrained, "classification", tmp_path)
    assert metrics["accuracy"] > 0.9
    model = str(tmp_path / "model")
    with open(task.dev_file) as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    rows = answers(model, task.dev_file, tmp_path / "answers.jsonl")
    expected = [list(row["probabilities"].values()) for row in rows]

    path = saved_model.export(model, "bpe", saved_models_dir=str(tmp_path / "saved"))
    assert ops_of(path) <= core_ops
    assert (pathlib.Path(path) / "assets" / "merges.txt").exists()
    question = tmp_path / "question.json"
    question.write_text(json.dumps(texts))
    run = subprocess.run(
        [sys.executable, "-c", _ASK, path, str(question)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(json.loads(run.stdout), expected, atol=1e-5)


def test_tagging_here_and_served(pretrained, core_ops, tmp_path):
    task, metrics = fine_tuned(pretrained, "token_tagging", tmp_path)
    assert metrics["entity_f1"] > 0.9
    model = str(tmp_path / "model")
    rows = answers(model, task.dev_file, tmp_path / "answers.jsonl")
    path = saved_model.export(model, "bpe", saved_models_dir=str(tmp_path / "saved"))
    assert ops_of(path) <= core_ops
    signature = tf.saved_model.load(path).signatures["serving_default"]
    texts = [" ".join(row["words"]) for row in rows]
    found = signature(texts=tf.constant(texts))
    for row, tags in zip(rows, found["tags"].numpy(), strict=True):
        assert [tag.decode() for tag in tags if tag] == row["tags"]


def test_every_word_has_the_piece_of_its_animal(pretrained):
    """What begins a text and what stands within are the same pieces."""
    loaded = model_dir.load(pretrained)
    texts = [text for animal in ANIMALS for text in (animal, f"the {animal}")]
    ids = loaded.tokenizer.tokenize(tf.constant(texts)).to_list()
    for alone, within in zip(ids[::2], ids[1::2], strict=True):
        assert within[-len(alone) :] == alone
