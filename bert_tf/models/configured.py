"""The base of all models of a `BertConfig`, which Keras saves and exports."""

import os
from collections.abc import Mapping
from typing import Any, Self

import keras

from bert_tf.models.config import BertConfig


class ConfiguredModel(keras.Model):
    """A model whose first argument is the config of its encoder.

    It is an encoder with the attribute `config`, or has one as its attribute `encoder`.
    """

    def symbolic_inputs(self) -> dict[str, Any]:
        """Makes a `keras.Input` for each tensor that the model reads.

        They are the inputs of a functional model,
        `keras.Model(inputs, model(inputs))`, and of an exported one. Packed rows have
        more of them, see `BertEncoder`.

        Returns:
            `token_ids` int32 and `padding_mask` bool (batch, sequence), `segment_ids`
            int32 (batch, sequence) where the encoder tells segments apart, and those of
            the head.
        """
        dtypes = {"token_ids": "int32", "padding_mask": "bool"}
        if _encoder_of(self).config.type_vocab_size > 1:
            dtypes["segment_ids"] = "int32"
        return {
            name: keras.Input((None,), dtype=dtype, name=name)
            for name, dtype in {**dtypes, **self._head_inputs()}.items()
        }

    def _head_inputs(self) -> dict[str, str]:
        """Returns the dtypes of the inputs beside the encoder's, (batch, any) each."""
        return {}

    def export(
        self,
        filepath: str | os.PathLike,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Exports the model, by default with the inputs of `symbolic_inputs`.

        See `keras.Model.export` for the arguments.
        """
        if input_signature is None:
            # Keras' own guess is float32 inputs, of the shapes in `build`.
            input_signature = [self.symbolic_inputs()]
        super().export(filepath, format, verbose, input_signature, **kwargs)

    @property
    def _default_save_signature(self) -> Any:
        """The function that `tf.saved_model.save` asks a Keras model for."""
        if keras.config.backend() != "tensorflow":
            return None
        import tensorflow as tf  # Imported here: other backends work without it.

        signature = {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, tensor in self.symbolic_inputs().items()
        }
        return tf.function(lambda inputs: self(inputs), [signature], autograph=False)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, as plain values."""
        encoder = _encoder_of(self)
        return {
            "config": encoder.config.to_dict(),
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "name": self.name,
            "trainable": self.trainable,
            "encoder_trainable": encoder.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Makes the model that `get_config` describes."""
        arguments = {**config, "config": BertConfig.from_dict(config["config"])}
        is_trainable = arguments.pop("trainable", True)
        has_trainable_encoder = arguments.pop("encoder_trainable", True)
        model = cls(**arguments)
        # False is set afterwards, so that it reaches the layers. True would reach an
        # encoder that the constructor has frozen.
        if not has_trainable_encoder:
            _encoder_of(model).trainable = False
        if not is_trainable:
            model.trainable = False
        return model


def _encoder_of(model: Any) -> Any:
    # No property: Keras would save the encoder under its name, too.
    return model if hasattr(model, "config") else model.encoder


def require_inputs(inputs: Any) -> None:
    """Raises ValueError where `token_ids` or `padding_mask` is missing."""
    names = set(inputs) if isinstance(inputs, Mapping) else set()
    missing = sorted({"token_ids", "padding_mask"} - names)
    if missing:
        received = sorted(names) if names else f"{type(inputs).__name__}"
        raise ValueError(
            f"Received the inputs {received} without {' and '.join(missing)}. Expected "
            "a dict of token_ids, int32 (batch, sequence), and padding_mask, bool of "
            "the same shape, True for real tokens: add it, as token_ids != 0 where the "
            "padding is 0."
        )
