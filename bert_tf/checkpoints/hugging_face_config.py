"""Converts Hugging Face's config.json to our config and back."""

from typing import Any

from bert_tf.checkpoints.foreign import GOOGLE_FIELDS, differing
from bert_tf.models.config import BertConfig

# Our name of each supported activation, by theirs; the first one is written.
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}

# Values of fields that a file omits: the defaults of the family's class.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "bert": {"vocab_size": 30522, "hidden_act": "gelu", "type_vocab_size": 2},
    "roberta": {"vocab_size": 50265, "hidden_act": "gelu", "type_vocab_size": 2},
    "albert": {
        "vocab_size": 30000,
        "hidden_size": 4096,
        "num_attention_heads": 64,
        "intermediate_size": 16384,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "embedding_size": 128,
    },
}
# Fields with the same name and meaning here.
_SAME = (
    *(field for field in GOOGLE_FIELDS if field != "hidden_act"),
    "layer_norm_eps",
    "tie_word_embeddings",
)
# Fields that change the computation, with the only values that are supported.
_FIXED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "num_hidden_groups": 1,
    "inner_group_num": 1,
    "quantization_config": None,
}
_OUR_FIXED = {
    "architecture": "transformer",
    "embedding_norm": True,
    "norm_position": "post",
    "position_embeddings": "learned",
    "causal": False,
    "local_attention": None,
}


def family(values: dict[str, Any]) -> str:
    """The model's type, if it is supported.

    Raises:
        ValueError: it is not.
    """
    found = values.get("model_type")
    if found not in _DEFAULTS:
        raise ValueError(
            f"Received a config of model_type={found!r}. Expected one of "
            f"{list(_DEFAULTS)}."
        )
    return found


def to_ours(values: dict[str, Any], tied: bool) -> BertConfig:
    """Converts the contents of a config.json to our config.

    Args:
        values: the contents of the config.json.
        tied: whether the output table of the masked-LM head is the token table.

    Raises:
        ValueError: the model computes something that ours does not.
    """
    name = family(values)
    values = {**_DEFAULTS[name], **values}
    others = differing(values, _FIXED)
    if values["hidden_act"] not in _ACTIVATIONS:
        others["hidden_act"] = values["hidden_act"]
    if others:
        raise ValueError(
            f"Received a config with {others}, which this encoder cannot compute. "
            f"Expected {_FIXED} and one of the activations {list(_ACTIVATIONS)}."
        )
    fields = {field: values[field] for field in _SAME if field in values}
    if name == "albert":
        fields |= {"share_layers": True, "embedding_size": values["embedding_size"]}
    if name == "roberta":
        # Their positions begin after the id of the padding token.
        fields["position_offset"] = values.get("pad_token_id", 1) + 1
    activation = _ACTIVATIONS[values["hidden_act"]]
    fields |= {"hidden_act": activation, "tie_word_embeddings": tied}
    return BertConfig.from_dict(fields)


def to_theirs(config: BertConfig, pad_id: int) -> dict[str, Any]:
    """The fields of a config.json; `pad_id` is the id of the padding token.

    Raises:
        ValueError: no Hugging Face model computes this one; the differences are named.
    """
    values = config.to_dict()
    others = differing(values, _OUR_FIXED)
    activations = [a for a, ours in _ACTIVATIONS.items() if ours == config.hidden_act]
    if not activations:
        others["hidden_act"] = config.hidden_act
    if config.type_vocab_size == 0:
        others["type_vocab_size"] = 0
    name = "bert"
    if config.share_layers or config.embedding_size not in (None, config.hidden_size):
        name = "albert"
        if not config.share_layers:
            others["embedding_size"] = config.embedding_size
    if config.position_offset:
        name = "roberta"
        # RoBERTa's first position follows from the id of its padding token.
        if config.share_layers or config.position_offset != pad_id + 1:
            others["position_offset"] = config.position_offset
    if others:
        raise ValueError(
            f"Received a model with {others}, which no Hugging Face model of the BERT "
            "family computes. Expected the variants of BERT, RoBERTa or ALBERT."
        )
    fields = {"model_type": name, **{field: values[field] for field in _SAME}}
    if name == "albert":
        fields["embedding_size"] = config.embedding_size or config.hidden_size
        fields |= {"num_hidden_groups": 1, "inner_group_num": 1}
    return {**fields, "hidden_act": activations[0], "pad_token_id": pad_id}
