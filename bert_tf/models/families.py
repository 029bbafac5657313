"""The members of the family around BERT, in one table of their differences.

A member is the model of its paper, in any size, with the options of its pre-training;
`compact` is a recipe of this project for hours of a few cores. Each option can be
changed by its own flag, and each field of the config in a `--config_file`.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from bert_tf.models import config as configs
from bert_tf.models.config import BertConfig
from bert_tf.models.elmo import ElmoEncoder
from bert_tf.models.encoder import BertEncoder

if TYPE_CHECKING:
    # For annotations alone: models on other backends work without TensorFlow.
    from bert_tf.models.objectives import Name as ObjectiveName
    from bert_tf.optim.optimizers import OptimizerName
    from data_pipelines.pretraining.row_options import MaskingUnit, SentenceTask
    from data_pipelines.tokenizers.casing import LearnedKind

Name = Literal[
    "bert", "roberta", "albert", "electra", "modern", "compact", "gpt", "elmo"
]
Preset = Literal["tiny", "mini", "small", "medium", "base", "large"]
# "auto": bfloat16 where the machine computes products in it, else float32.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Options of `pretrain` that differ among the members; the defaults are BERT's.

    (Devlin et al. 2018, section 3.1 and appendix A.2.)
    """

    preset: Preset = "base"
    vocab_size: int = 30522
    sequence_length: int = 128
    long_sequence_length: int | None = None
    learn_vectors: bool = False
    dtype: Dtype = "float32"
    tokenizer: "LearnedKind" = "wordpiece"
    objective: "ObjectiveName" = "masked_lm"
    sentences: "SentenceTask" = "next_sentence"
    masking_kind: "MaskingUnit" = "token"
    mlm_rate: float = 0.15
    mask_rate: float = 0.8
    random_rate: float = 0.1
    batch_size: int = 256
    optimizer: "OptimizerName" = "adamw_bert"
    learning_rate: float = 1e-4
    beta_2: float = 0.999

    @property
    def sentence_task(self) -> str | None:
        """The task that the sentence head is trained on; None without such a head."""
        return None if self.sentences == "full_sentences" else self.sentences


@dataclasses.dataclass(frozen=True)
class Family:
    """The changes that make BERT another member."""

    # Fields of the config, besides those of the size.
    config: Mapping[str, Any]
    # Defaults of the options of `pretrain`.
    recipe: Recipe
    # The width of the feed-forward layers, in widths of the model.
    intermediate_factor: float = 4


# Warner et al. 2024, section 2 and table 3.
_MODERN = {
    "hidden_act": "geglu",
    "norm_position": "pre",
    "position_embeddings": "rotary",
    "local_attention": 64,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-5,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pooler": False,
}

FAMILIES: dict[str, Family] = {
    "bert": Family({}, Recipe()),
    # Liu et al. 2019, section 3.1 and table 9. Positions begin after that of padding,
    # and there is a single segment, as in the published models.
    "roberta": Family(
        {
            "hidden_act": "gelu",
            "type_vocab_size": 1,
            "position_offset": 1,
            "max_position_embeddings": 513,
            "layer_norm_eps": 1e-5,
            "pooler": False,
        },
        Recipe(
            tokenizer="byte_bpe",
            sentences="full_sentences",
            batch_size=8192,
            optimizer="adamw",
            learning_rate=6e-4,
            beta_2=0.98,
        ),
    ),
    # Lan et al. 2020, sections 3.1 and 4.1; without dropout, section 4.8.
    "albert": Family(
        {
            "embedding_size": 128,
            "share_layers": True,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        Recipe(
            sentences="sentence_order",
            masking_kind="span",
            batch_size=4096,
            optimizer="lamb",
            learning_rate=1.76e-3,
        ),
    ),
    # Clark et al. 2020, appendix A.
    "electra": Family(
        {"hidden_act": "gelu", "pooler": False, "pooler_activation": "gelu"},
        Recipe(
            objective="replaced_tokens",
            sentences="full_sentences",
            mask_rate=0.85,
            random_rate=0.0,
            optimizer="adamw",
            learning_rate=2e-4,
        ),
    ),
    # ModernBERT. Rows are full: sentences continue across the ends of documents.
    "modern": Family(
        _MODERN,
        Recipe(
            sentences="full_sentences",
            mlm_rate=0.3,
            optimizer="adamw",
            learning_rate=8e-4,
            beta_2=0.98,
        ),
    ),
    # The blocks that ModernBERT has in transformers, so that models can be converted
    # to it, as many feed-forward weights as in BERT, and options for a budget of hours;
    # docs/quality_per_hour.md measures them. There is no sentence task, so pairs are
    # compared by the head.
    "compact": Family(
        {
            **_MODERN,
            "first_norm": False,
            "biases": False,
            "head_transform": True,
            "compares_texts": True,
        },
        Recipe(
            preset="mini",
            vocab_size=20_000,
            sequence_length=64,
            long_sequence_length=256,
            learn_vectors=True,
            dtype="auto",
            sentences="full_sentences",
            mlm_rate=0.2,
            batch_size=32,
            optimizer="adamw",
            learning_rate=1e-3,
            beta_2=0.98,
        ),
        intermediate_factor=2.75,
    ),
    # Radford et al. 2018, section 4.1.
    "gpt": Family(
        {"type_vocab_size": 0, "causal": True, "pooler": False},
        Recipe(
            objective="next_token",
            sentences="full_sentences",
            batch_size=64,
            optimizer="adamw",
            learning_rate=2.5e-4,
        ),
    ),
    # Peters et al. 2018, section 3.4: two layers in any size.
    "elmo": Family(
        {
            "architecture": "elmo",
            "num_hidden_layers": 2,
            "type_vocab_size": 0,
            "pooler": False,
            "tie_word_embeddings": False,
        },
        Recipe(
            objective="both_directions",
            sentences="full_sentences",
            batch_size=128,
            optimizer="adamw",
            learning_rate=1e-3,
        ),
    ),
}


def make_config(family: str, preset: str, vocab_size: int) -> BertConfig:
    """Makes the config of a member in a named size.

    Raises:
        ValueError: the preset is unknown.
    """
    member = FAMILIES[family]
    config = configs.preset(preset, vocab_size, **member.config)
    intermediate_size = int(member.intermediate_factor * config.hidden_size)
    return dataclasses.replace(config, intermediate_size=intermediate_size)


def make_encoder(config: BertConfig, dtype: Any = None) -> BertEncoder | ElmoEncoder:
    """Makes an encoder with random weights, named `encoder`."""
    if config.architecture == "elmo":
        return ElmoEncoder(config, name="encoder", dtype=dtype)
    return BertEncoder(config, name="encoder", dtype=dtype)
