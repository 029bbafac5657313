"""Pre-training that starts from a model: ours, another format's, an encoder alone."""

import dataclasses
import json
import math
import signal

import numpy as np
import pytest

from bert_tf import pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.model_dir import Description
from bert_tf.models.config import BertConfig
from bert_tf.training.optimizer_state import read_optimizer
from bert_tf.training.run_log import read_metrics
from data_pipelines.tokenizers.vocabulary import Vocabulary
from tests.bert_tf.small_models import randomize
from tests.end_to_end.pretraining_runs import (
    assert_same_weights,
    command,
    curve,
    finish,
    options,
    run_until,
    weights,
)

FROM_THE_MODEL = {"vocab_file": None, "config_file": None}


@pytest.fixture(scope="module")
def first_run(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first") / "model"
    pretrain.pretrain(options(prepared, folder))
    return folder


def modern_folder(prepared, folder):
    """A random model in the format of ModernBERT."""
    vocabulary = Vocabulary.from_file(prepared.vocab_file)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_act="geglu",
        type_vocab_size=0,
        norm_position="pre",
        first_norm=False,
        biases=False,
        position_embeddings="rotary",
        local_attention=4,
        head_transform=True,
        text_pooling="first",
        pooler=False,
    )
    model = model_dir.make_model(config, Description("pretraining"))
    randomize(model)
    model_dir.save(
        str(folder / "ours"), model, vocabulary, Description("pretraining"), {}
    )
    hugging_face.write(model_dir.read(str(folder / "ours")), str(folder / "theirs"))
    return folder / "theirs"


def test_it_begins_with_the_weights_of_the_model(prepared, first_run, tmp_path):
    """At a rate of nearly 0 nothing moves."""
    output_dir = tmp_path / "further"
    changes = {"learning_rate": 1e-12, "num_train_steps": 2, "num_warmup_steps": 0}
    run = options(
        prepared,
        output_dir,
        initial_model_dir=str(first_run),
        **FROM_THE_MODEL,
        **changes,
    )
    pretrain.pretrain(run)
    assert_same_weights(first_run, output_dir, atol=1e-7)
    one, other = (model_dir.load_description(str(f)) for f in (first_run, output_dir))
    assert one == other
    values = json.loads((output_dir / model_dir.OPTIONS).read_text())
    assert values["initial_model_dir"] == str(first_run)
    # Those of the model.
    assert values["objective"] is None and values["sentences"] is None
    # The same command again finds the finished model.
    pretrain.pretrain(run)


def test_a_model_of_another_format(prepared, tmp_path, capfd):
    source = modern_folder(prepared, tmp_path)
    output_dir = tmp_path / "further"
    pretrain.pretrain(
        options(
            prepared,
            output_dir,
            initial_model_dir=str(source),
            num_train_steps=30,
            eval_every=15,
            **FROM_THE_MODEL,
        )
    )
    assert "a new one" not in capfd.readouterr().out
    config, vocabulary, description = model_dir.load_description(str(output_dir))
    expected = hugging_face.read(str(source))
    assert config == expected.config and vocabulary == expected.vocabulary
    assert description.sentence_task is None
    records = read_metrics(str(output_dir / "metrics.jsonl"))
    heldout = [r["mlm_loss"] for r in records if r["split"] == "heldout"]
    assert heldout[-1] < heldout[0]
    # And it is given back.
    hugging_face.write(model_dir.read(str(output_dir)), str(tmp_path / "back"))
    theirs = json.loads((tmp_path / "back" / "config.json").read_text())
    assert theirs["model_type"] == "modernbert"


