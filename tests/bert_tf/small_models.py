"""Small models and batches that several tests use."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.models.config import BertConfig
from bert_tf.models.masked_lm import BertPretrainer
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.seeds import set_seed

WORDS = ("the", "cat", "dog", "sat", "on", "mat", "a", "##s", "##ing", "ran", "to")
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *WORDS, ".", ",", "中", "home"))


def small_config(**changes: Any) -> BertConfig:
    values = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 32,
        "max_position_embeddings": 24,
        # Larger than usual, so that nothing is nearly zero.
        "initializer_range": 0.3,
    }
    return BertConfig(**{**values, **changes})


def small_pretrainer(
    seed: int = 0, sentence_head: bool = True, dtype: Any = None, **changes: Any
) -> BertPretrainer:
    set_seed(seed)
    return BertPretrainer(
        small_config(**changes), sentence_head=sentence_head, dtype=dtype, name="bert"
    )


def randomize(model: keras.Model, seed: int = 1, scale: float = 0.2) -> None:
    """Moves biases and norms away from 0 and 1, where a mistake would not show."""
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        noise = generator.normal(0, scale, variable.shape)
        variable.assign(np.asarray(variable) + noise.astype("float32"))


def weights_by_name(model: keras.Model) -> dict[str, np.ndarray]:
    prefix = f"{model.name}/"
    return {
        variable.path.removeprefix(prefix): np.asarray(variable)
        for variable in model.trainable_variables
    }


def random_batch(
    batch_size: int = 4, sequence: int = 12, predictions: int = 3, seed: int = 0
) -> dict[str, tf.Tensor]:
    """Rows of random tokens with two segments and padding, and all labels."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(sequence // 2, sequence + 1, batch_size)
    places = np.arange(sequence)
    real = places < lengths[:, None]
    tokens = generator.integers(5, len(VOCABULARY), (batch_size, sequence))
    weights = generator.integers(0, 2, (batch_size, predictions))
    weights[:, 0] = 1
    positions = [generator.choice(n, predictions, False) for n in lengths]
    values = {
        "token_ids": np.where(real, tokens, 0).astype("int32"),
        "segment_ids": (real & (places >= lengths[:, None] // 2)).astype("int32"),
        "padding_mask": real,
        "mlm_positions": np.array(positions, "int32"),
        "mlm_ids": generator.integers(
            5, len(VOCABULARY), (batch_size, predictions)
        ).astype("int32"),
        "mlm_weights": weights.astype("float32"),
        "sentence_label": generator.integers(0, 2, batch_size).astype("int32"),
        "row_weight": np.ones(batch_size, "float32"),
    }
    return {name: tf.constant(value) for name, value in values.items()}
