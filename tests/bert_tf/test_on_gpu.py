"""What a GPU computes is what the CPU computes: `pytest -m gpu`, where there is one."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.serving import saved_model
from tests.bert_tf.serving.fine_tuned_models import (
    KIND_ARGUMENTS,
    TEXTS,
    examples_of,
    predictor_of,
    write_model,
)
from tests.bert_tf.small_models import (
    VOCABULARY,
    random_batch,
    randomize,
    small_pretrainer,
)
from tests.bert_tf.training.trainers import small_trainer, weights

pytestmark = pytest.mark.gpu

CPU, GPU = "CPU:0", "GPU:0"


@pytest.fixture(autouse=True)
def _whole_float32():
    """Products in float32 as on a CPU, not rounded to 19 bits first."""
    config = tf.config.experimental
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    yield
    config.enable_tensor_float_32_execution(before)


# Relative errors of a product's sums in another order, with the inputs rounded.
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [("float32", 1e-4), ("mixed_bfloat16", 0.05), ("mixed_float16", 0.02)],
)
@pytest.mark.parametrize("jit_compile", ["off", "auto", "on"])
def test_a_step_of_pretraining(dtype, tolerance, jit_compile):
    """The losses, with the same dropout masks, the gradients and the new weights."""
    arguments = {"dtype": dtype, "jit_compile": jit_compile}
    found = {}
    for device in (CPU, GPU):
        trainer = small_trainer(device=device, **arguments)
        assert device in trainer.model.trainable_variables[0].value.device
        with tf.device(device):
            metrics = trainer.train_step(random_batch())
        # A tenth of the gradients.
        moments = [
            np.asarray(variable).copy()
            for variable in trainer.optimizer.variables
            if "first_moment" in variable.path
        ]
        metrics = {name: float(value) for name, value in metrics.items()}
        found[device] = metrics, moments, weights(trainer)
    (expected, moments, moved), (metrics, others, ours) = found[CPU], found[GPU]
    assert metrics["finite"] == 1
    for name in ("loss", "mlm_loss", "sentence_loss", "gradient_norm"):
        assert metrics[name] == pytest.approx(expected[name], rel=tolerance), name
    for index, variable in enumerate(trainer.model.trainable_variables):
        one, other = others[index], moments[index]
        most = tolerance * np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=0, atol=most, err_msg=variable.path)
        # The first step of Adam is as long wherever the sign is certain.
        certain = np.abs(other) > 10 * most
        np.testing.assert_allclose(
            ours[index][certain],
            moved[index][certain],
            atol=1e-5,
            err_msg=variable.path,
        )


@pytest.mark.parametrize("kind", KIND_ARGUMENTS)
def test_answers_of_every_kind(tmp_path, kind):
    folder = write_model(tmp_path / "model", kind)
    examples, _ = examples_of(kind)
    answers = {}
    for device in (CPU, GPU):
        with tf.device(device):
            answers[device] = list(predictor_of(folder).answers(iter(examples)))
    for (example, one), (_, other) in zip(answers[GPU], answers[CPU], strict=True):
        found, expected = (
            tf.nest.flatten(dataclasses.asdict(answer)) for answer in (one, other)
        )
        for a, b in zip(found, expected, strict=True):
            if isinstance(b, float | np.floating | np.ndarray):
                np.testing.assert_allclose(a, b, atol=1e-4, err_msg=str(example))
            else:
                assert a == b, example


def write_pretrained(folder):
    model = small_pretrainer(sentence_head=False)
    randomize(model)
    description = model_dir.Description("pretraining")
    model_dir.save(str(folder), model, VOCABULARY, description, {})
    return str(folder)


@pytest.mark.parametrize(
    ("kind", "signatures"),
    [
        ("pretraining", ["fill_mask", "fill_mask_xla", "embed", "embed_xla"]),
        ("classification", ["classify_texts", "classify_texts_xla"]),
    ],
)
def test_a_saved_model(tmp_path, kind, signatures):
    write = write_pretrained if kind == "pretraining" else write_model
    arguments = () if kind == "pretraining" else (kind,)
    folder = write(tmp_path / "model", *arguments)
    path = saved_model.export(folder, kind, saved_models_dir=str(tmp_path / "saved"))
    texts = tf.constant([*TEXTS, "the [MASK] sat on a [MASK]"])
    answers = {}
    for device in (CPU, GPU):
        with tf.device(device):
            functions = tf.saved_model.load(path).signatures
            answers[device] = {
                f"{signature}: {name}": value.numpy()
                for signature in signatures
                for name, value in functions[signature](texts=texts).items()
            }
    for name, value in answers[CPU].items():
        found = answers[GPU][name]
        if value.dtype == "float32":
            np.testing.assert_allclose(found, value, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(found, value, err_msg=name)
