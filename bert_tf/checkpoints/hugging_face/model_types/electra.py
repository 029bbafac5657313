"""ELECTRA (Clark et al. 2020): the discriminator, or the generator, as a model."""

from bert_tf.checkpoints.hugging_face.model_type import ModelType, Values
from bert_tf.checkpoints.hugging_face.model_types.bert import (
    CLASSIFIER,
    OLD_NAMES,
    SPAN_QA,
    blocks,
    embeddings,
)
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Heads for whole texts begin with a dense layer and GELU on the first token.
_CLASSIFIER = {"encoder/pooler": "classifier.dense", "head": "classifier.out_proj"}


def _to_ours(values: Values) -> Values:
    width = values["embedding_size"]
    return {"embedding_size": None if width == values["hidden_size"] else width}


def _to_theirs(config: BertConfig, vocabulary: Vocabulary) -> Values:
    return {
        "embedding_size": config.embedding_size or config.hidden_size,
        "summary_type": "first",
        "summary_use_proj": True,
        "summary_activation": "gelu",
    }


ELECTRA = ModelType(
    name="electra",
    class_name="Electra",
    prefix="electra.",
    base_layers=("embeddings.", "embeddings_project.", "encoder."),
    encoder={
        **embeddings("electra"),
        "encoder/embeddings/projection": "electra.embeddings_project",
        **blocks("electra"),
    },
    heads={
        "pretraining": {
            "mlm_head/transform": "generator_predictions.dense",
            "mlm_head/norm": "generator_predictions.LayerNorm",
            "mlm_head/output_bias": "generator_lm_head.bias",
            "mlm_head/output_table": "generator_lm_head.weight",
        },
        "classification": _CLASSIFIER,
        "regression": _CLASSIFIER,
        "multiple_choice": {
            "encoder/pooler": "sequence_summary.summary",
            "head": "classifier",
        },
        "token_tagging": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    # The head of the generator has GELU, whatever the encoder has.
    activations={"gelu": "gelu"},
    defaults={
        "vocab_size": 30522,
        "embedding_size": 128,
        "hidden_size": 256,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "hidden_act": "gelu",
    },
    variants={"pooler_activation": "gelu"},
    free=("embedding_size",),
    to_ours=_to_ours,
    to_theirs=_to_theirs,
    obstacles=lambda config, vocabulary: (
        {} if config.type_vocab_size else {"type_vocab_size": 0}
    ),
    old_names=OLD_NAMES,
    # It says nothing without the generator whose tokens it detects.
    left_out=("discriminator_predictions.",),
)
