"""A served model answers as `predict` does."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.metrics.entities import entities
from bert_tf.serving.fine_tuned import FineTunedModel
from bert_tf.tasks.entities import entity_tensors
from bert_tf.tasks.span_answers import NUM_SHOWN
from data_pipelines.datasets.examples import TextExample
from tests.bert_tf.serving.fine_tuned_models import (
    KIND_ARGUMENTS,
    TEXTS,
    examples_of,
    predicted_rows,
    write_model,
)
from tests.bert_tf.small_models import small_config

WORDS = ("the", "é", "cats", "dog", "on", "home", "mat", "zebra", "running")
# Sums in another order: packed rows are of other lengths.
TOLERANCE = 1e-6
# XLA has an exponential and a tanh of its own.
TOLERANCE_XLA = 1e-5


def signatures(folder, **arguments):
    return FineTunedModel(model_dir.load(folder), **arguments).signatures()


def served(signatures, name, inputs):
    tensors = [tf.constant(values, tf.string) for values in inputs.values()]
    return {n: values.numpy() for n, values in signatures[name](*tensors).items()}


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """Of a kind: the folder and its signatures, traced once for all tests."""

    @functools.cache
    def of(kind):
        folder = write_model(tmp_path_factory.mktemp(kind) / "model", kind)
        return folder, signatures(folder)

    return of


def text(values):
    return [value.decode() for value in values]


DEFAULT_KINDS = ("classification", "token_tagging", "correction")
OTHER_ROWS = [
    pytest.param(rows, marks=[pytest.mark.slow, pytest.mark.long])
    for rows in ("_fixed", "_xla")
]


# The default tests look at three kinds, the slow ones at all.
OF_KINDS = [
    pytest.param(kind, marks=[] if kind in DEFAULT_KINDS else pytest.mark.slow)
    for kind in KIND_ARGUMENTS
]


@pytest.mark.parametrize("rows", ["", *OTHER_ROWS])
@pytest.mark.parametrize("kind", OF_KINDS)
def test_answers_of_predict(model_of, kind, rows):
    folder, functions = model_of(kind)
    examples, inputs = examples_of(kind)
    expected = predicted_rows(folder, examples)
    name = {
        "classification": "classify_texts",
        "regression": "score_texts",
        "token_tagging": "tag",
        "span_qa": "answer",
        "multiple_choice": "choose",
        "correction": "correct",
    }[kind]
    if name + rows == "correct_xla":
        pytest.skip("What is written has no size that XLA could know.")
    tolerance = TOLERANCE_XLA if rows == "_xla" else TOLERANCE
    assert_same(kind, served(functions, name + rows, inputs), expected, tolerance)


def assert_same(kind, found, expected, tolerance=TOLERANCE):
    def close(values, other):
        np.testing.assert_allclose(values, other, rtol=0, atol=tolerance)

    if kind == "token_tagging":
        # A text without words is no sentence of `predict`.
        places = [i for i, words in enumerate(found["words"]) if words[0]]
        found = {name: values[places] for name, values in found.items()}
    for index, row in enumerate(expected):
        answer = {name: values[index] for name, values in found.items()}
        if "unanswered" in row:
            # A served model has an answer for a text without words, too.
            continue
        if kind == "classification":
            assert answer["label"].decode() == row["prediction"]
            close(answer["probability"], row["probability"])
            close(answer["probabilities"], list(row["probabilities"].values()))
            assert text(answer["labels"]) == list(row["probabilities"])
        elif kind == "regression":
            close(answer["score"], row["prediction"])
        elif kind == "multiple_choice":
            assert answer["choice"] == row["prediction"]
            assert answer["text"].decode() == row["choice"]
            close(answer["probabilities"], row["probabilities"])
        elif kind == "token_tagging":
            count = len(row["words"])
            assert text(answer["words"][:count]) == row["words"]
            assert text(answer["tags"][:count]) == row["tags"]
            assert not any(answer["words"][count:])
            kinds = [name for name in text(answer["entity_types"]) if name]
            assert kinds == [entity["type"] for entity in row["entities"]]
        elif kind == "correction":
            assert answer["corrected"].decode() == row["prediction"]
            edits = row["edits"]
            count = len(edits)
            for name, key in (
                ("edit_first_characters", "start"),
                ("edit_last_characters", "end"),
            ):
                assert answer[name][:count].tolist() == [edit[key] for edit in edits]
                assert all(answer[name][count:] == -1)
            for name in ("original", "replacement"):
                assert text(answer[f"{name}s"][:count]) == [e[name] for e in edits]
            close(
                answer["edit_probabilities"][:count], [e["probability"] for e in edits]
            )
        else:
            assert answer["answer"].decode() == row["prediction"]
            assert (answer["start"], answer["end"]) == (row["start"], row["end"])
            close(answer["no_answer_score"], row["no_answer_score"])
            best = [g for g in row["best"] if g["probability"] > 0]
            assert text(answer["best_answers"][: len(best)]) == [
                guess["text"] for guess in best
            ]
            close(
                answer["best_probabilities"][: len(best)],
                [guess["probability"] for guess in best],
            )
            assert len(answer["best_answers"]) == NUM_SHOWN
            total = answer["no_answer_probability"] + answer["probability"]
            assert total <= 1 + tolerance
    assert len(expected) == len(next(iter(found.values())))


def test_pairs(tmp_path):
    folder = write_model(tmp_path / "model", "classification", pairs=True)
    examples = [
        TextExample("", one, other, None)
        for one, other in zip(TEXTS, TEXTS[::-1], strict=True)
    ]
    inputs = {"first": TEXTS, "second": TEXTS[::-1]}
    found = served(signatures(folder), "serving_default", inputs)
    assert_same("classification", found, predicted_rows(folder, examples))
    assert found["truncated"].tolist() == [False, False, True, False, False]


def test_windows_of_long_texts(tmp_path):
    encoding = {"max_length": 12, "labels": ["no", "yes", "maybe"], "stride": 5}
    folder = write_model(tmp_path / "model", "classification", encoding=encoding)
    examples, inputs = examples_of("classification")
    found = served(signatures(folder), "serving_default", inputs)
    assert_same("classification", found, predicted_rows(folder, examples))
    assert not found["truncated"].any()


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [-1e9, 1e9])
def test_threshold_of_answers(tmp_path, threshold):
    folder = write_model(tmp_path / "model", "span_qa", threshold=threshold)
    examples, inputs = examples_of("span_qa")
    found = served(signatures(folder), "serving_default", inputs)
    assert_same("span_qa", found, predicted_rows(folder, examples))
    if threshold < 0:
        assert not any(found["answer"])
        assert (found["start"] == -1).all()


def test_a_question_that_is_too_long_is_told(model_of):
    functions = model_of("span_qa")[1]
    inputs = {"questions": ["the cat sat", "the cat sat on"], "contexts": ["mat"] * 2}
    assert served(functions, "answer", inputs)["truncated"].tolist() == [False, True]


def test_answers_are_spans(model_of):
    functions = model_of("span_qa")[1]
    contexts = ["é home 中, the cat “sat” ran", "the mat"]
    found = served(functions, "answer", {"q": ["cat", "cat"], "c": contexts})
    for index, context in enumerate(contexts):
        answer = found["answer"][index].decode()
        assert answer
        assert context[found["start"][index] : found["end"][index]] == answer
        encoded = context.encode()[
            found["start_byte"][index] : found["end_byte"][index]
        ]
        assert encoded.decode() == answer


def test_entities_are_spans(model_of):
    functions = model_of("token_tagging")[1]
    texts = [
        "é home 中, the cat “sat” ran",
        "the mat. A dog ran to the home",
        *(f"{word} “{other}” 中 (ran)" for word in WORDS for other in WORDS),
    ]
    found = served(functions, "tag", {"texts": texts})
    count = 0
    for row, whole in enumerate(texts):
        for place, entity in enumerate(text(found["entities"][row])):
            if not entity:
                continue
            count += 1
            first, last = (
                found[f"entity_{name}_characters"][row][place]
                for name in ("first", "last")
            )
            assert whole[first:last] == entity
            begin, end = (
                found[f"entity_{name}"][row][place] for name in ("starts", "ends")
            )
            assert whole.encode()[begin:end].decode() == entity
            assert 0 < found["entity_probabilities"][row][place] <= 1
    assert count > 2


def test_given_words(model_of):
    functions = model_of("token_tagging")[1]
    words = [["the", "cat", "sat"], ["dog", "", ""]]
    found = served(functions, "tag_words", {"words": words})
    texts = served(functions, "tag", {"texts": ["the cat sat", "dog"]})
    assert found["tags"].tolist() == texts["tags"].tolist()
    np.testing.assert_allclose(
        found["probabilities"], texts["probabilities"], atol=TOLERANCE
    )


@pytest.mark.parametrize("kind", KIND_ARGUMENTS)
def test_no_texts(model_of, kind):
    inputs = {
        name: np.zeros([0, 2] if name == "choices" else [0], object)
        for name in examples_of(kind)[1]
    }
    for name, values in served(model_of(kind)[1], "serving_default", inputs).items():
        assert len(values) == 0, name


def test_entities_equal_those_of_conlleval():
    """On random tags, where an I- may follow anything."""
    generator = np.random.default_rng(0)
    names = ["O", "B-A", "I-A", "B-B", "I-B"]
    rows = [generator.choice(names, n).tolist() for n in [0, *range(1, 40), 1, 0]]
    texts = [" ".join("w" * (1 + i % 3) for i, _ in enumerate(row)) for row in rows]
    starts, ends = [], []
    for row in rows:
        lengths = np.array([1 + i % 3 for i, _ in enumerate(row)], int)
        firsts = np.cumsum(lengths + 1) - lengths - 1
        starts.append(firsts.tolist())
        ends.append((firsts + lengths).tolist())
    tagged = {
        "tags": tf.ragged.constant(rows, tf.string, ragged_rank=1),
        "probabilities": tf.ragged.constant([[0.5] * len(r) for r in rows], tf.float32),
    }
    found = entity_tensors(
        tf.constant(texts),
        tagged,
        tf.ragged.constant(starts, tf.int32, ragged_rank=1),
        tf.ragged.constant(ends, tf.int32, ragged_rank=1),
    )
    for index, row in enumerate(rows):
        expected = [
            (kind, starts[index][first], ends[index][last - 1])
            for kind, first, last in entities(row)
        ]
        assert expected == [
            (kind.decode(), begin, end)
            for kind, begin, end in zip(
                found["entity_types"][index].numpy(),
                found["entity_starts"][index].numpy(),
                found["entity_ends"][index].numpy(),
                strict=True,
            )
        ]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("kind", KIND_ARGUMENTS)
def test_narrow_weights_give_nearly_the_same(tmp_path, kind):
    folder = write_model(tmp_path / "model", kind, small_config(initializer_range=0.1))
    _, inputs = examples_of(kind)
    exact = served(signatures(folder), "serving_default", inputs)
    for precision, tolerance in (("bfloat16", 0.1), ("int8", 0.2)):
        narrow = signatures(folder, precision=precision)
        found = served(narrow, "serving_default", inputs)
        if kind == "correction":
            # What is nearly as probable as another may be another.
            assert sum(found["corrected"] == exact["corrected"]) >= 3, precision
            continue
        name = "score" if kind == "regression" else "probabilities"
        name = "no_answer_probability" if kind == "span_qa" else name
        assert found[name].shape == exact[name].shape, precision
        np.testing.assert_allclose(
            found[name], exact[name], atol=tolerance, err_msg=precision
        )
        assert not np.array_equal(found[name], exact[name]), precision
