"""Models compiled and trained by Keras; saved, they continue as if nothing happened."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from bert_tf.layers.norm import LayerNorm
from bert_tf.optim.layer_rates import LayerRates
from bert_tf.optim.optimizers import AdamW, Lamb
from bert_tf.optim.schedule import WarmupLinearDecay
from tests.bert_tf.keras_models import (
    ENCODERS,
    PRETRAINERS,
    assert_equal,
    batch_of,
    make_model,
    symbolic,
)
from tests.bert_tf.small_models import random_batch

OPTIMIZERS = {
    "adamw_bert": lambda: AdamW(WarmupLinearDecay(0.01, 10, 2)),
    "adamw": lambda: AdamW(0.01, bias_correction=True),
    "layer rates": lambda: AdamW(
        0.01, layer_rates=LayerRates(2, decay=0.5, unfreeze_every=1)
    ),
    "lamb": lambda: Lamb(WarmupLinearDecay(0.01, 10), weight_decay=0.02, beta_2=0.98),
    "keras": lambda: keras.optimizers.Adam(0.01),
}


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(name, optimizer, **arguments):
    """An encoder in a functional model, or a model of its own; inputs, and labels."""
    batch = batch_of(name)
    labels = random_batch()
    if name in ENCODERS:
        inputs = symbolic(batch)
        outputs = make_model(name)(inputs)
        vectors = outputs.get("pooled_output", outputs["sequence_output"][:, 0])
        model = keras.Model(inputs, keras.layers.Dense(3)(vectors))
        loss, y = cross_entropy(), labels["sentence_label"]
    else:
        model = make_model(name)
        y = dict.fromkeys(model(batch, training=True), labels["mlm_ids"])
        if "sentence" in y:
            y["sentence"] = labels["sentence_label"]
        loss = {key: cross_entropy() for key in y}
    model.compile(OPTIMIZERS[optimizer](), loss, **arguments)
    return model, batch, y


def trained(model, batch, y, steps):
    return [float(np.sum(model.train_on_batch(batch, y))) for _ in range(steps)]


CASES = [("bert", optimizer) for optimizer in OPTIMIZERS] + [
    pytest.param(name, "adamw", marks=pytest.mark.slow)
    for name in ("albert", "elmo", *PRETRAINERS)
    # The labels of its detector are drawn by the model: a loss of Keras has none.
    if name != "electra pretrainer"
]


@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_a_saved_model_continues_its_training(name, optimizer, tmp_path):
    model, *data = compiled(name, optimizer, run_eagerly=True)
    before = [v.numpy() for v in model.trainable_variables]
    trained(model, *data, steps=2)
    assert any(
        not np.array_equal(v, b)
        for v, b in zip(model.trainable_variables, before, strict=True)
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer)
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_equal(
        [v.numpy() for v in loaded.optimizer.variables],
        [v.numpy() for v in model.optimizer.variables],
    )
    losses = trained(model, *data, steps=3)
    assert trained(loaded, *data, steps=3) == losses
    for one, other in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("optimizer", ["adamw_bert", "keras"])
def test_fit(optimizer):
    model, batch, labels = compiled("bert", optimizer)
    # In order: Keras shuffles by a seed that no test sets.
    arguments = {"batch_size": 2, "epochs": 24, "verbose": 0, "shuffle": False}
    history = model.fit(batch, labels, **arguments).history
    assert history["loss"][-1] < history["loss"][0]
    scores = model.predict(batch, batch_size=2, verbose=0)
    np.testing.assert_allclose(scores, model(batch), atol=1e-5)


def test_fit_of_a_pretrainer_with_weights():
    model, batch, labels = compiled("bert pretrainer", "lamb")
    weights = {"mlm": random_batch()["mlm_weights"], "sentence": np.ones(4, "float32")}
    arguments = {"batch_size": 4, "epochs": 8, "verbose": 0}
    history = model.fit(batch, labels, sample_weight=weights, **arguments).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_config_of_an_optimizer_is_json(optimizer):
    made = OPTIMIZERS[optimizer]()
    config = json.loads(json.dumps(keras.optimizers.serialize(made)))
    again = keras.optimizers.deserialize(config)
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert keras.optimizers.get(config).get_config() == made.get_config()


_IN_A_NEW_PROCESS = """
import sys
import keras, bert_tf
assert not [name for name in sys.modules if name.startswith("bert_tf.layers")]
import numpy as np

folder, names = sys.argv[1], sys.argv[2:]
for name in names:
    model = keras.saving.load_model(f"{folder}/{name}.keras")
    data = np.load(f"{folder}/{name}.npz")
    batch = {k[2:]: v for k, v in data.items() if k.startswith("x/")}
    labels = {k[2:]: v for k, v in data.items() if k.startswith("y/")}
    labels = labels.get("", labels)
    losses = [float(np.sum(model.train_on_batch(batch, labels))) for _ in range(3)]
    np.testing.assert_array_equal(losses, data["losses"])
    for index, variable in enumerate(model.weights):
        np.testing.assert_array_equal(variable, data[f"after/{index}"], variable.path)
"""


@pytest.mark.long
@pytest.mark.slow
def test_a_new_process_continues_the_training(tmp_path):
    cases = {"bert": "layer rates", "bert pretrainer": "lamb", "elmo": "adamw_bert"}
    for name, optimizer in cases.items():
        model, batch, y = compiled(name, optimizer, run_eagerly=name == "elmo")
        trained(model, batch, y, steps=2)
        model.save(tmp_path / f"{name}.keras")
        losses = trained(model, batch, y, steps=3)
        y = y if isinstance(y, dict) else {"": y}
        np.savez(
            tmp_path / f"{name}.npz",
            losses=losses,
            **{f"x/{key}": value.numpy() for key, value in batch.items()},
            **{f"y/{key}": value.numpy() for key, value in y.items()},
            **{f"after/{i}": np.asarray(v) for i, v in enumerate(model.weights)},
        )
    _run(_IN_A_NEW_PROCESS, str(tmp_path), *cases)


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    [
        "import bert_tf, keras",
        "import bert_tf; import tensorflow as tf; tf.keras.layers; import keras",
        "import bert_tf, importlib.util as u; u.find_spec('keras'); import keras",
    ],
)
def test_classes_are_found_after_any_order_of_imports(imports):
    config = json.dumps(keras.saving.serialize_keras_object(LayerNorm(1e-6)))
    code = f"import json, sys; {imports}; print(keras.saving."
    code += "deserialize_keras_object(json.loads(sys.argv[1])).epsilon)"
    assert _run(code, config) == "1e-06\n"


def _run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
