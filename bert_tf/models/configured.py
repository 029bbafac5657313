"""The part that all models of a `BertConfig` share: their serialization by Keras."""

from typing import Any, Self

import keras

from bert_tf.models.config import BertConfig


class ConfiguredModel(keras.Model):
    """A model whose first argument is the config of its encoder.

    It is an encoder with the attribute `config`, or has one as its attribute `encoder`.
    """

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, as plain values."""
        encoder = self if hasattr(self, "config") else self.encoder
        return {
            "config": encoder.config.to_dict(),
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The model that `get_config` described."""
        return cls(**{**config, "config": BertConfig.from_dict(config["config"])})
