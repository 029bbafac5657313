"""Checkpoints of google-research/bert: a published one, and those of TF1's Saver."""

import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import google
from bert_tf.checkpoints.model_dir import Description
from tests.bert_tf.checkpoints.models import assert_same, checkpoint_of, our_model
from tests.reference import google_bert
from tests.shared import SHARED, needs_shared

TINY = SHARED / "tiny_tf1_checkpoint"
KINDS = {
    "pretraining": Description("pretraining", sentence_task="next_sentence"),
    "mlm": Description("pretraining"),
    "encoder": Description("pretraining", head={"mlm_head": False}),
    "classification": Description(
        "classification",
        head={"num_outputs": 3},
        encoding={"max_length": 24, "labels": ("0", "1", "2"), "stride": None},
    ),
    "span_qa": Description(
        "span_qa",
        encoding={"max_length": 24, "stride": 8, "max_question_length": 8},
    ),
}


def variables_of(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
    }


def batch(vocab_size, length, seed=0):
    generator = np.random.default_rng(seed)
    lengths = np.array([length, length - 4, 3])
    places = np.arange(length)[None, :]
    mask = (places < lengths[:, None]).astype("int32")
    return {
        "token_ids": generator.integers(5, vocab_size, mask.shape).astype("int32")
        * mask,
        "segment_ids": ((places > 3) * mask).astype("int32"),
        "padding_mask": mask,
        "mlm_positions": generator.integers(0, 3, (3, 2)).astype("int32"),
    }


def assert_equals_the_reference(model, variables, config):
    rows = batch(config["vocab_size"], 10)
    expected = google_bert.run(
        variables,
        config,
        rows["token_ids"],
        rows["segment_ids"],
        rows["padding_mask"],
        rows["mlm_positions"],
    )
    inputs = {name: tf.constant(value) for name, value in rows.items()}
    inputs["padding_mask"] = tf.cast(inputs["padding_mask"], tf.bool)
    encoded, logits = model.encoder(inputs), model(inputs)
    found = (
        encoded["sequence_output"],
        encoded["pooled_output"],
        logits["mlm"],
        logits["sentence"],
    )
    real = rows["padding_mask"].astype(bool)
    np.testing.assert_allclose(found[0].numpy()[real], expected[0][real], atol=1e-5)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@needs_shared
