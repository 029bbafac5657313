"""The config of a model: sizes, variants, named presets, and `bert_config.json`."""

import dataclasses
import json
import math
from typing import Any

HIDDEN_ACTS = ("gelu", "gelu_tanh", "relu", "geglu")
_VARIANTS = {
    "hidden_act": HIDDEN_ACTS,
    "architecture": ("transformer", "elmo"),
    "position_embeddings": ("learned", "sinusoidal", "rotary", "relative", "none"),
    "norm_position": ("post", "pre"),
    "pooler_activation": ("tanh", "gelu", "relu"),
    "text_pooling": ("mean", "first"),
    "convolution_activation": ("tanh", "gelu"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BertConfig:
    """Sizes and variants of an encoder, named as in Google's `bert_config.json`.

    The fields after `initializer_range` are not in Google's files; their defaults
    give the original model. ALBERT, RoBERTa, ModernBERT, DeBERTa and others are
    settings of these fields; `bert_tf.checkpoints.hugging_face.model_types` has them.

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
    # Whether a "pre" encoder normalizes the input of its first attention, too
    # (ModernBERT does not: its embeddings are normalized).
    first_norm: bool = True
    # Whether dense layers and normalizations add a bias (ModernBERT: only the layers
    # that compute logits).
    biases: bool = True
    # "relative": keys and queries of relative positions in each attention (DeBERTa).
    position_embeddings: str = "learned"
    # Base of the wavelengths of rotary positions, and that of layers with local
    # attention; None for the same.
    rotary_base: float = 10000.0
    local_rotary_base: float | None = None
    # For "relative": distances of at least half as many tokens share logarithmic
    # buckets up to the maximum distance. 0: each distance has its own.
    relative_buckets: int = 0
    max_relative_distance: int = 512
    # Number of buckets of distances that each head has a bias for (MPNet); 0 for no
    # such bias.
    bias_buckets: int = 0
    # Number of tokens that a convolution beside the first block reads (DeBERTa v2); 0
    # for none.
    convolution_width: int = 0
    convolution_activation: str = "tanh"
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
    pooler_activation: str = "tanh"
    # What a head for whole texts reads where there is no pooler: the mean of the
    # tokens, or the first one.
    text_pooling: str = "mean"
    # Whether fine-tuned heads begin with a dense layer, GELU and a normalization, as
    # the masked-LM head does (ModernBERT).
    head_transform: bool = False
    # Whether a classifier of pairs also reads how similar the two texts are, see
    # `bert_tf.layers.text_comparison`: a help for small models without a sentence task.
    compares_texts: bool = False
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
            "max_relative_distance",
        ):
            self._expect(name, getattr(self, name) >= 1, "a positive number")
        is_valid = self.local_attention is None or self.local_attention >= 1
        self._expect("local_attention", is_valid, "a positive number, or None")
        for name in ("num_hidden_layers", "type_vocab_size", "position_offset"):
            self._expect(name, getattr(self, name) >= 0, "0 or more")
        for name in ("relative_buckets", "bias_buckets"):
            value = getattr(self, name)
            self._expect(name, value == 0 or value >= 4, "4 or more, or 0 for none")
        width = self.convolution_width
        is_valid = width == 0 or (width > 0 and width % 2 == 1)
        self._expect("convolution_width", is_valid, "an odd number, or 0 for none")
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
        for name in ("rotary_base", "local_rotary_base"):
            base = getattr(self, name)
            is_valid = base is None or 1 < base < math.inf
            self._expect(name, is_valid, "a finite number above 1")
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

    def is_local(self, layer: int) -> bool:
        """Returns whether the attention of a layer, counted from 0, is local."""
        is_global = layer % self.global_attention_every == 0
        return self.local_attention is not None and not is_global

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
