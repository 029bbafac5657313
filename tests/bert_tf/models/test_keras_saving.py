"""`.keras` files, configs and SavedModels of all models: equal to the bit."""

import importlib
import inspect
import json

import keras
import pytest
import tensorflow as tf

from bert_tf.models.serialization import CLASSES
from tests.bert_tf.keras_models import (
    ENCODERS,
    MODELS,
    assert_equal,
    batch_of,
    make_model,
    symbolic,
)


def in_functional(name):
    """The model between inputs and a layer of Keras."""
    batch = batch_of(name)
    inputs = symbolic(batch)
    outputs = make_model(name)(inputs)["sequence_output"]
    return keras.Model(inputs, keras.layers.Dense(3, name="top")(outputs[:, 0])), batch


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_loaded(name, tmp_path):
    model, batch = make_model(name), batch_of(name)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert type(loaded) is type(model)
    assert [v.path for v in loaded.weights] == [v.path for v in model.weights]
    assert_equal(loaded(batch), model(batch))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_functional_model_saved_and_loaded(name, tmp_path):
    model, batch = in_functional(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(loaded(batch), model(batch))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_equal(clone(batch), model(batch))


@pytest.mark.parametrize("name", MODELS)
def test_configs_are_json(name):
    model, batch = make_model(name), batch_of(name)
    config = json.loads(json.dumps(model.get_config()))
    for again in (type(model).from_config(config), keras.models.clone_model(model)):
        assert json.loads(json.dumps(again.get_config())) == config
        again.set_weights(model.get_weights())
        assert_equal(again(batch), model(batch))


@pytest.mark.parametrize("name", ["bert", "elmo pretrainer", "tagger"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_dtype_policies_are_saved(name, policy, tmp_path):
    model, batch = make_model(name, dtype=policy), batch_of(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.dtype_policy == model.dtype_policy
    inner = [layer.dtype_policy for layer in loaded._flatten_layers()]
    assert inner == [layer.dtype_policy for layer in model._flatten_layers()]
    assert_equal(loaded(batch), model(batch))


def test_a_frozen_encoder_stays_frozen(tmp_path):
    model = make_model("bert")
    model.trainable = False
    inputs = model.symbolic_inputs()
    outputs = keras.layers.Dense(2)(model(inputs)["pooled_output"])
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) == 2


def test_a_frozen_encoder_below_a_head_stays_frozen(tmp_path):
    model = make_model("classifier")
    model.encoder.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [v.path for v in loaded.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]


def test_an_encoder_with_the_embeddings_of_another(tmp_path):
    model, batch = make_model("electra pretrainer"), batch_of("electra")
    model.generator.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(loaded(batch), model.generator(batch))


# The function is optimized as a whole, for rows of any length, which changes the last
# bits.
def in_graph(model, batch):
    unknown = {
        name: tf.TensorSpec([None] * len(value.shape), value.dtype)
        for name, value in batch.items()
    }
    call = tf.function(
        lambda inputs: model(inputs), input_signature=[unknown], autograph=False
    )
    return call(batch)


def some_fast(names, fast):
    """Parameters of a test; a SavedModel takes seconds."""
    return [
        pytest.param(name, marks=[] if name in fast else pytest.mark.slow)
        for name in names
    ]


SERVED = [name for name in MODELS if "language" not in name]


@pytest.mark.parametrize("name", some_fast(SERVED, ["bert", "choice", "tagger"]))
def test_exported(name, tmp_path):
    model = make_model(name)
    batch = {key: batch_of(name)[key] for key in model.symbolic_inputs()}
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    expected = in_graph(model, batch)
    assert_equal(loaded.serve(batch), expected)
    answers = loaded.signatures["serving_default"](**batch)
    if isinstance(expected, dict):
        assert_equal(answers, expected)
    else:
        assert_equal(list(answers.values()), [expected])


@pytest.mark.parametrize("name", some_fast(SERVED, ["bert"]))
def test_saved_by_tensorflow(name, tmp_path):
    model = make_model(name)
    batch = {key: batch_of(name)[key] for key in model.symbolic_inputs()}
    tf.saved_model.save(model, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    expected = in_graph(model, batch)
    answers = loaded.signatures["serving_default"](**batch)
    expected = expected if isinstance(expected, dict) else {"output_0": expected}
    assert_equal(answers, expected)


@pytest.mark.slow
def test_a_functional_model_exported(tmp_path):
    model, batch = in_functional("bert")
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    assert_equal(loaded.serve(batch), in_graph(model, batch))
    tf.saved_model.save(model, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    # Keras numbers the inputs in the order of their names.
    names = ("inputs", "inputs_1", "inputs_2")
    inputs = dict(zip(names, (batch[key] for key in sorted(batch)), strict=True))
    (answer,) = loaded.signatures["serving_default"](**inputs).values()
    assert_equal(answer, in_graph(model, batch))


@pytest.mark.parametrize("name", some_fast(["bert", "elmo", "span_qa"], ["bert"]))
def test_an_archive_of_several_endpoints(name, tmp_path):
    model = make_model(name)
    batch = {key: batch_of(name)[key] for key in model.symbolic_inputs()}
    signature = [model.symbolic_inputs()]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("call", model.call, signature)
    archive.add_endpoint("model", model, signature)
    archive.write_out(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    expected = in_graph(model, batch)
    assert_equal(loaded.call(batch), expected)
    assert_equal(loaded.model(batch), expected)


def test_keras_finds_every_class():
    """All of our layers, models, optimizers and schedules with a public name."""
    kinds = (
        keras.layers.Layer,
        keras.optimizers.Optimizer,
        keras.optimizers.schedules.LearningRateSchedule,
    )
    bases = {"ConfiguredModel", "EncoderWithHead", "MomentOptimizer"}
    for module, names in CLASSES.items():
        content = vars(importlib.import_module(module))
        found = {
            name
            for name, value in content.items()
            if inspect.isclass(value)
            and issubclass(value, kinds)
            and value.__module__ == module
            and not name.startswith("_")
        }
        assert found - bases == set(names)
        for name in names:
            registered = keras.saving.get_registered_object(f"bert_tf>{name}")
            assert registered is content[name]
