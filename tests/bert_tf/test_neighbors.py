"""Neighbours of words, and of their occurrences."""

import numpy as np
import pytest

from bert_tf import neighbors
from bert_tf.checkpoints import model_dir
from bert_tf.neighbors import NeighborsOptions, Points
from bert_tf.prediction.text_vectors import TextVectorizer
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.whole_texts import WholeTextEncoding
from tests.bert_tf.small_models import VOCABULARY, randomize, small_pretrainer

models = pytest.importorskip(
    "gensim", reason="the extra word_vectors is not installed"
).models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("neighbors") / "model")
    model = small_pretrainer(num_hidden_layers=1)
    randomize(model)
    description = model_dir.Description("pretraining", "next_sentence")
    model_dir.save(path, model, VOCABULARY, description, {})
    return path


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(
        "The cat sat on the mat. A dog ran.\nThe Cats ran home. The dog, a cat. "
        "The cat sat on the mat. Concatenate! On the mat a CAT sat."
    )
    return str(path)


def test_nearest_by_hand():
    angles = np.array([0.0, 0.1, 1.0, 3.0])
    points = Points(list("abcd"), np.stack([np.cos(angles), np.sin(angles)], 1))
    assert [label for label, _ in points.nearest(0, 9)] == ["b", "c", "d"]
    assert points.nearest(3, 1)[0] == ("c", pytest.approx(np.cos(2.0)))


def test_a_vector_of_length_0_is_near_to_none():
    points = Points.of(list("abc"), [np.ones(2), np.zeros(2), -np.ones(2)])
    assert points.nearest(0, 2) == [("b", 0.0), ("c", pytest.approx(-1.0))]


def test_a_word_whose_vector_has_length_0(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("3 2\na 0 0\nb 1 0\nc 0 1\n")
    points = neighbors.words_around(str(path), "a", 2)
    assert np.isfinite(points.vectors).all()


def test_sentences_that_have_the_word(text):
    assert list(neighbors.sentences_with("cat", [text])) == [
        "The cat sat on the mat.",
        "The dog, a cat.",
        "On the mat a CAT sat.",
    ]


def test_occurrences_are_means_over_the_pieces(folder, eager):
    loaded = model_dir.load(folder)
    vectorizer = TextVectorizer(
        loaded.model.encoder,
        WholeTextEncoding(loaded.tokenizer, 24, in_windows=False),
        "tokens",
    )
    sentences = ["a dogs ran", "the cat", "on dogs", "cat " * 30 + "dogs"]
    vectors = list(
        vectorizer.vectorize(TextExample("", s, None, None) for s in sentences)
    )
    points = neighbors.occurrences("dogs", vectors)
    # Of the last, the word was cut off.
    assert points.labels == ["a [dogs] ran", "on [dogs]"]
    assert vectors[0].tokens.pieces == ["[CLS]", "a", "dog", "##s", "ran", "[SEP]"]
    mean = vectors[0].vectors[2:4].mean(axis=0)
    np.testing.assert_allclose(points.vectors[0], mean / np.linalg.norm(mean))
    with pytest.raises(ValueError, match="1 sentences have the word 'cat'"):
        neighbors.occurrences("cat", vectors[:2])


def test_in_context(folder, text, tmp_path, capsys, eager):
    output_dir = tmp_path / "out"
    options = NeighborsOptions(
        word="cat",
        model_dir=folder,
        input_files=(text,),
        num_sentences=2,
        num_neighbors=1,
        output_dir=str(output_dir),
    )
    neighbors.neighbors(options)
    # The projector's files have all occurrences, and so say which is nearest.
    table = np.loadtxt(output_dir / "vectors.tsv", delimiter="\t")
    labels = (output_dir / "labels.tsv").read_text().splitlines()
    assert labels == [
        "The [cat] sat on the mat.",
        "The dog, a [cat].",
        "On the mat a [CAT] sat.",
    ]
    cosines = table @ table.T
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-4)
    expected = []
    for shown, others in ((0, [1, 2]), (2, [0, 1])):
        best = max(others, key=lambda other: cosines[shown, other])
        nearest = f"    {cosines[shown, best]:.3f}  {labels[best]}"
        expected += [labels[shown], nearest]
    assert capsys.readouterr().out.splitlines()[:4] == expected
    assert (output_dir / "projection.png").read_bytes()[:4] == b"\x89PNG"
    assert table.shape == (3, 16)
    with pytest.raises(FileExistsError, match="exists already"):
        neighbors.neighbors(options)


def test_static_vectors(tmp_path, capsys):
    vectors = models.KeyedVectors(2)
    vectors.add_vectors(["a", "b", "c"], np.array([[1, 0], [1, 0.1], [0, 1]], "f4"))
    path = str(tmp_path / "words.txt")
    vectors.save_word2vec_format(path)
    neighbors.neighbors(NeighborsOptions(word="A", vectors_file=path, num_neighbors=2))
    assert capsys.readouterr().out == "a\n    0.995  b\n    0.000  c\n"
    with pytest.raises(ValueError, match="has no vector for 'x'"):
        neighbors.neighbors(NeighborsOptions(word="x", vectors_file=path))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_folder_whose_file_cannot_be_written_does_not_appear(
    tmp_path, monkeypatch, number
):
    vectors = models.KeyedVectors(2)
    vectors.add_vectors(["a", "b", "c"], np.array([[1, 0], [1, 0.1], [0, 1]], "f4"))
    path = str(tmp_path / "words.txt")
    vectors.save_word2vec_format(path)
    write_file, written = neighbors.write_file, []

    def fail(path, content):
        written.append(path)
        if len(written) == number:
            raise OSError("No space left on device")
        write_file(path, content)

    monkeypatch.setattr(neighbors, "write_file", fail)
    folder = tmp_path / "out"
    options = NeighborsOptions(word="a", vectors_file=path, output_dir=str(folder))
    with pytest.raises(OSError, match="No space left"):
        neighbors.neighbors(options)
    assert [path.name for path in tmp_path.iterdir()] == ["words.txt"]


BOTH = {"vectors_file": "a", "model_dir": "b", "input_files": ("c",)}
NONE = {"vectors_file": "a", "num_neighbors": 0}


@pytest.mark.parametrize("changes", [{}, BOTH, {"model_dir": "b"}, NONE])
def test_options_that_do_not_fit(changes):
    with pytest.raises(ValueError, match="Expected"):
        NeighborsOptions(word="a", **changes)
