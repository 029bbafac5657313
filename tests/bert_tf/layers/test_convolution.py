"""The convolution of DeBERTa v2 against a loop over tokens."""

import math

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.layers.convolution import ConvolutionBranch
from tests.bert_tf.small_models import randomize


@pytest.mark.parametrize(
    ("width", "activation"), [(1, "tanh"), (3, "gelu"), (5, "tanh")]
)
def test_sequences_do_not_see_each_other(width, activation):
    layer = ConvolutionBranch(4, width, activation, 1e-6, 0.3)
    layer.build((None, None, 4))
    randomize(layer)
    generator = np.random.default_rng(0)
    x, embeddings = generator.normal(size=(2, 2, 7, 4)).astype("float32")
    ids = np.array([[0, 0, 0, 1, 1, 2, -1], [0, 0, 0, 0, 0, -1, -1]], "int32")
    found = layer(x, embeddings, ids).numpy()
    kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
    for row in range(2):
        for place in range(7):
            total = bias.copy()
            for tap in range(width):
                other = place + tap - width // 2
                if 0 <= other < 7 and ids[row, other] == ids[row, place]:
                    total += embeddings[row, other] @ kernel[tap]
            if activation == "tanh":
                total = np.tanh(total)
            else:
                gaussian = [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in total]
                total = total * np.array(gaussian, "float32")
            expected = layer.norm(tf.constant(x[row, place] + total)[None, None])
            np.testing.assert_allclose(found[row, place], expected[0, 0], atol=1e-5)
