"""The classes of the tasks as a person in a notebook uses them."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import bert_tf
from bert_tf.checkpoints import model_dir
from tests.end_to_end.tasks import write_model

# Words of the small vocabulary; the answer is plain to see.
TEXTS = ["the film was good", "the film was bad", "great and lovely", "awful and dull"]
LABELS = ["praise", "blame", "praise", "blame"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("api") / "model")


@pytest.fixture(scope="module")
def fitted(source):
    """A classifier that has learned the texts."""
    model = bert_tf.TextClassifier(source, dropout=0.0)
    model.compile(learning_rate=1e-2)
    history = model.fit(TEXTS * 4, LABELS * 4, batch_size=4, epochs=8, verbose=0)
    assert isinstance(history, keras.callbacks.History)
    assert history.history["accuracy"][-1] == 1.0
    return model


def weights_of(model):
    weights = model_dir.weights_of(model.keras_model)
    return {name: weight.numpy() for name, weight in weights.items()}


def assert_same(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        np.testing.assert_allclose(found[name], weight, **tolerance, err_msg=name)


def test_answers(fitted):
    assert fitted.labels == ("blame", "praise")
    found = fitted.predict(TEXTS)
    assert [prediction.label for prediction in found] == LABELS
    first = found[0]
    assert first.probability == first.probabilities["praise"] > 0.5
    assert sum(first.probabilities.values()) == pytest.approx(1)
    assert found.as_numpy().shape == (4, 2)
    assert fitted.evaluate(TEXTS, LABELS) == {"accuracy": 1.0, "f1": 1.0}
    # Numbers of the classes, too.
    assert fitted.evaluate(TEXTS, [1, 0, 1, 0])["accuracy"] == 1.0


def test_pairs_are_asked_of_a_model_of_pairs(fitted):
    with pytest.raises(ValueError, match=r"Input 1 is a pair .*Expected a single text"):
        fitted.predict(["the film", ("the film", "a song")])
    with pytest.raises(ValueError, match="Input 0 is a pair of texts"):
        fitted.evaluate([("the film", "a song")], ["praise"])


def test_a_blank_text_has_its_place(fitted):
    with pytest.warns(UserWarning, match="1 of 3 inputs are blank"):
        found = fitted.predict([TEXTS[0], " ", TEXTS[1]])
    assert [p and p.label for p in found] == ["praise", None, "blame"]
    with pytest.warns(UserWarning, match="1 of 3 inputs are blank: they are left out"):
        assert fitted.evaluate([TEXTS[0], "", TEXTS[1]], LABELS[:1] + LABELS[:2])


def test_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "own")
    again = bert_tf.load(str(tmp_path / "own"))
    assert isinstance(again, bert_tf.TextClassifier)
    assert_same(weights_of(again), weights_of(fitted), rtol=0)
    np.testing.assert_array_equal(
        again.predict(TEXTS).as_numpy(), fitted.predict(TEXTS).as_numpy()
    )
    # Another task takes the encoder alone.
    scores = bert_tf.TextRegressor(str(tmp_path / "own"))
    scores.fit(TEXTS, [1.0, 0.0, 1.0, 0.0], epochs=1, verbose=0)
    assert scores.predict(TEXTS).as_numpy().shape == (4,)


@pytest.mark.slow
def test_exported(fitted, tmp_path):
    path = fitted.export(tmp_path / "served" / "own")
    assert path == str(tmp_path / "served" / "own" / "1")
    served = tf.saved_model.load(path).signatures["classify_texts"]
    found = served(texts=tf.constant(TEXTS))
    np.testing.assert_allclose(
        found["probabilities"], fitted.predict(TEXTS).as_numpy(), atol=1e-6
    )


def test_a_weight_of_zero_leaves_a_text_out(source):
    def trained(texts, labels, **weights):
        model = bert_tf.TextClassifier(source, labels=["blame", "praise"], dropout=0.0)
        model.fit(texts, labels, batch_size=4, epochs=1, verbose=0, **weights)
        return weights_of(model)

    expected = trained(TEXTS, LABELS, sample_weight=[1, 0, 1, 0])
    by_class = trained(TEXTS, LABELS, class_weight={"blame": 0.0})
    by_number = trained(TEXTS, LABELS, class_weight={0: 0.0, 1: 1.0})
    unweighted = trained(TEXTS, LABELS)
    assert_same(by_class, expected, atol=1e-6)
    assert_same(by_number, expected, rtol=0)
    assert any(np.abs(expected[n] - unweighted[n]).max() > 1e-6 for n in expected)


@pytest.mark.long
@pytest.mark.parametrize("loss", [pytest.param(None, marks=pytest.mark.slow), "own"])
def test_a_person_s_own_optimizer_loss_and_metrics(source, loss):
    model = bert_tf.TextClassifier(source, dropout=0.0)
    if loss:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metrics = [keras.metrics.SparseCategoricalAccuracy(name="right")]
    model.compile(keras.optimizers.Adam(1e-2), loss=loss, metrics=metrics)
    history = model.fit(
        tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).batch(2),
        validation_data=(TEXTS, LABELS),
        batch_size=4,
        epochs=8,
        verbose=0,
        callbacks=[keras.callbacks.EarlyStopping("val_f1", mode="max", patience=9)],
    ).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["right"][-1] == history["val_right"][-1] == 1.0
    assert history["val_f1"][-1] == history["val_accuracy"][-1] == 1.0
    # A second call goes on with the same optimizer.
    before = int(model._fit_model.optimizer.iterations)
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)
    assert int(model._fit_model.optimizer.iterations) == before + 1


@pytest.mark.long
@pytest.mark.slow
def test_metrics_beside_the_default_training(source):
    def trained(**arguments):
        model = bert_tf.TextClassifier(source, seed=1)
        model.compile(learning_rate=1e-3, **arguments)
        history = model.fit(TEXTS, LABELS, epochs=3, verbose=0).history
        return weights_of(model), history

    plain, _ = trained()
    watched, history = trained(
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="right")]
    )
    assert_same(watched, plain, rtol=0)
    assert history["right"] == pytest.approx(history["accuracy"])


@pytest.mark.parametrize(
    ("name", "x", "y", "check"),
    [
        (
            "TextClassifier",
            (["good", "bad"], ["fine", "poor"]),
            ["a", "b"],
            lambda p: p.text == ("good", "fine") and set(p.probabilities) == {"a", "b"},
        ),
        (
            "TokenTagger",
            [["anna", "lives", "in", "rome"], ["carl", "lives"]],
            [["I-PER", "O", "O", "I-LOC"], ["I-PER", "O"]],
            lambda p: p.words == ("anna", "lives", "in", "rome") and len(p.tags) == 4,
        ),
        pytest.param(
            "QuestionAnswerer",
            [("where is anna ?", "anna lives in rome today .")] * 2,
            ["rome", ""],
            lambda p: p.context[max(p.start, 0) : max(p.end, 0)] == p.text,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "MultipleChoice",
            [("the film", ["was good", "was bad"])] * 2,
            [0, 1],
            lambda p: p.text == ["was good", "was bad"][p.choice],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "TextCorrector",
            ["anna lives in in rome .", "carl lives in oslo ."],
            ["anna lives in rome .", "carl lives in oslo ."],
            lambda p: isinstance(p.corrected, str),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_every_task(source, name, x, y, check):
    model = getattr(bert_tf, name)(source)
    history = model.fit(x, y, validation_data=(x, y), epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert set(history) > {f"val_{metric}" for metric in model.evaluate(x, y)} - {
        "val_threshold"
    }
    assert check(model.predict(x)[0])


def test_tags_are_those_of_entities(source):
    model = bert_tf.TokenTagger(source)
    words, tags = [["anna", "lives"]], [["S-PER", "O"]]
    model.fit(words, tags, epochs=1, verbose=0)
    assert model.labels == ("O", "B-PER")
    assert next(iter(model.evaluate(words, tags))) == "entity_f1"
    assert model.predict(["anna lives"])[0].words == ("anna", "lives")


@pytest.mark.long
@pytest.mark.slow
def test_labels_that_are_given_change_nothing_else(source):
    pairs, words = [("good", "bad"), ("fine", "poor")], [["他", "好"], ["她", "好"]]
    for name, x, y, labels in (
        ("TextClassifier", pairs, ["a", "b"], ["a", "b"]),
        ("TokenTagger", words, [["O", "B-X"], ["O", "O"]], ["O", "B-X"]),
    ):
        found = []
        for given in (None, labels):
            model = getattr(bert_tf, name)(source, labels=given)
            model.fit(x, y, epochs=1, verbose=0)
            found.append(model._known.description)
        assert found[0] == found[1]
    assert found[0].encoding["single"] != []


def test_nothing_to_train_on(source):
    model = bert_tf.TextClassifier(source)
    with pytest.raises(ValueError, match="Received no inputs"):
        model.fit([], [])
    model.fit(TEXTS, LABELS, epochs=1, verbose=0)  # It is as if nothing had been.
    assert model.labels == ("blame", "praise")


def classifier(source, **arguments):
    return bert_tf.TextClassifier(source, labels=["a", "b"], **arguments)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda s: classifier(s).predict("the film"), r"Received the text 'the film'"),
        (lambda s: classifier(s).predict([3.5]), "Received 3.5 as input 0"),
        (
            lambda s: classifier(s).predict([float("nan")]),
            "Received nan as input 0. Expected a text",
        ),
        (lambda s: classifier(s).fit(TEXTS), "inputs without targets"),
        (
            lambda s: bert_tf.TextClassifier(s, labels="ab"),
            "Received the text 'ab' for labels. Expected a list",
        ),
        (
            lambda s: bert_tf.TextClassifier(s, labels=[]),
            r"Received labels=\[\]. Expected the name of each class",
        ),
        (
            lambda s: bert_tf.TextClassifier(s, labels=["a", "a"]),
            r"Received labels=\['a', 'a'\]. Expected the name of each class",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, ["a"] * 4, batch_size=0),
            "Received batch_size=0. Expected numbers above 0",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, ["a"] * 4, epochs=0),
            "Received epochs=0. Expected numbers above 0",
        ),
        (
            lambda s: bert_tf.load(s).encode(["a"], "sum"),
            "Received vectors='sum'. Expected one of tokens, cls, mean, pooled, sent",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, ["a", "b", "c", "a"]),
            r"Received the target 'c' for input 2\. Expected one of \['a', 'b'\]",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, [0, 1, 2, 0]),
            "Received the target 2 for input 2",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, ["a"] * 4, class_weight={"c": 1}),
            r"Received class_weight for \['c'\]",
        ),
        (
            lambda s: classifier(s).fit(TEXTS, ["a"] * 4, validation_data=TEXTS[:4]),
            "Expected .x, y.",
        ),
        (
            lambda s: classifier(s).compile(loss="sparse_categorical_crossentropy"),
            "takes outputs for probabilities",
        ),
        (
            lambda s: classifier(s).compile(
                loss=keras.losses.SparseCategoricalCrossentropy()
            ),
            "takes outputs for probabilities",
        ),
        (lambda s: classifier(s).save("own.keras"), "Expected the name of a folder"),
        (lambda s: classifier(s, dtype="int8"), "Received dtype='int8'"),
        (lambda s: classifier(s, max_length=900), "Received max_length=900"),
        (
            lambda s: bert_tf.TextClassifier(s).predict(TEXTS),
            "does not know its labels yet",
        ),
        (
            lambda s: bert_tf.TextRegressor(s).fit(TEXTS, ["a", "b", "c", "d"]),
            "Received the target 'a' for input 0. Expected a number",
        ),
        (
            lambda s: bert_tf.QuestionAnswerer(s).fit([("who", "anna")], ["carl"]),
            "Expected a span of its context",
        ),
        (
            lambda s: bert_tf.QuestionAnswerer(s).fit(["who"], ["carl"]),
            "Expected .question, context.",
        ),
        (
            lambda s: bert_tf.MultipleChoice(s).fit([("a", ["b", "c"])], [2]),
            "one of its 2 choices",
        ),
        (
            lambda s: bert_tf.TokenTagger(s).fit([["a", "b"]], [["O"]]),
            "received 2 words and 1 tags",
        ),
        (
            lambda s: bert_tf.TokenTagger(s).fit([["a", "b"]], ["OO"]),
            "Received 'OO' as input 0. Expected a list of tags",
        ),
        (
            lambda s: bert_tf.TokenTagger(s, labels=["O", "B-X"]).predict([None]),
            "Received None as input 0. Expected a list of words",
        ),
        (
            lambda s: bert_tf.MultipleChoice(s).fit([float("nan")], [0]),
            "Received nan as input 0. Expected .text, .choices..",
        ),
        (
            lambda s: bert_tf.TextCorrector(s).fit(["a"], [None]),
            "Received None as input 0. Expected corrections of a text",
        ),
        (
            lambda s: bert_tf.QuestionAnswerer(s).fit([("who", "anna")], [3.5]),
            "Received the target 3.5 for input 0",
        ),
        (
            lambda s: bert_tf.TokenTagger(s).fit(["a b"], [["O", "O"]]),
            "Expected a list of its words",
        ),
    ],
)
def test_errors_are_one_line(source, action, message):
    with pytest.raises(ValueError, match=message) as error:
        action(source)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_keras_checkpoint_of_the_whole_model_is_refused(source, tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "x.keras"))
    with pytest.raises(ValueError, match="save_weights_only=True"):
        classifier(source).fit(
            TEXTS, ["a", "b"] * 2, epochs=1, verbose=0, callbacks=[checkpoint]
        )
    weights = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "x.weights.h5"), save_weights_only=True
    )
    classifier(source).fit(
        TEXTS, ["a", "b"] * 2, epochs=1, verbose=0, callbacks=[weights]
    )
    assert (tmp_path / "x.weights.h5").exists()


def test_several_replicas_are_refused(source):
    model = classifier(source)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope(), pytest.raises(ValueError, match="a strategy of 2 replicas"):
        model.fit(TEXTS, ["a", "b"] * 2, verbose=0)


def test_nobody_else_s_random_numbers_change(source):
    random.seed(5)
    expected = random.random()
    random.seed(5)
    classifier(source)
    assert random.random() == expected
