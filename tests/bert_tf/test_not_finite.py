"""Weights and answers that are NaN or infinite are told, by every way to a model."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy

from bert_tf import convert, evaluate, export, extract_features, neighbors, predict
from bert_tf.checkpoints import formats, model_dir
from bert_tf.checkpoints.foreign import encoder_only
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.prediction.answers import answer_texts
from bert_tf.prediction.predictor import Predictor
from bert_tf.serving.pretrained import TextModel
from bert_tf.serving.stored_weights import StoredWeights
from tests.bert_tf.serving.fine_tuned_models import (
    KIND_ARGUMENTS,
    examples_of,
    write_model,
    write_pretrained,
)

SCALE = "encoder/embeddings/norm/scale"
MESSAGE = (
    rf"{SCALE} in .*model\.safetensors has 2 of 16 values that are NaN or infinite\. "
    r"Expected finite numbers: restore"
)


def damage(folder, name=SCALE, value=np.nan, dtype=np.float32):
    """Two values of a tensor, in the file of a model folder."""
    path = f"{folder}/model.safetensors"
    weights = safetensors.numpy.load_file(path)
    weights[name] = weights[name].astype(dtype)
    weights[name].flat[:2] = value
    safetensors.numpy.save_file(weights, path, {"format": "pt"})


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    base = tmp_path_factory.mktemp("damaged")
    folder = write_pretrained(base / "pretrained")
    fine_tuned = write_model(base / "classifier", "classification")
    for path in (folder, fine_tuned):
        damage(path)
    text = base / "text.txt"
    text.write_text("the cat sat\nthe cat ran\n")
    table = base / "dev.csv"
    table.write_text("text,label\nthe cat,yes\n")
    return folder, fine_tuned, base


def _options(program, options, folder, base):
    known = {
        "model_dir": folder,
        "source": folder,
        "output_dir": str(base / "out"),
        "output_file": str(base / "out.jsonl"),
        "input_file": str(base / "text.txt"),
        "input_files": (str(base / "text.txt"),),
        "saved_models_dir": str(base / "saved"),
        "name": "x",
        "word": "cat",
    }
    names = {field.name for field in dataclasses.fields(program)}
    given = {name: value for name, value in known.items() if name in names}
    return program(**{**given, **options})


@pytest.mark.parametrize(
    ("verb", "options", "changes", "is_fine_tuned"),
    [
        (predict.main, predict.PredictOptions, {}, False),
        (predict.main, predict.PredictOptions, {}, True),
        (export.main, export.ExportOptions, {}, False),
        (export.main, export.ExportOptions, {"precision": "int8"}, True),
        (extract_features.extract_features, extract_features.ExtractOptions, {}, False),
        (neighbors.neighbors, neighbors.NeighborsOptions, {}, False),
        (convert.convert, convert.ConvertOptions, {}, False),
        (
            convert.convert,
            convert.ConvertOptions,
            {"output_format": "hugging_face"},
            True,
        ),
        (evaluate.evaluate, evaluate.EvaluateOptions, {"dev_file": "dev.csv"}, True),
    ],
    ids=lambda value: getattr(value, "__module__", None) or str(value),
)
def test_each_program_tells_it(damaged, verb, options, changes, is_fine_tuned):
    *folders, base = damaged
    if "dev_file" in changes:
        changes = {"dev_file": str(base / "dev.csv")}
    before = sorted(base.rglob("*"))
    with pytest.raises(ValueError, match=MESSAGE):
        verb(_options(options, changes, folders[is_fine_tuned], base))
    assert sorted(base.rglob("*")) == before


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(np.nan, np.float32), (-np.inf, np.float16), (1e300, np.float64)],
    ids=["NaN", "infinite", "too large"],
)
def test_weights_to_start_from(tmp_path, value, dtype):
    folder = write_pretrained(tmp_path / "model")
    damage(folder, value=value, dtype=dtype)
    for read in (model_dir.load, model_dir.load_encoder_weights):
        with pytest.raises(ValueError, match=MESSAGE):
            read(folder)
    # Heads are not read where only the encoder goes over.
    folder = write_pretrained(tmp_path / "other")
    damage(folder, "mlm_head/norm/scale")
    assert model_dir.load_encoder_weights(folder)


def test_a_model_that_diverged_is_not_written(tmp_path):
    loaded = model_dir.load(write_pretrained(tmp_path / "model"))
    loaded.model.encoder.embeddings.norm.weights[0].assign(np.full(16, np.inf))
    with pytest.raises(ValueError, match=f"{SCALE} in the model .* 16 of 16 values"):
        model_dir.save(
            str(tmp_path / "out"),
            loaded.model,
            loaded.vocabulary,
            loaded.description,
            {},
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("output_format", "name"),
    [
        ("hugging_face", "bert.embeddings.LayerNorm.weight"),
        ("google", "bert/embeddings/LayerNorm/gamma"),
        ("keras_hub", "embeddings_layer_norm/gamma"),
    ],
)
def test_models_of_other_formats(tmp_path, output_format, name):
    checkpoint = encoder_only(model_dir.read(write_pretrained(tmp_path / "model")))
    sound = checkpoint.weights

    def read(name):
        return sound.read(name) * (np.nan if name == SCALE else 1)

    broken = dataclasses.replace(checkpoint, weights=Tensors(sound.shapes, read))
    write = formats.FORMATS[output_format].write
    assert write is not None
    source, output_dir = str(tmp_path / "theirs"), str(tmp_path / "ours")
    write(broken, source)
    options = convert.ConvertOptions(source=source, output_dir=output_dir)
    with pytest.raises(ValueError, match=f"{name} in .*theirs.* 16 of 16 values"):
        convert.convert(options)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("kind", KIND_ARGUMENTS)
def test_outputs_of_each_kind(tmp_path, eager, kind):
    loaded = model_dir.load(write_model(tmp_path / "model", kind))
    examples, _ = examples_of(kind)
    for variable in loaded.model.encoder.embeddings.norm.weights:
        variable.assign(np.full(16, 3e38))
    predictor = Predictor.of(loaded, 3)
    with pytest.raises(ValueError, match=r"for the example .* are NaN or infinite"):
        list(predictor.answers(examples))


@pytest.mark.parametrize("signature", ["fill_mask", "embed"])
def test_answers_of_a_pretrained_model(tmp_path, eager, signature):
    loaded = model_dir.load(write_pretrained(tmp_path / "model"))
    for variable in loaded.model.encoder.embeddings.norm.weights:
        variable.assign(np.full(16, 3e38))
    text_model = TextModel(loaded.model, loaded.tokenizer)
    answers = answer_texts(
        text_model.signatures(), signature, ["the cat", "the [MASK]"]
    )
    with pytest.raises(ValueError, match=r"The answer \w+ of text \d \(from 0\) has"):
        list(answers)


def test_one_text_overflows(tmp_path, eager):
    loaded = model_dir.load(write_model(tmp_path / "model", "classification"))
    table = loaded.model.encoder.embeddings.token_table
    values = np.array(table)
    values[loaded.vocabulary.id_of("dog")] = 3e38
    table.assign(values)
    examples, _ = examples_of("classification", ("the cat", "home", "dog", "cat"))
    examples = [
        dataclasses.replace(example, id=str(number))
        for number, example in enumerate(examples)
    ]
    with pytest.raises(ValueError, match="for the example '2' are"):
        list(Predictor.of(loaded, 64).answers(examples))


def test_weights_too_large_for_bfloat16(tmp_path):
    loaded = model_dir.load(write_pretrained(tmp_path / "model"))
    loaded.model.encoder.embeddings.norm.weights[0].assign(np.full(16, 3.4e38))
    message = "In bfloat16 .*norm/scale has 16 of 16 values .* --precision=float32"
    with pytest.raises(ValueError, match=message):
        StoredWeights(loaded.model, "bfloat16")
    StoredWeights(loaded.model, "float32")
