"""The same sequences twice: several in a row, and each in a row of its own."""

import numpy as np
import tensorflow as tf

from data_pipelines.finetuning.batches import pack_batch
from tests.bert_tf.small_models import VOCABULARY

ROW_LENGTH = 16


def random_features(count=7, seed=0, **more):
    """Sequences of random tokens and lengths, with two segments; and what is given."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(3, ROW_LENGTH - 3, count)
    lengths[0] = ROW_LENGTH
    tokens = generator.integers(5, len(VOCABULARY), lengths.sum())
    values = tf.constant(tokens, tf.int32)
    return {
        "token_ids": tf.RaggedTensor.from_row_lengths(values, lengths),
        "second_starts": tf.constant(generator.integers(2, lengths + 1), tf.int32),
        **more,
    }


def packed(features):
    batch = pack_batch(features, VOCABULARY, row_length=ROW_LENGTH, pad_to_bucket=True)
    assert len(batch["token_ids"]) < len(batch["first_tokens"])
    return batch


def alone(features):
    """The batch that `packed` gives, but for the rows; without positions and ids."""
    token_ids = features["token_ids"]
    places = tf.range(ROW_LENGTH)[None, :]
    lengths = tf.cast(token_ids.row_lengths(), tf.int32)
    mask = places < lengths[:, None]
    is_second = mask & (places >= features["second_starts"][:, None])
    return {
        **packed(features),
        "token_ids": token_ids.to_tensor(shape=[None, ROW_LENGTH]),
        "segment_ids": tf.cast(is_second, tf.int32),
        "padding_mask": mask,
        "positions": tf.broadcast_to(places, mask.shape),
        "sequence_ids": tf.where(mask, tf.range(len(lengths))[:, None], -1),
        "first_tokens": ROW_LENGTH * tf.range(len(lengths)),
    }


def gradients(model, loss_of, batch):
    """A loss, and its gradients by name."""
    with tf.GradientTape() as tape:
        loss = loss_of(model(batch, training=False), batch)
    variables = model.trainable_variables
    found = tape.gradient(
        loss, [v.value for v in variables], unconnected_gradients="zero"
    )
    named = {
        variable.path: tf.convert_to_tensor(gradient).numpy()
        for variable, gradient in zip(variables, found, strict=True)
    }
    return float(loss), named


def assert_same_gradients(one, other):
    """To 1e-5 of the largest of each variable."""
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        scale = max(1.0, np.abs(gradient).max())
        np.testing.assert_allclose(
            other[name], gradient, rtol=0, atol=1e-5 * scale, err_msg=name
        )
