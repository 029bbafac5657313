"""BERT (Devlin et al. 2018), and parts that other types share with it."""

from bert_tf.checkpoints.hugging_face.model_type import FIELDS, ModelType


def embeddings(theirs: str) -> dict[str, str]:
    """The layers of the embeddings; `theirs` is the name of the encoder."""
    ours, theirs = "encoder/embeddings", f"{theirs}.embeddings"
    return {
        f"{ours}/token_table": f"{theirs}.word_embeddings.weight",
        f"{ours}/position_table": f"{theirs}.position_embeddings.weight",
        f"{ours}/segment_table": f"{theirs}.token_type_embeddings.weight",
        f"{ours}/norm": f"{theirs}.LayerNorm",
    }


def blocks(
    theirs: str, query_key_value: str = "attention.self.{query,key,value}"
) -> dict[str, str]:
    """The layers of the blocks; `theirs` is the name of the encoder."""
    ours, theirs = "encoder/block_{layer}", f"{theirs}.encoder.layer.{{layer}}"
    return {
        f"{ours}/attention/query_key_value": f"{theirs}.{query_key_value}",
        f"{ours}/attention/output": f"{theirs}.attention.output.dense",
        f"{ours}/attention_norm": f"{theirs}.attention.output.LayerNorm",
        f"{ours}/feed_forward/expansion": f"{theirs}.intermediate.dense",
        f"{ours}/feed_forward/contraction": f"{theirs}.output.dense",
        f"{ours}/feed_forward_norm": f"{theirs}.output.LayerNorm",
    }


# The output layers of most heads.
CLASSIFIER = {"head": "classifier"}
SPAN_QA = {"head": "qa_outputs"}
MLM_HEAD = {
    "mlm_head/transform": "cls.predictions.transform.dense",
    "mlm_head/norm": "cls.predictions.transform.LayerNorm",
    "mlm_head/output_bias": "cls.predictions.bias",
    "mlm_head/output_table": "cls.predictions.decoder.weight",
}
# Names in files of TensorFlow's layer normalization.
OLD_NAMES = {
    "LayerNorm.gamma": "LayerNorm.weight",
    "LayerNorm.beta": "LayerNorm.bias",
}

BERT = ModelType(
    name="bert",
    class_name="Bert",
    prefix="bert.",
    encoder={
        **embeddings("bert"),
        **blocks("bert"),
        "encoder/pooler": "bert.pooler.dense",
    },
    heads={
        "pretraining": {**MLM_HEAD, "sentence_head": "cls.seq_relationship"},
        "classification": CLASSIFIER,
        "regression": CLASSIFIER,
        "token_tagging": CLASSIFIER,
        "multiple_choice": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    fields=FIELDS,
    defaults={"vocab_size": 30522, "hidden_act": "gelu", "type_vocab_size": 2},
    # Their table of segments has a row at least.
    obstacles=lambda config, vocabulary: (
        {} if config.type_vocab_size else {"type_vocab_size": 0}
    ),
    old_names=OLD_NAMES,
)
