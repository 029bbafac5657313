"""RoBERTa (Liu et al. 2019), and its multilingual and French siblings."""

import dataclasses

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

# The first head is a dense layer with tanh on the first token, which is a pooler,
# followed by the output layer.
_CLASSIFIER = {"encoder/pooler": "classifier.dense", "head": "classifier.out_proj"}


def _to_ours(values: Values) -> Values:
    # Their positions begin after the id of the padding token.
    return {"position_offset": values.get("pad_token_id", 1) + 1}


def _obstacles(config: BertConfig, vocabulary: Vocabulary) -> Values:
    found: Values = {}
    if config.position_offset != vocabulary.pad_id + 1:
        found["position_offset"] = config.position_offset
    if config.type_vocab_size == 0:
        found["type_vocab_size"] = 0
    if vocabulary.kind == "sentencepiece":
        found["tokenizer"] = vocabulary.kind
    return found


def _multilingual_obstacles(config: BertConfig, vocabulary: Vocabulary) -> Values:
    found = _obstacles(config, vocabulary)
    if found.pop("tokenizer", None) is None:
        found["tokenizer"] = vocabulary.kind
    return found


ROBERTA = ModelType(
    name="roberta",
    class_name="Roberta",
    prefix="roberta.",
    encoder={
        **embeddings("roberta"),
        **blocks("roberta"),
        "encoder/pooler": "roberta.pooler.dense",
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
    defaults={"vocab_size": 50265, "hidden_act": "gelu", "type_vocab_size": 2},
    free=("position_offset",),
    to_ours=_to_ours,
    obstacles=_obstacles,
    old_names=OLD_NAMES,
)
# Conneau et al. 2020: RoBERTa with a SentencePiece vocabulary of 100 languages.
XLM_ROBERTA = dataclasses.replace(
    ROBERTA,
    name="xlm-roberta",
    class_name="XLMRoberta",
    defaults={"vocab_size": 30522, "hidden_act": "gelu", "type_vocab_size": 2},
    obstacles=_multilingual_obstacles,
)
# Martin et al. 2020. Models are written as XLM-RoBERTa, which computes the same.
CAMEMBERT = dataclasses.replace(XLM_ROBERTA, name="camembert", class_name="Camembert")
