"""The recipe whose parts are measured, and the changes of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

# The blocks of ModernBERT, as wide and deep as BERT Mini.
BASE_CONFIG: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 704,
    "max_position_embeddings": 512,
    "hidden_act": "geglu",
    "norm_position": "pre",
    "position_embeddings": "rotary",
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-5,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pooler": False,
}
BASE_OPTIONS: dict[str, Any] = {
    "dtype": "bfloat16",
    "optimizer": "adamw",
    "beta_2": 0.98,
    "learning_rate": 1e-3,
    "batch_size": 32,
    "mlm_rate": 0.2,
    "sequence_length": 64,
    "sentences": "full_sentences",
    "num_eval_batches": 20,
}


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of the recipe.

    Attributes:
        config: fields of the model's config.
        options: options of `bert_tf.pretrain`.
        vocab_size: the number of pieces.
    """

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    vocab_size: int = 20_000

    def described(self) -> str:
        """The change in words, for a table."""
        values = {**self.config, **self.options}
        if self.vocab_size != 20_000:
            values["vocab_size"] = self.vocab_size
        return ", ".join(f"{name}={value}" for name, value in values.items())


CHANGES = {
    "base": Change(),
    # The blocks and rows of docs/recipe_90_minutes.md.
    "recipe_90_minutes": Change(
        {
            "hidden_act": "gelu_tanh",
            "intermediate_size": 1024,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "pooler": True,
        },
        {"sentences": "next_sentence"},
    ),
    "random_vectors": Change(options={"token_vectors": None}),
    "rate_2e-3": Change(options={"learning_rate": 2e-3}),
    "rate_4e-3": Change(options={"learning_rate": 4e-3}),
    "initial_0.05": Change({"initializer_range": 0.05}),
    # What the config of ModernBERT in transformers can say.
    "modernbert": Change(
        {
            "first_norm": False,
            "biases": False,
            "local_attention": 64,
            "head_transform": True,
        }
    ),
    "beta_2_0.999": Change(options={"beta_2": 0.999}),
    "masked_0.15": Change(options={"mlm_rate": 0.15}),
    "masked_0.3": Change(options={"mlm_rate": 0.3}),
    "all_masked": Change(options={"mask_rate": 1.0, "random_rate": 0.0}),
    "deep": Change({"num_hidden_layers": 8, "intermediate_size": 384}),
    "wide": Change(
        {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1024}
    ),
    "no_biases": Change({"biases": False}),
    "vocabulary_8k": Change(vocab_size=8_000),
    "factorised": Change({"embedding_size": 128}),
    "rows_of_128": Change(options={"sequence_length": 128, "batch_size": 16}),
    "batch_1k": Change(options={"batch_size": 16}),
    "batch_4k": Change(options={"batch_size": 64}),
    "decay_0.1": Change(options={"weight_decay": 0.1}),
}
