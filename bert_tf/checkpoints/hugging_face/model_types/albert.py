"""ALBERT (Lan et al. 2020): one block applied many times, over narrow embeddings."""

from bert_tf.checkpoints.hugging_face.model_type import FIXED, ModelType, Values
from bert_tf.checkpoints.hugging_face.model_types.bert import (
    CLASSIFIER,
    OLD_NAMES,
    SPAN_QA,
    embeddings,
)
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

_BLOCK = "albert.encoder.albert_layer_groups.0.albert_layers.0"
_GROUPS = {"num_hidden_groups": 1, "inner_group_num": 1}


def _to_theirs(config: BertConfig, vocabulary: Vocabulary) -> Values:
    return {"embedding_size": config.embedding_size or config.hidden_size, **_GROUPS}


ALBERT = ModelType(
    name="albert",
    class_name="Albert",
    prefix="albert.",
    encoder={
        **embeddings("albert"),
        "encoder/embeddings/projection": "albert.encoder.embedding_hidden_mapping_in",
        "encoder/block_0/attention/query_key_value": (
            f"{_BLOCK}.attention.{{query,key,value}}"
        ),
        "encoder/block_0/attention/output": f"{_BLOCK}.attention.dense",
        "encoder/block_0/attention_norm": f"{_BLOCK}.attention.LayerNorm",
        "encoder/block_0/feed_forward/expansion": f"{_BLOCK}.ffn",
        "encoder/block_0/feed_forward/contraction": f"{_BLOCK}.ffn_output",
        "encoder/block_0/feed_forward_norm": f"{_BLOCK}.full_layer_layer_norm",
        "encoder/pooler": "albert.pooler",
    },
    heads={
        "pretraining": {
            "mlm_head/transform": "predictions.dense",
            "mlm_head/norm": "predictions.LayerNorm",
            "mlm_head/output_bias": "predictions.bias",
            "mlm_head/output_table": "predictions.decoder.weight",
            "sentence_head": "sop_classifier.classifier",
        },
        "classification": CLASSIFIER,
        "regression": CLASSIFIER,
        "token_tagging": CLASSIFIER,
        "multiple_choice": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    defaults={
        "vocab_size": 30000,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "embedding_size": 128,
    },
    fixed={**FIXED, **_GROUPS},
    variants={"share_layers": True},
    free=("embedding_size",),
    to_ours=lambda values: {"embedding_size": values["embedding_size"]},
    to_theirs=_to_theirs,
    obstacles=lambda config, vocabulary: (
        {} if config.type_vocab_size else {"type_vocab_size": 0}
    ),
    old_names=OLD_NAMES,
    sentence_task="sentence_order",
)
