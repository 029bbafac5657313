"""MPNet (Song et al. 2020): a bias of attention for each distance."""

from bert_tf.checkpoints.hugging_face.model_type import FIXED, ModelType, Values
from bert_tf.checkpoints.hugging_face.model_types.bert import (
    CLASSIFIER,
    OLD_NAMES,
    SPAN_QA,
    blocks,
    embeddings,
)
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Fixed in their code, as are the ids that positions are counted from.
_BUCKETS, _PAD_ID = 32, 1
_OURS, _THEIRS = "encoder/block_{layer}", "mpnet.encoder.layer.{layer}"
_CLASSIFIER = {"encoder/pooler": "classifier.dense", "head": "classifier.out_proj"}


def _obstacles(config: BertConfig, vocabulary: Vocabulary) -> Values:
    return {} if vocabulary.pad_id == _PAD_ID else {"pad_id": vocabulary.pad_id}


MPNET = ModelType(
    name="mpnet",
    class_name="MPNet",
    prefix="mpnet.",
    encoder={
        **embeddings("mpnet"),
        **blocks("mpnet", "attention.attn.{q,k,v}"),
        f"{_OURS}/attention/output": f"{_THEIRS}.attention.attn.o",
        f"{_OURS}/attention_norm": f"{_THEIRS}.attention.LayerNorm",
        "encoder/relative_bias/bucket_table": (
            "mpnet.encoder.relative_attention_bias.weight"
        ),
        "encoder/pooler": "mpnet.pooler.dense",
    },
    heads={
        "pretraining": {
            "mlm_head/transform": "lm_head.dense",
            "mlm_head/norm": "lm_head.layer_norm",
            "mlm_head/output_bias": "lm_head.bias",
            "mlm_head/output_table": "lm_head.decoder.weight",
        },
        "classification": _CLASSIFIER,
        "regression": _CLASSIFIER,
        "token_tagging": CLASSIFIER,
        "multiple_choice": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    defaults={"vocab_size": 30527, "hidden_act": "gelu"},
    fixed={**FIXED, "relative_attention_num_buckets": _BUCKETS},
    variants={
        "type_vocab_size": 0,
        "position_offset": _PAD_ID + 1,
        "bias_buckets": _BUCKETS,
    },
    to_theirs=lambda config, vocabulary: {"relative_attention_num_buckets": _BUCKETS},
    obstacles=_obstacles,
    old_names=OLD_NAMES,
)
