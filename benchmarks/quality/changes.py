"""Changes of `--family=compact`, of which each is measured."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from bert_tf.models.config import BertConfig
from bert_tf.models.families import FAMILIES, make_config

_RECIPE = FAMILIES["compact"].recipe


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of the family.

    Attributes:
        config: fields of the model's config.
        options: options of `bert_tf.pretrain`.
        vocab_size: the number of pieces.
    """

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vocab_size: int = _RECIPE.vocab_size

    def made_config(self) -> BertConfig:
        """The config of the changed model."""
        config = make_config("compact", _RECIPE.preset, self.vocab_size)
        return dataclasses.replace(config, **self.config)

    def described(self) -> str:
        """The change in words, for a table."""
        values = {**self.config, **self.options}
        if self.vocab_size != _RECIPE.vocab_size:
            values["vocab_size"] = self.vocab_size
        return ", ".join(f"{name}={value}" for name, value in values.items())


CHANGES = {
    "base": Change(),
    # The blocks and rows of docs/recipe_90_minutes.md.
    "recipe_90_minutes": Change(
        {
            "hidden_act": "gelu_tanh",
            "intermediate_size": 1024,
            "first_norm": True,
            "biases": True,
            "local_attention": None,
            "head_transform": False,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "pooler": True,
        },
        {"sentences": "next_sentence"},
    ),
    "random_vectors": Change(options={"token_vectors": None}),
    "rate_5e-4": Change(options={"learning_rate": 5e-4}),
    "rate_2e-3": Change(options={"learning_rate": 2e-3}),
    "initial_0.05": Change({"initializer_range": 0.05}),
    "first_norm": Change({"first_norm": True}),
    "biases": Change({"biases": True}),
    "global_attention": Change({"local_attention": None}),
    "beta_2_0.999": Change(options={"beta_2": 0.999}),
    "masked_0.15": Change(options={"mlm_rate": 0.15}),
    "masked_0.3": Change(options={"mlm_rate": 0.3}),
    "all_masked": Change(options={"mask_rate": 1.0, "random_rate": 0.0}),
    "deep": Change({"num_hidden_layers": 8, "intermediate_size": 384}),
    "wide": Change(
        {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1056}
    ),
    "vocabulary_8k": Change(vocab_size=8_000),
    "factorised": Change({"embedding_size": 128}),
    "rows_of_128": Change(options={"sequence_length": 128, "batch_size": 16}),
    "short_rows": Change(options={"long_sequence_length": 64}),
    "batch_1k": Change(options={"batch_size": 16}),
    "batch_4k": Change(options={"batch_size": 64}),
    "decay_0.1": Change(options={"weight_decay": 0.1}),
}
