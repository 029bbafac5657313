"""Sources without a model: what is there, and what is missing, in one line."""

import json

import pytest
import tensorflow as tf

from bert_tf import convert
from bert_tf.checkpoints import formats, google
from bert_tf.checkpoints.hugging_face import folder as hugging_face
from bert_tf.checkpoints.model_dir import Description
from bert_tf.convert import ConvertOptions
from tests.bert_tf.checkpoints.models import checkpoint_of

ENCODER = Description("pretraining", head={"mlm_head": False})
ZIP, PICKLE = b"PK\x03\x04rest", b"\x80\x02rest"
SAFETENSORS = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", SAFETENSORS, "it is only safetensors weights"),
        ("pytorch_model.bin", ZIP, "it is only PyTorch weights"),
        ("pytorch_model.bin", PICKLE, "it is only PyTorch weights"),
        ("model.pt", ZIP, "it is only PyTorch weights"),
        ("tf_model.h5", b"\x89HDF", "it is only Keras weights"),
        ("flax_model.msgpack", b"\x81", "it is only Flax weights"),
        ("model.onnx", b"\x08", "it is only an ONNX model"),
        ("model.Q4_K_M.gguf", b"GGUF", "it is only a quantised llama.cpp model"),
        ("model.tflite", b"\x1c", "it is only a TensorFlow Lite model"),
        ("frozen.pb", b"\x0a", "it is only a TensorFlow graph"),
        ("uncased_L-12_H-768_A-12.zip", ZIP, "it is only an archive, which must be"),
        ("model.tar.gz", b"\x1f\x8b\x08", "it is only an archive, which must be unp"),
        ("config.json", b"{}", "it is only a JSON file"),
    ],
)
def test_a_file_alone(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileNotFoundError, match="no model was recogn") as error:
        formats.recognise(str(tmp_path / name))
    text = str(error.value)
    assert message in text and "\n" not in text
    assert "config.json, the vocabulary (vocab.txt or tokenizer.json)" in text
    assert f"{tmp_path} contains {name}." in text
    assert "word2vec" not in text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "the folder is empty"),
        (
            {"model.safetensors": SAFETENSORS},
            "it contains model.safetensors (safetensors weights), but not config.json "
            "and the vocabulary (vocab.txt or tokenizer.json)",
        ),
        (
            {"pytorch_model.bin": ZIP, "vocab.txt": b"a\n"},
            "it contains pytorch_model.bin, vocab.txt (PyTorch weights), but not "
            "config.json. Expected",
        ),
        (
            {"pytorch_model.bin": ZIP, "vocab.txt": b"a", "bert_config.json": b"{}"},
            "Old PyTorch folders call the config bert_config.json: copy it",
        ),
        ({"tf_model.h5": b"\x89HDF", "vocab.txt": b"a"}, "(Keras weights), but not"),
        ({"model.onnx": b"\x08"}, "(an ONNX model), but not config.json"),
        (
            {
                "model.safetensors.index.json": b"{}",
                "model-00001-of-00002.safetensors": SAFETENSORS,
            },
            "(safetensors weights), but not config.json",
        ),
        (
            {
                "adapter_config.json": b'{"base_model_name_or_path": "bert-base"}',
                "adapter_model.safetensors": SAFETENSORS,
                "tokenizer.json": b"{}",
            },
            "it is a PEFT adapter, which needs its base model 'bert-base'",
        ),
        (
            {"vocab.txt": b"a", "README.md": b"a"},
            "it contains README.md, vocab.txt. Exp",
        ),
        (
            {"bert_config.json": b"{}", "vocab.txt": b"a"},
            "it contains bert_config.json, v",
        ),
    ],
)
def test_a_folder(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileNotFoundError, match="no model was recogn") as error:
        formats.recognise(str(tmp_path))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["bert-base-uncased", "google-bert/bert-base-cased"])
