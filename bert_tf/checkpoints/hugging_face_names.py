"""Names of weights in Hugging Face's models, by family."""

from bert_tf.checkpoints.weight_table import PYTORCH, Row, rows


def _embeddings(family: str) -> dict[str, str]:
    ours, theirs = "encoder/embeddings", f"{family}.embeddings"
    return {
        f"{ours}/token_table": f"{theirs}.word_embeddings.weight",
        f"{ours}/position_table": f"{theirs}.position_embeddings.weight",
        f"{ours}/segment_table": f"{theirs}.token_type_embeddings.weight",
        f"{ours}/norm": f"{theirs}.LayerNorm",
    }


def _encoder(family: str) -> dict[str, str]:
    """The encoder of BERT and RoBERTa; the names differ only in the prefix."""
    ours, theirs = "encoder/block_{layer}", f"{family}.encoder.layer.{{layer}}"
    return {
        **_embeddings(family),
        f"{ours}/attention/query_key_value": (
            f"{theirs}.attention.self.{{query,key,value}}"
        ),
        f"{ours}/attention/output": f"{theirs}.attention.output.dense",
        f"{ours}/attention_norm": f"{theirs}.attention.output.LayerNorm",
        f"{ours}/feed_forward/expansion": f"{theirs}.intermediate.dense",
        f"{ours}/feed_forward/contraction": f"{theirs}.output.dense",
        f"{ours}/feed_forward_norm": f"{theirs}.output.LayerNorm",
        "encoder/pooler": f"{family}.pooler.dense",
    }


_ALBERT = "albert.encoder.albert_layer_groups.0.albert_layers.0"

_ENCODERS = {
    "bert": _encoder("bert"),
    "roberta": _encoder("roberta"),
    "albert": {
        **_embeddings("albert"),
        "encoder/embeddings/projection": "albert.encoder.embedding_hidden_mapping_in",
        "encoder/block_0/attention/query_key_value": (
            f"{_ALBERT}.attention.{{query,key,value}}"
        ),
        "encoder/block_0/attention/output": f"{_ALBERT}.attention.dense",
        "encoder/block_0/attention_norm": f"{_ALBERT}.attention.LayerNorm",
        "encoder/block_0/feed_forward/expansion": f"{_ALBERT}.ffn",
        "encoder/block_0/feed_forward/contraction": f"{_ALBERT}.ffn_output",
        "encoder/block_0/feed_forward_norm": f"{_ALBERT}.full_layer_layer_norm",
        "encoder/pooler": "albert.pooler",
    },
}

_CLASSIFIER = {"head": "classifier"}
_PRETRAINING = {
    "bert": {
        "mlm_head/transform": "cls.predictions.transform.dense",
        "mlm_head/norm": "cls.predictions.transform.LayerNorm",
        "mlm_head/output_bias": "cls.predictions.bias",
        "mlm_head/output_table": "cls.predictions.decoder.weight",
        "sentence_head": "cls.seq_relationship",
    },
    "roberta": {
        "mlm_head/transform": "lm_head.dense",
        "mlm_head/norm": "lm_head.layer_norm",
        "mlm_head/output_bias": "lm_head.bias",
        "mlm_head/output_table": "lm_head.decoder.weight",
    },
    "albert": {
        "mlm_head/transform": "predictions.dense",
        "mlm_head/norm": "predictions.LayerNorm",
        "mlm_head/output_bias": "predictions.bias",
        "mlm_head/output_table": "predictions.decoder.weight",
        "sentence_head": "sop_classifier.classifier",
    },
}
# RoBERTa's classification head is a dense layer with tanh on the first token, which is
# a pooler, followed by the output layer.
_ROBERTA_CLASSIFIER = {
    "encoder/pooler": "classifier.dense",
    "head": "classifier.out_proj",
}


def table(family: str, kind: str) -> tuple[Row, ...]:
    """The names of all weights that a model of this family and kind may have."""
    classifier = _ROBERTA_CLASSIFIER if family == "roberta" else _CLASSIFIER
    heads = {
        "pretraining": _PRETRAINING[family],
        "classification": classifier,
        "regression": classifier,
        "token_tagging": _CLASSIFIER,
        "multiple_choice": _CLASSIFIER,
        "span_qa": {"head": "qa_outputs"},
    }
    return rows(PYTORCH, _ENCODERS[family] | heads[kind])
