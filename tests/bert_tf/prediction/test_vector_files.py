import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.prediction.text_vectors import TextVectors, Tokens
from bert_tf.prediction.vector_files import FORMATS, Layout, check_new, open_writer
from data_pipelines.datasets.examples import TextExample

PIECES = ("[CLS]", "[SEP]", "cat", "##s", "中")
OF_TOKENS = Layout(width=3, of_tokens=True, max_piece_characters=5)
OF_TEXTS = Layout(width=3, of_tokens=False, max_piece_characters=5)


def texts_of(layout, count=5, is_pair=False):
    generator = np.random.default_rng(0)
    for row in range(count):
        example = TextExample(str(row), f'"té\t{row}', "b" if is_pair else None, None)
        tokens, shape = None, (3,)
        if layout.of_tokens:
            shape = (row + 2, 3)
            starts = generator.integers(-1, 9, row + 2).astype(np.int32)
            names = [str(name) for name in generator.choice(PIECES, row + 2)]
            tokens = Tokens(names, starts, starts + 1)
        # Digits that a rounding would lose, and exponents.
        vectors = generator.normal(0, 1e-4, shape).astype(np.float32)
        yield TextVectors(row, example, vectors, tokens, 1, False, False)


def written(path, layout, **arguments):
    texts = list(texts_of(layout, **arguments))
    with open_writer(str(path), layout) as write:
        for text in texts:
            write(text)
    return texts


def assert_arrays(arrays, texts):
    offsets, tokens = arrays["offsets"], arrays["tokens"]
    assert offsets.dtype == np.int64 and arrays["vectors"].dtype == np.float32
    assert len(tokens) == len(arrays["vectors"]) == offsets[-1]
    for index, text in enumerate(texts):
        part = slice(offsets[index], offsets[index + 1])
        np.testing.assert_array_equal(arrays["vectors"][part], text.vectors)
        assert tokens["piece"][part].tolist() == text.tokens.pieces
        np.testing.assert_array_equal(tokens["start"][part], text.tokens.starts)
        np.testing.assert_array_equal(tokens["end"][part], text.tokens.ends)


def test_npy_of_texts(tmp_path):
    texts = written(tmp_path / "x.npy", OF_TEXTS)
    found = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, [text.vectors for text in texts])
    assert found.dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_npy_of_tokens(tmp_path):
    texts = written(tmp_path / "x.npy", OF_TOKENS)
    names = {"vectors": "x", "offsets": "x.offsets", "tokens": "x.tokens"}
    arrays = {
        name: np.load(tmp_path / f"{file}.npy", mmap_mode="r")
        for name, file in names.items()
    }
    assert_arrays(arrays, texts)
    assert len(list(tmp_path.iterdir())) == 3


def test_npy_without_texts(tmp_path):
    written(tmp_path / "x.npy", OF_TOKENS, count=0)
    assert np.load(tmp_path / "x.npy").shape == (0, 3)
    assert np.load(tmp_path / "x.offsets.npy").tolist() == [0]
    assert np.load(tmp_path / "x.tokens.npy").shape == (0,)


def test_npy_of_many_texts_has_a_whole_header(tmp_path):
    """The header is completed in place, whatever digits the number has."""
    text = next(texts_of(OF_TEXTS))
    with open_writer(str(tmp_path / "x.npy"), OF_TEXTS) as write:
        for _ in range(12_345):
            write(text)
    assert np.load(tmp_path / "x.npy", mmap_mode="r").shape == (12_345, 3)


@pytest.mark.parametrize("layout", [OF_TEXTS, OF_TOKENS])
@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_json_lines(tmp_path, layout, name):
    texts = written(tmp_path / name, layout, is_pair=True)
    data = (tmp_path / name).read_bytes()
    lines = (gzip.decompress(data) if name.endswith("gz") else data).splitlines()
    for text, line in zip(texts, lines, strict=True):
        found = json.loads(line)
        values = np.array(found.pop("vectors"), np.float32)
        np.testing.assert_array_equal(values, text.vectors)
        expected = {"id": text.row, "text": text.example.first, "second": "b"}
        if layout.of_tokens:
            expected["tokens"] = text.tokens.pieces
            expected["starts"] = text.tokens.starts.tolist()
            expected["ends"] = text.tokens.ends.tolist()
        assert found == expected


@pytest.mark.parametrize("layout", [OF_TEXTS, OF_TOKENS])
def test_tfrecord(tmp_path, layout):
    texts = written(tmp_path / "x.tfrecord", layout)
    ragged = tf.io.RaggedFeature
    features = {
        "id": tf.io.FixedLenFeature([], tf.int64),
        "text": tf.io.FixedLenFeature([], tf.string),
        "vectors": ragged(tf.float32),
        "shape": ragged(tf.int64),
    }
    if layout.of_tokens:
        names = {"tokens": tf.string, "starts": tf.int64, "ends": tf.int64}
        features |= {name: ragged(dtype) for name, dtype in names.items()}
    records = list(tf.data.TFRecordDataset(str(tmp_path / "x.tfrecord")))
    for text, record in zip(texts, records, strict=True):
        found = tf.io.parse_single_example(record, features)
        assert int(found["id"]) == text.row
        assert found["text"].numpy().decode() == text.example.first
        vectors = tf.reshape(found["vectors"], found["shape"])
        np.testing.assert_array_equal(vectors, text.vectors)
        if layout.of_tokens:
            pieces = [piece.decode() for piece in found["tokens"].numpy()]
            assert pieces == text.tokens.pieces
            np.testing.assert_array_equal(found["starts"], text.tokens.starts)
            np.testing.assert_array_equal(found["ends"], text.tokens.ends)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_failure_leaves_nothing(tmp_path, ending):
    path = str(tmp_path / f"x{ending}")
    with pytest.raises(KeyboardInterrupt), open_writer(path, OF_TOKENS) as write:
        for text in texts_of(OF_TOKENS):
            write(text)
        assert list(tmp_path.iterdir())
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "x.npy"
    with (
        pytest.raises(FileExistsError, match="the new output is kept as"),
        open_writer(str(path), OF_TOKENS),
    ):
        path.write_text("mine")
    assert path.read_text() == "mine"
    (kept,) = set(tmp_path.iterdir()) - {path}
    assert kept.is_dir() and (kept / "x.npy").exists()


def test_files_that_exist(tmp_path):
    (tmp_path / "x.offsets.npy").write_text("")
    path = str(tmp_path / "x.npy")
    check_new(path, of_tokens=False)
    with pytest.raises(FileExistsError, match=r"x.offsets.npy exists .* Nothing is"):
        check_new(path, of_tokens=True)


def test_names_that_tell_no_format():
    with pytest.raises(ValueError, match=r"'x.txt'.*\.npy.*\.jsonl\.gz"):
        check_new("x.txt", of_tokens=True)


def test_folders_that_do_not_exist(tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*none'.*create it"):
        check_new(str(tmp_path / "none" / "x.npy"), of_tokens=True)


def test_numpy_is_written_locally():
    with pytest.raises(ValueError, match="local file"):
        check_new("gs://bucket/x.npy", of_tokens=True)