def test_a_name_on_the_hub(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no model was recogn") as error:
        formats.recognise(name)
    assert f"hf download {name} --local-dir" in str(error.value)


def test_models_one_level_deeper(tmp_path):
    checkpoint = checkpoint_of(ENCODER, tmp_path / "ours")
    for step in (500, 1000):
        hugging_face.write(checkpoint, str(tmp_path / "run" / f"checkpoint-{step}"))
    (tmp_path / "run" / "logs").mkdir()
    with pytest.raises(
        FileNotFoundError,
        match=r"Expected one of checkpoint-1000, checkpoint-500, for example "
        "--source=.*/checkpoint-1000",
    ):
        formats.recognise(str(tmp_path / "run"))


def test_a_checkpoint_of_a_trainer(tmp_path):
    """What it keeps for itself is no part of the model; the tokenizer may lack."""
    checkpoint = checkpoint_of(ENCODER, tmp_path / "ours")
    folder = tmp_path / "checkpoint-500"
    hugging_face.write(checkpoint, str(folder))
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (folder / name).write_bytes(ZIP)
    (folder / "trainer_state.json").write_text("{}")
    assert formats.read(str(folder))[1].weights.shapes == checkpoint.weights.shapes
    for name in ("vocab.txt", "tokenizer.json"):
        (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"contains neither vocab\.txt nor tok"):
        formats.read(str(folder))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"tf_model.h5": b"\x89HDF"},
            r"contains weights only in tf_model\.h5\. Expected",
        ),
        ({"model.onnx": b"", "x.gguf": b""}, r"weights only in model\.onnx, x\.gguf"),
        ({}, "contains no weights"),
        (
            {
                "model.safetensors.index.json": json.dumps(
                    {"weight_map": {"a": "model-1.safetensors", "b": "m-2.safetensors"}}
                ).encode(),
                "model-1.safetensors": SAFETENSORS,
            },
            r"lacks m-2\.safetensors of the 2 files of weights in its index",
        ),
        ({"model.safetensors.index.json": b"{}"}, "has no weight_map"),
        (
            {"model.safetensors": b"version https://git-lfs.github.com/spec/v1\noid"},
            r"Git LFS pointers in place of model\.safetensors\. .* run `git lfs pull`",
        ),
        (
            {"pytorch_model.bin": b"version https://git-lfs.github.com/spec/v1\noid"},
            r"Git LFS pointers in place of pytorch_model\.bin",
        ),
        ({"model.safetensors": b""}, r"model\.safetensors is not a safetensors file"),
    ],
)
def test_other_weights_beside_a_config(tmp_path, files, message):
    checkpoint = checkpoint_of(ENCODER, tmp_path / "ours")
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(folder))
    (folder / "model.safetensors").unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        convert.convert(
            ConvertOptions(source=str(folder), output_dir=str(tmp_path / "new"))
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", {"num_hidden_layers": "2"}),
        ("config.json", {"vocab_size": None}),
        ("config.json", {"architectures": 5}),
        ("tokenizer.json", {"model": None}),
        ("tokenizer.json", {"model": ["WordPiece"]}),
    ],
    ids=str,
)
def test_json_with_values_of_another_type(tmp_path, file, content):
    checkpoint = checkpoint_of(ENCODER, tmp_path / "ours")
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(folder))
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**values, **content}))
    with pytest.raises(ValueError, match=r"has an unexpected value|Expected"):
        formats.read(str(folder))


def test_quantised_weights(tmp_path):
    checkpoint = checkpoint_of(ENCODER, tmp_path / "ours")
    folder = tmp_path / "theirs"
    hugging_face.write(checkpoint, str(folder))
    values = json.loads((folder / "config.json").read_text())
    values["quantization_config"] = {"quant_method": "bitsandbytes"}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"'quantization_config': .*cannot compute"):
        formats.read(str(folder))


def test_another_saved_model(tmp_path):
    module = tf.Module()
    module.weight = tf.Variable([1.0, 2.0])
    tf.saved_model.save(module, str(tmp_path / "model"))
    with pytest.raises(ValueError, match="not those of Model Garden's BERT: it lacks"):
        formats.read(str(tmp_path / "model"))
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "saved_model.pb").write_bytes(b"\x0a")
    with pytest.raises(ValueError, match="variables is corrupt"):
        formats.read(str(tmp_path / "bare"))


def test_a_file_of_a_checkpoint_stands_for_all(tmp_path):
    checkpoint = checkpoint_of(Description("pretraining"), tmp_path / "ours")
    google.write(checkpoint, str(tmp_path / "google"))
    for ending in ("index", "data-00000-of-00001", "meta"):
        source = str(tmp_path / "google" / f"bert_model.ckpt.{ending}")
        name, found = formats.read(source)
        assert name == "google"
        assert found.weights.shapes == checkpoint.weights.shapes
