"""The config of a model: sizes, variants, named presets, and `bert_config.json`."""

import dataclasses
import json
import math
from typing import Any

HIDDEN_ACTS = ("gelu", "gelu_tanh", "relu", "geglu")
_VARIANTS = {
    "hidden_act": HIDDEN_ACTS,
    "architecture": ("transformer", "elmo"),
    "position_embeddings": ("learned", "sinusoidal", "rotary", "none"),
    "norm_position": ("post", "pre"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Sizes and variants of an encoder, named as in Google's `bert_config.json`.

    The fields after `initializer_range` are not in Google's files; their defaults
    give the original model. ALBERT and RoBERTa are settings of these fields.

    Raises:
        ValueError: a size is not positive, two sizes do not fit each other, or a
            variant has an unknown name.
    """

    vocab_size: int
    hidden_size: int = 768
    # 0 for the embeddings alone, such as static word vectors. The number of heads and
    # the intermediate size are not used then.
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    # "gelu" is the exact form (erf). Google's code computes the tanh
    # approximation although its files say "gelu".
    hidden_act: str = "gelu_tanh"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    # 0: no segment embeddings (RoBERTa).
    type_vocab_size: int = 2
    initializer_range: float = 0.02

    # "elmo" is for LSTMs over characters, see `ElmoEncoder`. Of the other fields they
    # use `vocab_size`, `hidden_size`, `num_hidden_layers`, `hidden_dropout_prob` and
    # `pooler` alone.
    architecture: str = "transformer"
    layer_norm_eps: float = 1e-12
    # "post" normalizes after each residual addition, as the original does; "pre"
    # normalizes the input of each part, and once more after the last block.
    norm_position: str = "post"
    position_embeddings: str = "learned"
    # Position of the first token (2 in RoBERTa).
    position_offset: int = 0
    # Whether the sum of the embeddings is normalized.
    embedding_norm: bool = True
    # Width of the embeddings before they are projected to `hidden_size`
    # (ALBERT); None for `hidden_size`, without a projection.
    embedding_size: int | None = None
    # Whether one block is applied `num_hidden_layers` times (ALBERT).
    share_layers: bool = False
    # Whether a token attends to itself and to the tokens before it alone (GPT).
    causal: bool = False
    # Distance, in tokens, to which a token attends on either side; None for any. One
    # layer in `global_attention_every`, beginning with the first, attends to all tokens
    # all the same (ModernBERT).
    local_attention: int | None = None
    global_attention_every: int = 3
    # Whether there is a dense layer over the first token; some published encoders lack
    # it.
    pooler: bool = True
    # Whether the masked-LM head multiplies by the token table of the encoder.
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "hidden_size",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "global_attention_every",
        ):
            self._expect(name, getattr(self, name) >= 1, "a positive number")
        is_valid = self.local_attention is None or self.local_attention >= 1
        self._expect("local_attention", is_valid, "a positive number, or None")
        for name in ("num_hidden_layers", "type_vocab_size", "position_offset"):
            self._expect(name, getattr(self, name) >= 0, "0 or more")
        self._expect(
            "pooler",
            not self.pooler or self.num_hidden_layers > 0,
            "False without layers: no token has seen the others",
        )
        # Without layers there are no heads.
        self._expect(
            "num_attention_heads",
            not self.num_hidden_layers
            or self.hidden_size % self.num_attention_heads == 0,
            f"a divisor of hidden_size={self.hidden_size}",
        )
        for name, allowed in _VARIANTS.items():
            self._expect(name, getattr(self, name) in allowed, f"one of {allowed}")
        is_even = self.architecture != "elmo" or self.hidden_size % 2 == 0
        self._expect("hidden_size", is_even, "an even number for ELMo")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            self._expect(name, 0 <= getattr(self, name) < 1, "a rate in [0, 1)")
        for name in ("initializer_range", "layer_norm_eps"):
            is_valid = 0 <= getattr(self, name) < math.inf
            self._expect(name, is_valid, "a finite number, 0 or more")
        if self.position_embeddings == "rotary":
            self._expect(
                "num_attention_heads",
                (self.hidden_size // self.num_attention_heads) % 2 == 0,
                "heads of an even width, which rotary positions need",
            )

    def _expect(self, name: str, holds: bool, expected: Any) -> None:
        if not holds:
            raise ValueError(
                f"Received {name}={getattr(self, name)!r} in the model's config. "
                f"Expected {expected}."
            )

    @property
    def max_sequence_length(self) -> int:
        """The number of tokens of the longest row that there are positions for."""
        return self.max_position_embeddings - self.position_offset

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "BertConfig":
        """Makes the config with these fields.

        Raises:
            ValueError: a field is unknown, or `vocab_size` is missing.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"Received the unknown config fields {unknown}. Expected some of "
                f"{sorted(known)}: remove or rename them."
            )
        if "vocab_size" not in values:
            raise ValueError(
                "Received a config without vocab_size. Expected the number of pieces "
                "of the vocabulary: add it."
            )
        return cls(**values)

    @classmethod
    def from_file(cls, path: str) -> "BertConfig":
        """Reads a `bert_config.json`, local or remote."""
        # Imported here: layers on other backends work without TensorFlow.
        from data_pipelines.files.json_files import read_json
        from data_pipelines.files.paths import exists

        if not exists(path):
            raise FileNotFoundError(
                f"Received {path!r}, where there is no model config. Expected a "
                "bert_config.json: check the path."
            )
        try:
            return cls.from_dict(read_json(path))
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a BERT config: {error}") from None

    def to_json(self) -> str:
        """Returns the text of a `bert_config.json` of this config."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def preset(name: str, vocab_size: int, **changes: Any) -> BertConfig:
    """Makes the config of a named size, with some fields changed.

    Raises:
        ValueError: the name is not in `PRESETS`.
    """
    if name not in PRESETS:
        raise ValueError(f"Received preset={name!r}. Expected one of {list(PRESETS)}.")
    return BertConfig(vocab_size=vocab_size, **{**PRESETS[name], **changes})


def _size(layers: int, hidden_size: int) -> dict[str, int]:
    # Heads are 64 wide and the feed-forward part four times the hidden size in
    # every model that Google published.
    return {
        "num_hidden_layers": layers,
        "hidden_size": hidden_size,
        "num_attention_heads": hidden_size // 64,
        "intermediate_size": 4 * hidden_size,
    }


# The paper's base and large, and the smaller ones of "Well-Read Students Learn
# Better" (arXiv 1908.08962).
PRESETS = {
    "tiny": _size(2, 128),
    "mini": _size(4, 256),
    "small": _size(4, 512),
    "medium": _size(8, 512),
    "base": _size(12, 768),
    "large": _size(24, 1024),
}
