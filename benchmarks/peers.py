"""Models of other projects of the same size, and what makes their runs comparable."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.models.config import BertConfig
from bert_tf.training.hardware import POLICIES


def keras_hub_backbone(config: BertConfig, dtype: str) -> Any:
    """KerasHub's encoder."""
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
    """The optimizer, clipping and loss that ours has, as Keras has them."""
    model.compile(
        optimizer=keras.optimizers.AdamW(
            learning_rate, weight_decay=0.01, global_clipnorm=1.0
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[],
        jit_compile=False,
    )


def hugging_face_config(config: BertConfig) -> Any:
    """Sizes, for a model of transformers."""
    import transformers

    return transformers.BertConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
    )


def without_tuning(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset without the thread that tunes it.

    It delays the end of a `fit` by up to five seconds, which long training does not
    feel and a benchmark's few steps would.
    """
    threads = tf.data.Options()
    threads.autotune.enabled = False
    return dataset.with_options(threads)