def test_heads_that_the_model_lacks_are_new(prepared, first_run, tmp_path, capfd):
    loaded = model_dir.read(str(first_run))
    names = [n for n in loaded.weights.shapes if n.startswith("encoder/")]
    names = [n for n in names if "pooler" not in n]
    encoder = dataclasses.replace(
        loaded,
        config=dataclasses.replace(loaded.config, pooler=False),
        description=Description("pretraining", head={"mlm_head": False}),
        weights=loaded.weights.renamed({name: name for name in names}),
    )
    model_dir.write(encoder, str(tmp_path / "encoder"))
    for sentences, expected in (
        (None, ["head for masked tokens"]),
        (
            "next_sentence",
            ["pooler", "head for masked tokens", "head for pairs of sentences"],
        ),
    ):
        output_dir = tmp_path / f"further_{sentences}"
        pretrain.pretrain(
            options(
                prepared,
                output_dir,
                initial_model_dir=str(tmp_path / "encoder"),
                num_train_steps=3,
                num_warmup_steps=0,
                sentences=sentences,
                **FROM_THE_MODEL,
            )
        )
        printed = capfd.readouterr().out
        lines = [line for line in printed.splitlines() if "has no" in line]
        assert len(lines) == len(expected)
        for line, part in zip(lines, expected, strict=True):
            assert line.endswith(f"has no {part}: a new one is randomly initialized.")
        description = model_dir.load_description(str(output_dir))[2]
        assert description.has_mlm_head and description.sentence_task == sentences


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": "next_token", "sentences": "full_sentences"},
            "whose objective is masked_lm. Expected the same",
        ),
        ({"lower_case": False}, "whose vocabulary has lower_case=True"),
        ({"vocab_file": "other.txt"}, r"and is another one\. Expected the vocabulary"),
        ({"sequence_length": 65}, "Expected at most 64, the positions of the model"),
    ],
)
def test_options_that_the_model_does_not_have(
    prepared, first_run, tmp_path, monkeypatch, changes, message
):
    monkeypatch.chdir(tmp_path)
    tokens = Vocabulary.from_file(prepared.vocab_file).tokens
    (tmp_path / "other.txt").write_text("\n".join([*tokens[:-1], "other"]) + "\n")
    run = options(
        prepared,
        tmp_path / "further",
        **{**FROM_THE_MODEL, "initial_model_dir": str(first_run), **changes},
    )
    with pytest.raises(ValueError, match=message):
        pretrain.pretrain(run)
    assert not (tmp_path / "further").exists()


@pytest.mark.parametrize("name", ["config_file", "token_vectors"])
def test_options_that_exclude_each_other(prepared, tmp_path, name):
    changes = {**FROM_THE_MODEL, name: "file", "initial_model_dir": "model"}
    with pytest.raises(ValueError, match=f"Received {name} and initial_model_dir"):
        options(prepared, tmp_path, **changes)


def test_no_model(prepared, tmp_path):
    run = options(
        prepared, tmp_path / "new", initial_model_dir="nowhere", **FROM_THE_MODEL
    )
    with pytest.raises(FileNotFoundError, match="no model was recognised"):
        pretrain.pretrain(run)
    assert not (tmp_path / "new").exists()


CONSTANT = {"schedule": "constant", "num_cooldown_steps": 8}


@pytest.mark.long
@pytest.mark.slow
def test_a_run_is_continued_from_the_step_before_its_cool_down(prepared, tmp_path):
    first = tmp_path / "first"
    pretrain.pretrain(options(prepared, first, **CONSTANT))
    rates = [r["learning_rate"] for r in records_of(first)]
    assert rates[2:13] == pytest.approx([1e-3] * 11)
    assert rates[-1] == pytest.approx(1e-3 / 8)
    before = first / "before_cooldown"
    second = tmp_path / "second"
    more = {**FROM_THE_MODEL, "num_warmup_steps": None, "num_cooldown_steps": 4}
    run = options(
        prepared,
        second,
        initial_model_dir=str(before),
        continue_optimizer=True,
        **{**CONSTANT, **more},
    )
    pretrain.pretrain(run)
    rates = [r["learning_rate"] for r in records_of(second)]
    assert rates[:16] == pytest.approx([1e-3] * 16)
    # The first step is that of the optimizer: without its moments it would be as long
    # as the rate in every weight.
    assert not np.array_equal(
        *(weights(folder)["mlm_head/output_bias"] for folder in (before, second))
    )
    for folder, expected in ((before, 12), (second / "before_cooldown", 28)):
        state = read_optimizer(str(folder))
        assert state.num_steps == expected
        assert all(
            math.isfinite(state.moments.read(name).sum())
            for name in state.moments.shapes
        )
    # Without the file, one line.
    (before / "optimizer.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no optimizer\.safetensors"):
        pretrain.pretrain(dataclasses.replace(run, output_dir=str(tmp_path / "third")))


@pytest.mark.slow
@pytest.mark.long
def test_stopped_runs_end_as_an_undisturbed_one(prepared, first_run, tmp_path):
    def further(name):
        return options(
            prepared,
            tmp_path / name,
            initial_model_dir=str(first_run),
            **FROM_THE_MODEL,
            **CONSTANT,
        )

    pretrain.pretrain(further("undisturbed"))
    stopped = command(further("stopped"))
    run_until(stopped, tmp_path / "stopped", 7, signal.SIGTERM)
    finish(stopped)
    assert_same_weights(tmp_path / "undisturbed", tmp_path / "stopped")
    assert curve(tmp_path / "undisturbed") == curve(tmp_path / "stopped")


def records_of(folder):
    records = read_metrics(str(folder / "metrics.jsonl"))
    return [record for record in records if record["split"] == "train"]
