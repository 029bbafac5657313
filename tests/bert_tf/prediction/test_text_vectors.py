import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.scalar_mix import ScalarMix
from bert_tf.prediction.text_vectors import (
    FEATURES,
    TextVectorizer,
    layers_of,
    normalized,
)
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning.whole_texts import WholeTextEncoding
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.bert_tf.small_models import VOCABULARY, randomize, small_pretrainer
from tests.reference.wordpiece import ReferenceTokenizer

TOKENIZER = WordPieceTokenizer(VOCABULARY)
REFERENCE = ReferenceTokenizer(VOCABULARY.tokens, lower_case=True)
TEXTS = ("The cat sat.", "", "dogs", "a 中, on the mat" + " cat" * 13, "to [MASK] ran")
LONG = "the cat sat on a mat , a dog ran home . " * 4


@pytest.fixture(scope="module")
def encoder():
    model = small_pretrainer()
    randomize(model)
    return model.encoder


def examples_of(*texts):
    pairs = [text if isinstance(text, tuple) else (text, None) for text in texts]
    return [TextExample(str(i), a, b, None) for i, (a, b) in enumerate(pairs)]


def vectorizer(encoder, vectors, layers=(-1,), in_windows=False, **arguments):
    encoding = WholeTextEncoding(TOKENIZER, 24, in_windows)
    return TextVectorizer(encoder, encoding, vectors, layers, **arguments)


def vectorized(encoder, vectors, *texts, **arguments):
    made = vectorizer(encoder, vectors, **arguments)
    return list(made.vectorize(examples_of(*texts)))


def row_of(first, second=None):
    """A row of one text alone, or of a pair."""
    ids = [VOCABULARY.cls_id, *REFERENCE.ids(first), VOCABULARY.sep_id]
    segment_ids = [0] * len(ids)
    if second is not None:
        seconds = [*REFERENCE.ids(second), VOCABULARY.sep_id]
        ids, segment_ids = ids + seconds, segment_ids + [1] * len(seconds)
    return {
        "token_ids": tf.constant([ids]),
        "segment_ids": tf.constant([segment_ids]),
        "padding_mask": tf.ones([1, len(ids)], tf.bool),
    }


@pytest.mark.parametrize("features", [*FEATURES, "0", "2", "4", "-2"])
def test_layers_are_those_of_the_fine_tuned_models(features):
    # Of the embeddings and of four blocks.
    states = np.random.default_rng(0).normal(size=(5, 2, 3, 8)).astype("float32")
    states = tf.unstack(tf.constant(states))
    chosen = np.concatenate([states[i] for i in layers_of(features, 4)], axis=-1)
    if features in FEATURES:
        np.testing.assert_array_equal(chosen, ScalarMix(features)(states))
    else:
        np.testing.assert_array_equal(chosen, states[int(features)])


@pytest.mark.parametrize("vectors", ["cls", "mean"])
def test_one_vector_of_each_text_alone(encoder, eager, vectors):
    check_alone(encoder, vectors)


def test_vectors_of_tokens_of_each_text_alone(encoder):
    check_alone(encoder, "tokens")


def check_alone(encoder, vectors):
    arguments = {"layers": (0, -2, 2), "batch_size": 3}
    made = vectorized(encoder, vectors, *TEXTS, **arguments)
    for text, found in zip(TEXTS, made, strict=True):
        states = encoder(row_of(text), return_hidden_states=True)["hidden_states"]
        alone = np.concatenate(states, axis=-1)[0]
        alone = {"tokens": alone, "cls": alone[0], "mean": alone.mean(0)}[vectors]
        assert found.vectors.dtype == np.float32 and found.vectors.shape == alone.shape
        np.testing.assert_allclose(found.vectors, alone, atol=1e-5)


def test_pooled_vectors(encoder, eager):
    for text, found in zip(TEXTS, vectorized(encoder, "pooled", *TEXTS), strict=True):
        expected = encoder(row_of(text))["pooled_output"][0]
        np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
        assert found.tokens is None


def test_pairs(encoder, eager):
    pairs = (("The cat", "sat on the mat."), ("dogs", ""), ("", "中 home"))
    for pair, found in zip(pairs, vectorized(encoder, "tokens", *pairs), strict=True):
        expected = encoder(row_of(*pair))["sequence_output"][0]
        np.testing.assert_allclose(found.vectors, expected, atol=1e-5)
        assert found.example.second == pair[1]
        assert len(found.tokens.pieces) == len(expected)


