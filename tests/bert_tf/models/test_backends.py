"""The model on another Keras backend: the same outputs and gradients."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.models.masked_lm import PretrainingObjective
from tests.bert_tf.keras_models import batch_of, make_model
from tests.bert_tf.small_models import random_batch, randomize, small_pretrainer

_ON_JAX = """
import json, sys
import numpy as np
import jax
import keras
from bert_tf.models.config import BertConfig
from bert_tf.models.masked_lm import BertPretrainer, PretrainingObjective

assert keras.backend.backend() == "jax"
content = np.load(sys.argv[1])
model = BertPretrainer(BertConfig(**json.loads(sys.argv[2])), name="bert")
for variable in model.trainable_variables:
    variable.assign(content[variable.path])
batch = {name: content[name] for name in content.files if "/" not in name}

def loss(weights):
    others = model.non_trainable_variables
    outputs, _ = model.stateless_call(weights, others, batch, training=False)
    sums = PretrainingObjective().sums(outputs, batch)
    return sums["mlm_loss"] + sums["sentence_loss"], outputs

weights = [variable.value for variable in model.trainable_variables]
gradients, outputs = jax.grad(loss, has_aux=True)(weights)
names = [variable.path for variable in model.trainable_variables]
np.savez(sys.argv[3], **dict(zip(names, gradients)), **outputs)
"""


_PRE = {"norm_position": "pre", "hidden_act": "geglu"}
_ROTARY = {"position_embeddings": "rotary", "local_attention": 2, "biases": False}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        # ModernBERT, DeBERTa and MPNet.
        {**_PRE, **_ROTARY, "first_norm": False, "local_rotary_base": 1e3},
        {
            "position_embeddings": "relative",
            "relative_buckets": 6,
            "max_relative_distance": 16,
            "convolution_width": 3,
        },
        {"bias_buckets": 6, "type_vocab_size": 0},
    ],
    ids=["bert", "modernbert", "deberta", "mpnet"],
)
def test_jax_gives_the_outputs_and_gradients_of_tensorflow(tmp_path, changes):
    pytest.importorskip("jax", reason="needs jax, of the extra 'dev'")
    model = small_pretrainer(**changes)
    randomize(model)
    batch = random_batch()
    np.savez(
        tmp_path / "in.npz",
        **{v.path: np.asarray(v) for v in model.trainable_variables},
        **{name: np.asarray(value) for name, value in batch.items()},
    )
    _run_on_jax(
        _ON_JAX,
        str(tmp_path / "in.npz"),
        json.dumps(model.encoder.config.to_dict()),
        str(tmp_path / "out.npz"),
    )
    with tf.GradientTape() as tape:
        outputs = model(batch)
        sums = PretrainingObjective().sums(outputs, batch)
        loss = sums["mlm_loss"] + sums["sentence_loss"]
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])

    found = np.load(tmp_path / "out.npz")
    for name, value in outputs.items():
        np.testing.assert_allclose(found[name], value, atol=3e-5)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        expected = tf.convert_to_tensor(gradient).numpy()
        np.testing.assert_allclose(
            found[variable.path], expected, atol=1e-4, err_msg=variable.path
        )


_SAVED_ON_JAX = """
import sys
import bert_tf
import keras
import numpy as np

assert keras.backend.backend() == "jax"
model = keras.saving.load_model(sys.argv[1])
data = np.load(sys.argv[2])
batch = {name: data[name] for name in data.files if not name.startswith("out/")}
outputs = model(batch)
for name, value in outputs.items():
    np.testing.assert_allclose(value, data[f"out/{name}"], atol=3e-5)

inputs = model.symbolic_inputs()
functional = keras.Model(inputs, model(inputs))
functional.save(sys.argv[3])
again = keras.saving.load_model(sys.argv[3])
clone = keras.models.clone_model(functional)
clone.set_weights(functional.get_weights())
for other in (functional, again, clone):
    for name, value in other(batch).items():
        np.testing.assert_array_equal(value, outputs[name])
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert", "elmo", "modern pretrainer"])
def test_models_are_saved_and_loaded_on_jax(name, tmp_path):
    pytest.importorskip("jax", reason="needs jax, of the extra 'dev'")
    model, batch = make_model(name), batch_of(name)
    batch = {key: batch[key] for key in model.symbolic_inputs()}
    model.save(tmp_path / "model.keras")
    np.savez(
        tmp_path / "data.npz",
        **{key: value.numpy() for key, value in batch.items()},
        **{f"out/{key}": value.numpy() for key, value in model(batch).items()},
    )
    names = ("model.keras", "data.npz", "again.keras")
    _run_on_jax(_SAVED_ON_JAX, *(str(tmp_path / name) for name in names))


def _run_on_jax(code, *arguments):
    subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
