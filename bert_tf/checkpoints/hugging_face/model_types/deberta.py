"""DeBERTa, versions 2 and 3 (He et al. 2021): attention to relative positions."""

from bert_tf.checkpoints.hugging_face.model_type import (
    FIXED,
    ModelType,
    Values,
    refused,
)
from bert_tf.checkpoints.hugging_face.model_types.bert import (
    CLASSIFIER,
    MLM_HEAD,
    OLD_NAMES,
    SPAN_QA,
    blocks,
    embeddings,
)
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Heads for whole texts begin with a dense layer and an activation on the first token.
_TEXT_HEAD = {"encoder/pooler": "pooler.dense", "head": "classifier"}
_POSITIONS = ["c2p", "p2c"]
_HEAD = "lm_predictions.lm_head"


def _to_ours(values: Values) -> Values:
    kinds = values["pos_att_type"] or []
    kinds = kinds.lower().split("|") if isinstance(kinds, str) else kinds
    if sorted(kind.strip() for kind in kinds) != _POSITIONS:
        raise refused({"pos_att_type": kinds}, f"pos_att_type={_POSITIONS}")
    width, heads = values["hidden_size"], values["num_attention_heads"]
    for name, expected in {
        "embedding_size": width,
        "attention_head_size": width // heads,
        "pooler_hidden_size": width,
    }.items():
        if values.get(name, expected) != expected:
            raise refused({name: values[name]}, f"{name}={expected}")
    farthest = values["max_relative_positions"]
    return {
        "pooler_activation": values["pooler_hidden_act"],
        "relative_buckets": max(0, values["position_buckets"]),
        "max_relative_distance": (
            farthest if farthest >= 1 else values["max_position_embeddings"]
        ),
        "convolution_width": values["conv_kernel_size"],
        "convolution_activation": values["conv_act"],
    }


def _to_theirs(config: BertConfig, vocabulary: Vocabulary) -> Values:
    convolution = {}
    if config.convolution_width:
        convolution = {
            "conv_kernel_size": config.convolution_width,
            "conv_act": config.convolution_activation,
        }
    return {
        "relative_attention": True,
        "position_biased_input": False,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": config.relative_buckets or -1,
        "max_relative_positions": config.max_relative_distance,
        "pooler_hidden_act": config.pooler_activation,
        "pooler_hidden_size": config.hidden_size,
        "pooler_dropout": 0,
        **convolution,
    }


DEBERTA = ModelType(
    name="deberta-v2",
    class_name="DebertaV2",
    prefix="deberta.",
    base_layers=("embeddings.", "encoder."),
    encoder={
        **embeddings("deberta"),
        **blocks("deberta", "attention.self.{query_proj,key_proj,value_proj}"),
        "encoder/relative_positions/distance_table": (
            "deberta.encoder.rel_embeddings.weight"
        ),
        "encoder/relative_positions/norm": "deberta.encoder.LayerNorm",
        "encoder/convolution": "deberta.encoder.conv.conv",
        "encoder/convolution/norm": "deberta.encoder.conv.LayerNorm",
    },
    heads={
        "pretraining": MLM_HEAD,
        "classification": _TEXT_HEAD,
        "regression": _TEXT_HEAD,
        "multiple_choice": _TEXT_HEAD,
        "token_tagging": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    defaults={
        "vocab_size": 128100,
        "hidden_size": 1536,
        "num_hidden_layers": 24,
        "num_attention_heads": 24,
        "intermediate_size": 6144,
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-7,
        "relative_attention": False,
        "position_biased_input": True,
        "share_att_key": False,
        "norm_rel_ebd": "none",
        "pos_att_type": None,
        "position_buckets": -1,
        "max_relative_positions": -1,
        "pooler_hidden_act": "gelu",
        "conv_kernel_size": 0,
        "conv_act": "tanh",
        "conv_groups": 1,
    },
    fixed={
        **FIXED,
        "relative_attention": True,
        "position_biased_input": False,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "conv_groups": 1,
    },
    variants={"position_embeddings": "relative"},
    free=("pooler_activation", "convolution_width"),
    to_ours=_to_ours,
    to_theirs=_to_theirs,
    old_names={
        **OLD_NAMES,
        f"{_HEAD}.dense": MLM_HEAD["mlm_head/transform"],
        f"{_HEAD}.LayerNorm": MLM_HEAD["mlm_head/norm"],
        f"{_HEAD}.bias": MLM_HEAD["mlm_head/output_bias"],
    },
    # The head that detects replaced tokens: it says nothing without its generator.
    left_out=("mask_predictions.",),
)
