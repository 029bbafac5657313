"""ModernBERT (Warner et al. 2024) and Ettin: local and global attention, no biases."""

from bert_tf.checkpoints.hugging_face.model_type import (
    FIXED,
    ModelType,
    Values,
    refused,
)
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

_OURS, _THEIRS = "encoder/block_{layer}", "model.layers.{layer}"
# All heads begin as the masked-LM head does.
_HEAD = {
    "transform/transform": "head.dense",
    "transform/norm": "head.norm",
    "head": "classifier",
}
_POOLING = {"cls": "first", "mean": "mean"}
_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
# Flags of biases, which must agree with each other here.
_BIASES = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")


def _to_ours(values: Values) -> Values:
    biases = {name: values[name] for name in _BIASES}
    if len(set(biases.values())) > 1:
        raise refused(biases, "all of them true, or all false")
    dropouts = {name: values[name] for name in ("embedding_dropout", "mlp_dropout")}
    if len(set(dropouts.values())) > 1:
        raise refused(dropouts, "the same rate for both")
    if values["classifier_pooling"] not in _POOLING:
        found = {"classifier_pooling": values["classifier_pooling"]}
        raise refused(found, f"one of {list(_POOLING)}")
    window = values["local_attention"]
    if window < 2 or window % 2:
        raise refused({"local_attention": window}, "an even number, for both sides")
    bases = _rotary_bases(values)
    return {
        "biases": biases["norm_bias"],
        "hidden_dropout_prob": dropouts["mlp_dropout"],
        "text_pooling": _POOLING[values["classifier_pooling"]],
        # Their window is as wide as both sides together.
        "local_attention": window // 2,
        "global_attention_every": _period(values),
        "rotary_base": float(bases[_GLOBAL]),
        "local_rotary_base": float(bases[_LOCAL]),
    }


def _period(values: Values) -> int:
    """Returns the number n of which each n-th layer is global, from the first one."""
    count, types = values["num_hidden_layers"], values.get("layer_types")
    if types is None:
        return values["global_attn_every_n_layers"]
    for period in range(1, count + 1):
        if types == _layer_types(count, period):
            return period
    raise refused(
        {"layer_types": types},
        f"{_GLOBAL!r} for the first layer and each n-th after it, else {_LOCAL!r}",
    )


def _layer_types(count: int, period: int) -> list[str]:
    return [_LOCAL if layer % period else _GLOBAL for layer in range(count)]


def _rotary_bases(values: Values) -> dict[str, float]:
    """Returns the bases of both kinds of layers, in either spelling of the config."""
    found = {_GLOBAL: values["global_rope_theta"], _LOCAL: values["local_rope_theta"]}
    # Before transformers 5, None stood for the other one.
    found[_LOCAL] = found[_LOCAL] or found[_GLOBAL]
    for kind, parameters in (values.get("rope_parameters") or {}).items():
        parameters = parameters or {}
        if parameters.get("rope_type", "default") != "default":
            raise refused({"rope_parameters": parameters}, "rope_type='default'")
        found[kind] = parameters.get("rope_theta", found.get(kind))
    return found


def _to_theirs(config: BertConfig, vocabulary: Vocabulary) -> Values:
    local_base = config.local_rotary_base or config.rotary_base
    bases = {_GLOBAL: config.rotary_base, _LOCAL: local_base}
    period = config.global_attention_every
    pooling = {ours: theirs for theirs, ours in _POOLING.items()}
    return {
        **dict.fromkeys(_BIASES, config.biases),
        "embedding_dropout": config.hidden_dropout_prob,
        "mlp_dropout": config.hidden_dropout_prob,
        "classifier_pooling": pooling[config.text_pooling],
        "classifier_activation": "gelu",
        "decoder_bias": True,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), vocabulary.cls_id),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), vocabulary.sep_id),
        "local_attention": 2 * (config.local_attention or 0),
        # Both spellings: that of transformers 5, and the one before it.
        "layer_types": _layer_types(config.num_hidden_layers, period),
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": base}
            for kind, base in bases.items()
        },
        "global_attn_every_n_layers": period,
        "global_rope_theta": config.rotary_base,
        "local_rope_theta": local_base,
    }


MODERNBERT = ModelType(
    name="modernbert",
    class_name="ModernBert",
    prefix="model.",
    base_layers=("embeddings.", "layers.", "final_norm."),
    encoder={
        "encoder/embeddings/token_table": "model.embeddings.tok_embeddings.weight",
        "encoder/embeddings/norm": "model.embeddings.norm",
        f"{_OURS}/attention_norm": f"{_THEIRS}.attn_norm",
        f"{_OURS}/attention/query_key_value": f"{_THEIRS}.attn.Wqkv",
        f"{_OURS}/attention/output": f"{_THEIRS}.attn.Wo",
        f"{_OURS}/feed_forward_norm": f"{_THEIRS}.mlp_norm",
        f"{_OURS}/feed_forward/expansion": f"{_THEIRS}.mlp.Wi",
        f"{_OURS}/feed_forward/contraction": f"{_THEIRS}.mlp.Wo",
        "encoder/final_norm": "model.final_norm",
    },
    heads={
        "pretraining": {
            "mlm_head/transform": "head.dense",
            "mlm_head/norm": "head.norm",
            "mlm_head/output_bias": "decoder.bias",
            "mlm_head/output_table": "decoder.weight",
        },
        "classification": _HEAD,
        "regression": _HEAD,
        "token_tagging": _HEAD,
        "multiple_choice": _HEAD,
        "span_qa": _HEAD,
    },
    fields={
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "num_hidden_layers": "num_hidden_layers",
        "num_attention_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "hidden_act": "hidden_activation",
        "attention_probs_dropout_prob": "attention_dropout",
        "max_position_embeddings": "max_position_embeddings",
        "initializer_range": "initializer_range",
        "layer_norm_eps": "norm_eps",
    },
    activations={"gelu": "geglu"},
    defaults={
        "vocab_size": 50368,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "num_hidden_layers": 22,
        "num_attention_heads": 12,
        "hidden_activation": "gelu",
        "max_position_embeddings": 8192,
        "norm_eps": 1e-5,
        "attention_dropout": 0.0,
        "embedding_dropout": 0.0,
        "mlp_dropout": 0.0,
        **dict.fromkeys(_BIASES, False),
        "classifier_pooling": "cls",
        "classifier_activation": "gelu",
        "decoder_bias": True,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
        "global_rope_theta": 160000.0,
        "local_rope_theta": 10000.0,
    },
    fixed={**FIXED, "classifier_activation": "gelu", "decoder_bias": True},
    variants={
        "norm_position": "pre",
        "first_norm": False,
        "position_embeddings": "rotary",
        "type_vocab_size": 0,
        "head_transform": True,
    },
    free=("biases", "hidden_dropout_prob", "local_attention"),
    to_ours=_to_ours,
    to_theirs=_to_theirs,
    obstacles=lambda config, vocabulary: (
        {} if config.local_attention else {"local_attention": None}
    ),
)