def test_a_published_checkpoint(tmp_path):
    checkpoint = google.read(str(TINY))
    config = json.loads((TINY / "bert_config.json").read_text())
    assert checkpoint.config.hidden_act == "gelu_tanh"
    assert checkpoint.description == KINDS["pretraining"]
    model = our_model(checkpoint, tmp_path / "model")
    variables = variables_of(TINY / "bert_model.ckpt")
    assert_equals_the_reference(model, variables, config)
    google.write(checkpoint, str(tmp_path / "google"))
    written = variables_of(tmp_path / "google" / "bert_model.ckpt")
    weights = {n: v for n, v in variables.items() if not re.search("adam|global", n)}
    assert written.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(written[name], value, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(tmp_path, kind):
    checkpoint = checkpoint_of(KINDS[kind], tmp_path / "ours")
    google.write(checkpoint, str(tmp_path / "google"))
    assert_same(google.read(str(tmp_path / "google")), checkpoint)
    if kind == "pretraining":
        config = json.loads((tmp_path / "google/bert_config.json").read_text())
        assert config["hidden_act"] == "gelu"
        model = our_model(checkpoint, tmp_path / "again")
        variables = variables_of(tmp_path / "google/bert_model.ckpt")
        assert_equals_the_reference(model, variables, config)


def test_parts_that_the_op_could_not_remove(tmp_path, monkeypatch):
    checkpoint = checkpoint_of(KINDS["pretraining"], tmp_path / "ours")
    merge = tf.raw_ops.MergeV2Checkpoints

    def merge_without_removing(checkpoint_prefixes, **arguments):
        indices = [pathlib.Path(f"{prefix}.index") for prefix in checkpoint_prefixes]
        contents = [index.read_bytes() for index in indices]
        merge(checkpoint_prefixes=checkpoint_prefixes, **arguments)
        for index, content in zip(indices, contents, strict=True):
            index.write_bytes(content)

    monkeypatch.setattr(tf.raw_ops, "MergeV2Checkpoints", merge_without_removing)
    google.write(checkpoint, str(tmp_path / "google"))
    assert_same(google.read(str(tmp_path / "google")), checkpoint)


def test_a_tf1_program_writes_and_restores(tmp_path):
    """Saver writes variables with Adam's slots; it restores what is written here."""
    checkpoint = checkpoint_of(KINDS["pretraining"], tmp_path / "ours")
    google.write(checkpoint, str(tmp_path / "first"))
    values = variables_of(tmp_path / "first" / "bert_model.ckpt")
    folder = tmp_path / "second"
    folder.mkdir()
    for name in ("bert_config.json", "vocab.txt"):
        (folder / name).write_bytes((tmp_path / "first" / name).read_bytes())
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        variables = {
            name: v1.get_variable(name, value.shape) for name, value in values.items()
        }
        for name, value in values.items():
            for slot in ("adam_m", "adam_v"):
                v1.get_variable(f"{name}/{slot}", value.shape)
        v1.get_variable("global_step", (), tf.int64, v1.zeros_initializer())
        session.run(v1.global_variables_initializer())
        v1.train.Saver(variables).restore(
            session, str(tmp_path / "first" / "bert_model.ckpt")
        )
        for name, variable in variables.items():
            np.testing.assert_array_equal(session.run(variable), values[name])
        v1.train.Saver().save(session, str(folder / "model.ckpt"), global_step=7)
    assert_same(google.read(str(folder)), checkpoint)
    assert_same(google.read(str(folder / "model.ckpt-7")), checkpoint)


def save_variables(prefix, values, **more):
    """As TF1's Saver has them, whatever made them."""
    values = {**values, **more}
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )


WEIGHT = "bert/encoder/layer_0/output/dense/kernel"


@pytest.mark.parametrize(
    "names",
    [
        (f"{WEIGHT}/adam_m", f"{WEIGHT}/adam_v", "global_step"),
        (f"{WEIGHT}/lamb_m", f"{WEIGHT}/lamb_v"),
        (f"{WEIGHT}/Adam", f"{WEIGHT}/Adam_1", "beta1_power", "beta2_power"),
        (f"{WEIGHT}/AdamWeightDecayOptimizer", f"{WEIGHT}/AdamWeightDecayOptimizer_1"),
        (f"{WEIGHT}/LAMBOptimizer", "cond/beta1_power", "beta2_power_1"),
        (f"{WEIGHT}/Momentum", "learning_rate", "current_learning_rate"),
        (f"{WEIGHT}/RMSProp", f"{WEIGHT}/RMSProp_1", f"{WEIGHT}/Adagrad"),
        (f"{WEIGHT}/vr", f"{WEIGHT}/vc", f"{WEIGHT}/Adafactor"),
        (f"{WEIGHT}_slot_vr", f"{WEIGHT}_slot_vc", f"{WEIGHT}_slot_m"),
        ("loss_scale", "good_steps", "current_loss_scale", "training/Adam/iterations"),
        (f"{WEIGHT}/ExponentialMovingAverage", f"{WEIGHT}/accum_grad/inner"),
    ],
    ids=lambda names: names[0].rpartition("/")[2],
)
def test_what_optimizers_keep_is_no_weight(tmp_path, names):
    checkpoint = checkpoint_of(KINDS["pretraining"], tmp_path / "ours")
    google.write(checkpoint, str(tmp_path / "google"))
    prefix = tmp_path / "google" / "bert_model.ckpt"
    save_variables(
        prefix, variables_of(prefix), **dict.fromkeys(names, np.zeros(3, np.float32))
    )
    assert_same(google.read(str(tmp_path / "google")), checkpoint)


