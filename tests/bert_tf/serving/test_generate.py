"""A causal model that knows three sentences by heart goes on with them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.models.masked_lm import PretrainingObjective
from bert_tf.serving import saved_model
from bert_tf.serving.pretrained import TextModel
from data_pipelines.pretraining.masking import mask_tokens
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.rows.packing import join
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from tests.bert_tf.small_models import VOCABULARY, small_pretrainer

SENTENCES = (
    "a cat ran home.",
    "the dogs sat on a mat",
    "on the mat ran a cat , home .",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder."""
    model = small_pretrainer(
        sentence_head=False,
        causal=True,
        pooler=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        hidden_size=32,
    )
    description = model_dir.Description("pretraining")
    tokenizer = make_tokenizer(VOCABULARY)
    token_ids, _ = join(tokenizer.tokenize(tf.constant(SENTENCES)), None, VOCABULARY)
    padding_mask = tf.sequence_mask(token_ids.row_lengths())
    token_ids = token_ids.to_tensor(VOCABULARY.pad_id)
    batch = {
        "padding_mask": padding_mask,
        **mask_tokens(
            token_ids,
            padding_mask,
            tf.constant([0, 0], tf.int64),
            VOCABULARY,
            RowOptions(
                token_ids.shape[1],
                masking="next_token",
                max_predictions=token_ids.shape[1] - 1,
            ),
        ),
    }
    objective = PretrainingObjective(sentence_task=False)
    optimizer = keras.optimizers.Adam(1e-2)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            sums = objective.sums(model(batch), batch)
            loss = sums["mlm_loss"] / objective.weights(batch)["mlm_loss"]
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    losses = [float(step()) for _ in range(150)]
    # Which sentence it is can only be known after its first word: log 3 of each.
    assert losses[0] > 2 and losses[-1] < 0.25
    path = tmp_path_factory.mktemp("causal") / "model"
    model_dir.save(str(path), model, VOCABULARY, description, {})
    return str(path)


def text_model(folder, **arguments):
    loaded = model_dir.load(folder)
    return TextModel(loaded.model, loaded.tokenizer, **arguments)


@pytest.fixture(scope="module")
def generate(folder):
    """Traced once for all tests."""
    return text_model(folder, num_tokens=12).signatures()["generate"]


def test_it_goes_on_to_the_end(generate):
    found = generate(tf.constant(["A cat", "the", "on the mat ran"]))
    assert [text.decode() for text in found["continuations"].numpy()] == [
        "ran home .",
        "dogs sat on a mat",
        "a cat , home .",
    ]
    shares = found["probabilities"].numpy()
    assert (shares > 0).sum(axis=1).tolist() == [3, 6, 5]
    assert shares[shares > 0].min() > 0.8
    assert not found["truncated"].numpy().any()


def test_each_piece_is_the_most_probable_one(folder, generate):
    """As many runs of the model as there are pieces, on rows made by hand."""
    model = model_dir.load(folder).model
    row = [VOCABULARY.cls_id, VOCABULARY.tokens.index("cat")]
    expected = []
    for _ in range(12):
        logits = model(
            {
                "token_ids": tf.constant([row]),
                "padding_mask": tf.ones([1, len(row)], tf.bool),
                "mlm_positions": tf.constant([[len(row) - 1]]),
            }
        )["mlm"][0, 0].numpy()
        logits[[VOCABULARY.pad_id, VOCABULARY.cls_id, VOCABULARY.mask_id]] = -np.inf
        row.append(int(logits.argmax()))
        expected.append(VOCABULARY.tokens[row[-1]])
    if "[SEP]" in expected:
        expected = expected[: expected.index("[SEP]")]
    found = generate(tf.constant(["cat"]))
    text = " ".join(expected).replace(" ##", "")
    assert found["continuations"].numpy().tolist() == [text.encode()]


def test_of_a_long_text_the_end_is_read(generate):
    text = "home " * 40 + "a cat"
    found = generate(tf.constant([text, "a cat", ""]))
    assert found["truncated"].numpy().tolist() == [True, False, False]
    assert found["probabilities"].shape == (3, 12)
    none = generate(tf.constant([], tf.string))
    assert none["continuations"].shape == (0,)


@pytest.mark.slow
def test_exported(folder, tmp_path):
    path = saved_model.export(folder, "a", saved_models_dir=str(tmp_path))
    signatures = tf.saved_model.load(path).signatures
    assert "fill_mask" not in signatures
    found = signatures["serving_default"](texts=tf.constant(["a cat"]))
    assert found["continuations"].numpy().tolist() == [b"ran home ."]


def test_no_room(folder):
    with pytest.raises(ValueError, match=r"num_tokens=23\. Expected 1 to 22"):
        text_model(folder, num_tokens=23)
