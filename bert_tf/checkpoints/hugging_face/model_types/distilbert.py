"""DistilBERT (Sanh et al. 2019): no segments, no pooler."""

from bert_tf.checkpoints.hugging_face.model_type import FIXED, ModelType
from bert_tf.checkpoints.hugging_face.model_types.bert import (
    CLASSIFIER,
    OLD_NAMES,
    SPAN_QA,
    embeddings,
)

_OURS, _THEIRS = "encoder/block_{layer}", "distilbert.transformer.layer.{layer}"
# Heads for whole texts begin with a dense layer and ReLU on the first token.
_TEXT_HEAD = {"encoder/pooler": "pre_classifier", "head": "classifier"}

DISTILBERT = ModelType(
    name="distilbert",
    class_name="DistilBert",
    prefix="distilbert.",
    base_layers=("embeddings.", "transformer."),
    encoder={
        **embeddings("distilbert"),
        f"{_OURS}/attention/query_key_value": (
            f"{_THEIRS}.attention.{{q_lin,k_lin,v_lin}}"
        ),
        f"{_OURS}/attention/output": f"{_THEIRS}.attention.out_lin",
        f"{_OURS}/attention_norm": f"{_THEIRS}.sa_layer_norm",
        f"{_OURS}/feed_forward/expansion": f"{_THEIRS}.ffn.lin1",
        f"{_OURS}/feed_forward/contraction": f"{_THEIRS}.ffn.lin2",
        f"{_OURS}/feed_forward_norm": f"{_THEIRS}.output_layer_norm",
    },
    heads={
        "pretraining": {
            "mlm_head/transform": "vocab_transform",
            "mlm_head/norm": "vocab_layer_norm",
            "mlm_head/output_bias": "vocab_projector.bias",
            "mlm_head/output_table": "vocab_projector.weight",
        },
        "classification": _TEXT_HEAD,
        "regression": _TEXT_HEAD,
        "multiple_choice": _TEXT_HEAD,
        "token_tagging": CLASSIFIER,
        "span_qa": SPAN_QA,
    },
    fields={
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
        "max_position_embeddings": "max_position_embeddings",
        "initializer_range": "initializer_range",
    },
    defaults={
        "vocab_size": 30522,
        "n_layers": 6,
        "activation": "gelu",
    },
    # Sinusoidal positions are a table in the file like learned ones.
    fixed=FIXED,
    # The epsilon is fixed in their code.
    variants={
        "type_vocab_size": 0,
        "layer_norm_eps": 1e-12,
        "pooler_activation": "relu",
    },
    old_names=OLD_NAMES,
)