def test_pieces_and_their_bytes(encoder, eager):
    text = "The dogs, 中ran"
    tokens = vectorized(encoder, "tokens", text)[0].tokens
    assert tokens.pieces == [*("[CLS]", "the", "dog", "##s", ",", "中", "ran", "[SEP]")]
    spans = list(zip(tokens.starts, tokens.ends, strict=True))
    assert spans[0] == spans[-1] == (-1, -1)
    found = [text.encode()[start:end].decode() for start, end in spans[1:-1]]
    assert found == ["The", "dog", "s", ",", "中", "ran"]


def test_windows(encoder, eager):
    """Each vector is that of the window, run alone, in whose middle it is."""
    texts = ("the cat", LONG, "dogs", LONG[8:])
    # Windows of a text are in several batches.
    arguments = {"in_windows": True, "batch_size": 2}
    found = vectorized(encoder, "tokens", *texts, **arguments)
    assert [text.num_windows for text in found] == [1, 4, 1, 4]
    means = vectorized(encoder, "mean", *texts, **arguments)
    cls = vectorized(encoder, "cls", *texts, **arguments)
    for index, text in enumerate(texts):
        ids = REFERENCE.ids(text)
        windows = {}
        for start in range(0, max(len(ids) - 22, 0) + 11, 11):
            row = [VOCABULARY.cls_id, *ids[start : start + 22], VOCABULARY.sep_id]
            mask = tf.ones([1, len(row)], tf.bool)
            inputs = {"token_ids": tf.constant([row]), "padding_mask": mask}
            windows[start] = encoder(inputs)["sequence_output"][0].numpy()
        assert found[index].vectors.shape == (len(ids) + 2, 16)
        for place in range(len(ids)):
            start = max(
                (s for s in windows if s <= place < s + len(windows[s]) - 2),
                key=lambda s: (
                    100 * min(place - s, s + len(windows[s]) - 3 - place)
                    + len(windows[s])
                ),
            )
            np.testing.assert_allclose(
                found[index].vectors[place + 1],
                windows[start][place - start + 1],
                atol=1e-5,
            )
        first, last = windows[0], windows[max(windows)]
        np.testing.assert_allclose(found[index].vectors[0], first[0], atol=1e-5)
        np.testing.assert_allclose(found[index].vectors[-1], last[-1], atol=1e-5)
        np.testing.assert_allclose(
            means[index].vectors, found[index].vectors.mean(0), atol=1e-5
        )
        np.testing.assert_allclose(
            cls[index].vectors, np.mean([w[0] for w in windows.values()], 0), atol=1e-5
        )


def test_what_is_said_about_a_text(encoder, eager):
    found = vectorized(encoder, "cls", "the cat", " \t", LONG)
    assert [text.row for text in found] == [0, 1, 2]
    assert [text.empty for text in found] == [False, True, False]
    assert [text.truncated for text in found] == [False, False, True]


def test_texts_are_read_as_they_are_needed(encoder, eager):
    asked = 0

    def texts():
        nonlocal asked
        while True:
            yield TextExample(str(asked), "the cat", None, None)
            asked += 1

    stream = vectorizer(encoder, "cls").vectorize(texts())
    assert [next(stream).row for _ in range(100)] == list(range(100))
    assert asked <= 512


def test_a_vector_of_length_0_stays():
    found = normalized(np.array([[0.0, 0.0], [3.0, 4.0]], np.float32))
    np.testing.assert_allclose(found, [[0, 0], [0.6, 0.8]], rtol=1e-6)


def test_values_that_are_no_numbers(eager):
    model = small_pretrainer()
    model.encoder.embeddings.norm.weights[0].assign(np.full(16, np.nan))
    with pytest.raises(ValueError, match=r"text 0 .* try float32"):
        vectorized(model.encoder, "cls", "the cat")


@pytest.mark.parametrize("features", ["5", "-6", "first", "", "1.0", "weighted_all"])
def test_layers_that_there_are_not(features):
    with pytest.raises(ValueError, match=r"features='.*0 .* to 4 .*4 blocks"):
        layers_of(features, 4)


def test_fewer_blocks_than_are_concatenated():
    assert layers_of("concat_last_4", 4) == (-4, -3, -2, -1)
    with pytest.raises(ValueError, match="this model has 3 blocks"):
        layers_of("concat_last_4", 3)
    assert layers_of("second_to_last", 1) == (-2,)
    # The embeddings are the last that an encoder without blocks has.
    assert layers_of("embeddings", 0) == (0,) and layers_of("last", 0) == (-1,)
    with pytest.raises(ValueError, match="this model has 0 blocks"):
        layers_of("second_to_last", 0)


def test_weighted_sums_are_learned():
    with pytest.raises(ValueError, match=r"learned: use bert_tf\.finetune"):
        layers_of("weighted_last_4", 4)