def test_what_nobody_knows_is_named(tmp_path):
    google.write(
        checkpoint_of(KINDS["pretraining"], tmp_path / "ours"), str(tmp_path / "google")
    )
    prefix = tmp_path / "google" / "bert_model.ckpt"
    more = {"bert/adapter/kernel": np.zeros(3), "cls/temperature": np.float32(1)}
    save_variables(prefix, variables_of(prefix), **more)
    with pytest.raises(ValueError, match="extra bert/adapter/kernel; extra cls/temp"):
        google.read(str(tmp_path / "google"))


@pytest.fixture
def several(tmp_path):
    """Checkpoints of two steps, of which the earlier is that of the model."""
    checkpoint = checkpoint_of(KINDS["pretraining"], tmp_path / "ours")
    folder = tmp_path / "google"
    google.write(checkpoint, str(folder))
    values = variables_of(folder / "bert_model.ckpt")
    for file in folder.glob("bert_model.ckpt.*"):
        file.unlink()
    save_variables(folder / "model.ckpt-1000", values)
    later = {name: value + 1 for name, value in values.items()}
    save_variables(folder / "model.ckpt-2000", later)
    return checkpoint, folder


def test_several_checkpoints_are_asked_for_by_name(several):
    checkpoint, folder = several
    with pytest.raises(
        FileNotFoundError,
        match=r"contains the checkpoints model\.ckpt-1000, model\.ckpt-2000, and no "
        r"file `checkpoint` .* for example --source=.*/model\.ckpt-2000\.",
    ):
        google.read(str(folder))
    assert_same(google.read(str(folder / "model.ckpt-1000")), checkpoint)
    assert_same(google.read(str(folder / "model.ckpt-1000.index")), checkpoint)


@pytest.mark.parametrize("path", ["model.ckpt-1000", "/gone/run/model.ckpt-1000"])
def test_the_file_of_tensorflow_names_one(several, path, caplog):
    checkpoint, folder = several
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "{path}"\n'
        'all_model_checkpoint_paths: "model.ckpt-2000"\n'
    )
    assert_same(google.read(str(folder)), checkpoint)
    assert "contains 2 checkpoints; using model.ckpt-1000" in caplog.text


@pytest.mark.parametrize(
    "content", ['model_checkpoint_path: "model.ckpt-9"', "", "\xff not a proto"]
)
def test_the_file_of_tensorflow_names_none(several, content):
    _, folder = several
    (folder / "checkpoint").write_text(content)
    with pytest.raises(FileNotFoundError, match="and no file `checkpoint` that names"):
        google.read(str(folder))


def test_every_problem_is_named(tmp_path):
    checkpoint = checkpoint_of(KINDS["mlm"], tmp_path / "ours")
    folder = tmp_path / "google"
    google.write(checkpoint, str(folder))
    config = json.loads((folder / "bert_config.json").read_text())
    changed = {**config, "num_hidden_layers": 1, "max_position_embeddings": 9}
    (folder / "bert_config.json").write_text(json.dumps(changed))
    with pytest.raises(
        ValueError,
        match=r"extra bert/encoder/layer_1/.*position_embeddings has the shape "
        r"\(24, 16\), expected \(9, 16\)",
    ):
        google.read(str(folder))
    changed = {**config, "num_hidden_layers": 3}
    (folder / "bert_config.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="missing bert/encoder/layer_2/attention"):
        google.read(str(folder))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "gelu"}, "'hidden_act': 'gelu'"),
        ({"norm_position": "pre"}, "'norm_position': 'pre'"),
        ({"position_embeddings": "rotary"}, "'position_embeddings': 'rotary'"),
        ({"layer_norm_eps": 1e-5}, "'layer_norm_eps': 1e-05"),
    ],
)
def test_what_google_cannot_compute(tmp_path, changes, message):
    checkpoint = checkpoint_of(KINDS["mlm"], tmp_path / "ours", **changes)
    with pytest.raises(ValueError, match=message):
        google.write(checkpoint, str(tmp_path / "google"))
    assert not (tmp_path / "google").exists()


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere contains no checkpoint"):
        google.read(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="contains no checkpoint"):
        google.read(str(tmp_path))
