import io
import json
import sys

import numpy as np
import pytest

from bert_tf.checkpoints import model_dir
from bert_tf.extract_features import ExtractOptions, extract_features, read_texts
from data_pipelines.datasets.read_log import ReadLog
from tests.bert_tf.small_models import VOCABULARY, randomize, small_pretrainer

DESCRIPTION = model_dir.Description(kind="pretraining", sentence_task="next_sentence")
TEXTS = ("The cat sat.", "", "dogs", "to [MASK]" + " ran" * 30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    model = small_pretrainer(num_hidden_layers=1)
    randomize(model)
    model_dir.save(str(path), model, VOCABULARY, DESCRIPTION, {})
    return str(path)


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS))
    return str(path)


def options(folder, tmp_path, name, **arguments):
    path = str(tmp_path / name)
    return ExtractOptions(model_dir=folder, output_file=path, **arguments)


def texts_of(chosen):
    return list(read_texts(chosen, ReadLog("texts")))


def alone(folder, pieces):
    """The last layer's vectors of a row of pieces: float32 (pieces, hidden)."""
    ids = [VOCABULARY.id_of(piece) for piece in pieces]
    inputs = {
        "token_ids": np.array([ids]),
        "padding_mask": np.ones((1, len(ids)), bool),
    }
    return model_dir.load(folder).model.encoder(inputs)["sequence_output"][0].numpy()


def test_lines_to_vectors_of_texts(folder, tmp_path, lines, capsys, eager):
    arguments = {"input_file": lines, "vectors": "mean", "dtype": "bfloat16"}
    done = extract_features(options(folder, tmp_path, "x.npy", **arguments))
    assert (done.texts, done.empty, done.truncated, done.in_windows) == (4, 1, 1, 0)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert found.shape == (4, 16) and found.dtype == np.float32
    for row, pieces in ((0, "the cat sat ."), (1, ""), (2, "dog ##s")):
        mean = alone(folder, ["[CLS]", *pieces.split(), "[SEP]"]).mean(axis=0)
        # It was computed in bfloat16.
        np.testing.assert_allclose(found[row], mean, atol=0.05, err_msg=pieces)
    line = capsys.readouterr().out
    assert line.startswith("4 texts read and used, 0 skipped; 1 empty")
    assert "Wrote 4 vectors of 16 to" in line and line.count("\n") == 1


def test_lines_to_vectors_of_tokens(folder, tmp_path, lines):
    arguments = {"input_file": lines, "long_texts": "windows", "max_length": 8}
    done = extract_features(options(folder, tmp_path, "x.npy", **arguments))
    assert done.in_windows == 1 and not done.truncated
    offsets = np.load(tmp_path / "x.offsets.npy")
    pieces = np.load(tmp_path / "x.tokens.npy")["piece"]
    vectors = np.load(tmp_path / "x.npy")
    assert vectors.shape == (done.vectors, 16)
    assert offsets[-1] == done.vectors == len(pieces)
    rows = np.split(pieces, offsets[1:-1])
    assert [" ".join(row[1:-1]) for row in rows] == [
        *("the cat sat .", "", "dog ##s"),
        "to [UNK] [UNK] [UNK]" + " ran" * 30,
    ]
    for row, found in zip(rows[:3], np.split(vectors, offsets[1:-1]), strict=False):
        expected = alone(folder, row)
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=str(row))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,b\n"the, cat",on\nmat,\n'),
        ("a.tsv", "text\tb\nthe, cat\ton\nmat\t\n"),
        ("a.jsonl", '{"text": "the, cat", "b": "on"}\n{"text": "mat", "b": ""}\n'),
    ],
)
def test_tables(folder, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    arguments = {"input_file": str(tmp_path / name)}
    found = texts_of(options(folder, tmp_path, "x.npy", **arguments))
    assert [(e.id, e.first, e.second) for e in found] == [
        ("0", "the, cat", None),
        ("1", "mat", None),
    ]
    arguments |= {"text_column": "b", "second_column": "text"}
    found = texts_of(options(folder, tmp_path, "x.npy", **arguments))
    assert [(e.first, e.second) for e in found] == [("on", "the, cat"), ("", "mat")]


def test_pairs(folder, tmp_path, eager):
    (tmp_path / "a.csv").write_text("text,b\nthe cat ran,sat\n")
    arguments = {
        "input_file": str(tmp_path / "a.csv"),
        "second_column": "b",
        "max_length": 6,
        "features": "embeddings",
    }
    done = extract_features(options(folder, tmp_path, "x.jsonl", **arguments))
    row = json.loads((tmp_path / "x.jsonl").read_text())
    assert row["tokens"] == ["[CLS]", "the", "cat", "[SEP]", "sat", "[SEP]"]
    assert row["second"] == "sat" and done.truncated == 1


def test_how_a_table_is_read_is_said(folder, tmp_path, capsys, eager):
    (tmp_path / "a.csv").write_text("id;text\n1;the, cat\n")
    extract_features(
        options(
            folder, tmp_path, "x.npy", input_file=str(tmp_path / "a.csv"), vectors="cls"
        )
    )
    assert capsys.readouterr().err == (
        f"{tmp_path}/a.csv: the fields are separated by semicolons\n"
    )


def test_a_missing_column_leaves_nothing(folder, tmp_path):
    (tmp_path / "a.csv").write_text("sentence\nthe cat\n")
    arguments = {"input_file": str(tmp_path / "a.csv")}
    with pytest.raises(ValueError, match=r"no column 'text' but \['sentence'\]"):
        extract_features(options(folder, tmp_path, "x.npy", **arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"vectors": "pooled", "features": "1"}, "pooled with features='1'"),
        ({"second_column": "b"}, "without input_file"),
    ],
)
def test_options_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExtractOptions(model_dir="m", output_file="x.npy", **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 25}, "max_length=25. Expected 3 to 24"),
        ({"max_length": 4, "second_column": "b"}, "max_length=4. Expected 5 to 24"),
        ({"features": "3"}, "features='3'"),
    ],
)
def test_options_that_do_not_fit_the_model(folder, tmp_path, lines, arguments, message):
    arguments = {"input_file": lines, **arguments}
    with pytest.raises(ValueError, match=message):
        extract_features(options(folder, tmp_path, "x.npy", **arguments))
    assert [path.name for path in tmp_path.iterdir()] == ["lines.txt"]


def test_a_file_that_exists(folder, tmp_path, lines):
    arguments = {"input_file": lines, "vectors": "cls"}
    (tmp_path / "x.npy").write_text("mine")
    with pytest.raises(FileExistsError, match=r"x\.npy exists already"):
        extract_features(options("no model", tmp_path, "x.npy", **arguments))
    assert (tmp_path / "x.npy").read_text() == "mine"


class _Input:
    def __init__(self, data):
        self.buffer = io.BytesIO(data)


def test_standard_input(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", _Input(b"the cat\r\n\nd\xc3\xa9\n"))
    texts = texts_of(options(folder, tmp_path, "x.npy"))
    assert [text.first for text in texts] == ["the cat", "", "dé"]
    monkeypatch.setattr(sys, "stdin", _Input(b"the cat\nd\xe9\n"))
    with pytest.raises(ValueError, match=r"line 2: byte 2, .* is not UTF-8\. .*iconv"):
        texts_of(options(folder, tmp_path, "x.npy"))
    monkeypatch.setattr(sys, "stdin", _Input(b""))
    with pytest.raises(ValueError, match="Standard input is empty"):
        texts_of(options(folder, tmp_path, "x.npy"))
