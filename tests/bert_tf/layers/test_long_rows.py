"""Attention in windows and in blocks against a matrix of all pairs."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers import elementwise, long_rows
from bert_tf.layers.long_rows import LongRowMask, attend_in_blocks, attend_in_windows
from bert_tf.models import encoder as encoder_module
from bert_tf.models.encoder import BertEncoder
from tests.bert_tf.small_models import randomize, small_config

BATCH, HEADS, WIDTH = 2, 3, 4
NOTHING = tf.zeros([2], tf.int32)
ARGUMENTS = {"scale": 0.5, "rate": 0.0}


def in_one_piece(query, key, value, mask):
    """All pairs, from the attributes of the mask."""
    length = query.shape[2]
    distance = np.arange(length)[:, None] - np.arange(length)[None, :]
    allowed = np.asarray(mask.is_key)[:, None, :] & np.ones_like(distance, bool)
    if mask.sequence_ids is not None:
        ids = np.asarray(mask.sequence_ids)
        allowed &= ids[:, :, None] == ids[:, None, :]
    if mask.window is not None:
        allowed &= np.abs(distance) <= mask.window
    if mask.causal:
        allowed &= distance >= 0
    scores = tf.matmul(query, key, transpose_b=True)
    weights = elementwise.masked_softmax(scores, allowed, NOTHING, **ARGUMENTS)
    return tf.matmul(weights, value)


@pytest.mark.parametrize(
    ("length", "window", "causal", "packed"),
    [
        *itertools.product((1, 4, 5, 13, 16), (4,), (False, True), (False, True)),
        (13, 1, False, True),
        (13, 20, False, True),
        *itertools.product((1, 7, 130), (None,), (False, True), (False, True)),
    ],
)
def test_the_same_context_and_gradients(monkeypatch, length, window, causal, packed):
    monkeypatch.setattr(long_rows, "_BLOCK", 8)
    generator = np.random.default_rng(length)
    shape = (BATCH, HEADS, length, WIDTH)
    inputs = [tf.constant(generator.normal(size=shape), tf.float32) for _ in range(3)]
    lengths = [length, max(1, length - 3)]
    is_key = tf.sequence_mask(lengths, length)
    ids = None
    if packed:
        ids = np.sort(generator.integers(0, 3, (BATCH, length)), axis=1)
        ids = tf.where(is_key, tf.constant(ids, tf.int32), -1)
    mask = LongRowMask(is_key, ids, window, causal)
    attend = attend_in_windows if window else attend_in_blocks
    weights = tf.constant(generator.normal(size=shape), tf.float32)
    # What padding attends to does not matter.
    weights *= tf.cast(is_key, tf.float32)[:, None, :, None]

    def run(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            context = function(*inputs)
            total = tf.reduce_sum(context * weights)
        return context, tape.gradient(total, inputs)

    found, gradients = run(lambda *qkv: attend(*qkv, mask, NOTHING, **ARGUMENTS))
    expected, right = run(lambda *qkv: in_one_piece(*qkv, mask))
    for row, count in enumerate(lengths):
        np.testing.assert_allclose(
            found[row, :, :count], expected[row, :, :count], atol=1e-6
        )
    for one, other in zip(gradients, right, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


MODERN = {
    "position_embeddings": "rotary",
    "norm_position": "pre",
    "hidden_act": "geglu",
    "type_vocab_size": 0,
    "local_attention": 3,
    "num_hidden_layers": 4,
    "max_position_embeddings": 4096,
    "pooler": False,
}


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"local_attention": None}])
def test_an_encoder_of_long_rows(monkeypatch, changes):
    """Eagerly, and in a graph for rows of any length."""
    encoder = BertEncoder(small_config(**{**MODERN, **changes}))
    randomize(encoder)
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": tf.constant(generator.integers(5, 16, (2, 41)), tf.int32),
        "padding_mask": tf.sequence_mask([41, 30]),
    }
    expected = encoder(batch, return_hidden_states=True)
    monkeypatch.setattr(encoder_module, "LONG_ROW", 32)
    monkeypatch.setattr(long_rows, "_BLOCK", 16)
    signature = {
        "token_ids": tf.TensorSpec([None, None], tf.int32),
        "padding_mask": tf.TensorSpec([None, None], tf.bool),
    }
    graph = tf.function(
        lambda inputs: encoder(inputs, return_hidden_states=True),
        input_signature=[signature],
        autograph=False,
    )
    for run in (lambda b: encoder(b, return_hidden_states=True), graph):
        found = run(batch)
        for one, other in zip(
            found["hidden_states"], expected["hidden_states"], strict=True
        ):
            for row, count in enumerate((41, 30)):
                np.testing.assert_allclose(
                    one[row, :count], other[row, :count], atol=2e-5
                )
    # Short rows take the other branch.
    short = {name: value[:, :20] for name, value in batch.items()}
    for one, other in zip(
        graph(short)["hidden_states"],
        encoder(short, return_hidden_states=True)["hidden_states"],
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_no_branch_without_long_positions():
    encoder = BertEncoder(small_config(**{**MODERN, "max_position_embeddings": 512}))
    graph = tf.function(lambda inputs: encoder(inputs), autograph=False)
    concrete = graph.get_concrete_function(
        {
            "token_ids": tf.TensorSpec([None, None], tf.int32),
            "padding_mask": tf.TensorSpec([None, None], tf.bool),
        }
    )
    kinds = {operation.type for operation in concrete.graph.get_operations()}
    assert not kinds & {"If", "StatelessIf", "While", "StatelessWhile"}
