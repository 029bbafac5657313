"""Models of other projects of the same size, with comparable training settings."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.config import BertConfig
from bert_tf.training.hardware import POLICIES


def keras_hub_backbone(config: BertConfig, dtype: str) -> Any:
    """Creates KerasHub's encoder."""
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        dropout=0.1,
        max_sequence_length=512,
        dtype=POLICIES[dtype],
    )


def compile_for_fit(model: keras.Model, learning_rate: float) -> None:
    """Compiles a model with Keras' versions of our optimizer, clipping and loss."""
    model.compile(
        optimizer=keras.optimizers.AdamW(
            learning_rate, weight_decay=0.01, global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[],
        jit_compile=False,
    )


def hugging_face_config(config: BertConfig) -> Any:
    """Creates a config of the same size for models of transformers."""
    import transformers

    return transformers.BertConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
    )


def without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Disables autotuning of a dataset.

    Its thread delays the end of `fit` by up to five seconds, which does not matter in
    long training, but in the few steps of a benchmark.
    """
    threads = tf.data.Options()
    threads.autotune.enabled = False
    return dataset.with_options(threads)
