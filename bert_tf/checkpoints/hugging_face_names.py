"""Names of weights in Hugging Face's models, family by family.

Kernels of `torch.nn.Linear` lie as (out, in), the transpose of ours.
"""

from bert_tf.checkpoints.weight_table import Row


def _linear(ours: str, theirs: str) -> tuple[Row, Row]:
    return (
        Row(f"{ours}/kernel", f"{theirs}.weight", transposed=True),
        Row(f"{ours}/bias", f"{theirs}.bias"),
    )


def _norm(ours: str, theirs: str) -> tuple[Row, Row]:
    return Row(f"{ours}/scale", f"{theirs}.weight"), Row(
        f"{ours}/offset", f"{theirs}.bias"
    )


def _embeddings(prefix: str) -> tuple[Row, ...]:
    tables = {
        "token_table": "word_embeddings",
        "position_table": "position_embeddings",
        "segment_table": "token_type_embeddings",
    }
    ours, theirs = "encoder/embeddings", f"{prefix}.embeddings"
    return (
        *(Row(f"{ours}/{a}", f"{theirs}.{b}.weight") for a, b in tables.items()),
        *_norm(f"{ours}/norm", f"{theirs}.LayerNorm"),
    )


def _encoder(prefix: str) -> tuple[Row, ...]:
    """BERT's and RoBERTa's; they differ in the prefix."""
    ours, theirs = "encoder/block_{layer}", f"{prefix}.encoder.layer.{{layer}}"
    return (
        *_embeddings(prefix),
        *_linear(
            f"{ours}/attention/query_key_value",
            f"{theirs}.attention.self.{{query,key,value}}",
        ),
        *_linear(f"{ours}/attention/output", f"{theirs}.attention.output.dense"),
        *_norm(f"{ours}/attention_norm", f"{theirs}.attention.output.LayerNorm"),
        *_linear(f"{ours}/feed_forward/expansion", f"{theirs}.intermediate.dense"),
        *_linear(f"{ours}/feed_forward/contraction", f"{theirs}.output.dense"),
        *_norm(f"{ours}/feed_forward_norm", f"{theirs}.output.LayerNorm"),
    )


_ALBERT = "albert.encoder.albert_layer_groups.0.albert_layers.0"

ENCODERS = {
    "bert": (*_encoder("bert"), *_linear("encoder/pooler", "bert.pooler.dense")),
    "roberta": (
        *_encoder("roberta"),
        *_linear("encoder/pooler", "roberta.pooler.dense"),
    ),
    "albert": (
        *_embeddings("albert"),
        *_linear(
            "encoder/embeddings/projection",
            "albert.encoder.embedding_hidden_mapping_in",
        ),
        *_linear(
            "encoder/block_0/attention/query_key_value",
            f"{_ALBERT}.attention.{{query,key,value}}",
        ),
        *_linear("encoder/block_0/attention/output", f"{_ALBERT}.attention.dense"),
        *_norm("encoder/block_0/attention_norm", f"{_ALBERT}.attention.LayerNorm"),
        *_linear("encoder/block_0/feed_forward/expansion", f"{_ALBERT}.ffn"),
        *_linear("encoder/block_0/feed_forward/contraction", f"{_ALBERT}.ffn_output"),
        *_norm(
            "encoder/block_0/feed_forward_norm",
            f"{_ALBERT}.full_layer_layer_norm",
        ),
        *_linear("encoder/pooler", "albert.pooler"),
    ),
}

MLM_HEADS = {
    "bert": (
        *_linear("mlm_head/transform", "cls.predictions.transform.dense"),
        *_norm("mlm_head/norm", "cls.predictions.transform.LayerNorm"),
        Row("mlm_head/output_bias", "cls.predictions.bias"),
        Row("mlm_head/output_table", "cls.predictions.decoder.weight"),
    ),
    "roberta": (
        *_linear("mlm_head/transform", "lm_head.dense"),
        *_norm("mlm_head/norm", "lm_head.layer_norm"),
        Row("mlm_head/output_bias", "lm_head.bias"),
        Row("mlm_head/output_table", "lm_head.decoder.weight"),
    ),
    "albert": (
        *_linear("mlm_head/transform", "predictions.dense"),
        *_norm("mlm_head/norm", "predictions.LayerNorm"),
        Row("mlm_head/output_bias", "predictions.bias"),
        Row("mlm_head/output_table", "predictions.decoder.weight"),
    ),
}

SENTENCE_HEADS = {
    "bert": _linear("sentence_head", "cls.seq_relationship"),
    "albert": _linear("sentence_head", "sop_classifier.classifier"),
}

CLASSIFIER = _linear("head", "classifier")

# RoBERTa's head for classes is a dense layer with tanh on the first token, which is
# what a pooler is, and the output.
TEXT_CLASSIFIERS = {
    "bert": CLASSIFIER,
    "albert": CLASSIFIER,
    "roberta": (
        *_linear("encoder/pooler", "classifier.dense"),
        *_linear("head", "classifier.out_proj"),
    ),
}
SPAN_QA = _linear("head", "qa_outputs")
