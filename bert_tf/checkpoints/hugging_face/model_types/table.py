"""The supported model types, and the choice among them."""

from typing import Any

from bert_tf.checkpoints.hugging_face.model_type import ModelType, Values
from bert_tf.checkpoints.hugging_face.model_types.albert import ALBERT
from bert_tf.checkpoints.hugging_face.model_types.bert import BERT
from bert_tf.checkpoints.hugging_face.model_types.deberta import DEBERTA
from bert_tf.checkpoints.hugging_face.model_types.distilbert import DISTILBERT
from bert_tf.checkpoints.hugging_face.model_types.electra import ELECTRA
from bert_tf.checkpoints.hugging_face.model_types.modernbert import MODERNBERT
from bert_tf.checkpoints.hugging_face.model_types.mpnet import MPNET
from bert_tf.checkpoints.hugging_face.model_types.roberta import (
    CAMEMBERT,
    ROBERTA,
    XLM_ROBERTA,
)
from bert_tf.checkpoints.model_dir import Checkpoint

# In the order in which they are tried to write a model.
MODEL_TYPES = (
    BERT,
    ROBERTA,
    XLM_ROBERTA,
    CAMEMBERT,
    ALBERT,
    DISTILBERT,
    ELECTRA,
    DEBERTA,
    MPNET,
    MODERNBERT,
)


def type_of(values: dict[str, Any]) -> ModelType:
    """The type of a model, from the contents of its config.json.

    Raises:
        ValueError: it is not supported.
    """
    by_name = {model_type.name: model_type for model_type in MODEL_TYPES}
    found = values.get("model_type")
    if found not in by_name:
        raise ValueError(
            f"Received a config of model_type={found!r}. Expected one of "
            f"{list(by_name)}."
        )
    return by_name[found]


def type_for(checkpoint: Checkpoint) -> ModelType:
    """The first type that computes a model of ours.

    Raises:
        ValueError: none does; what the nearest one lacks is named.
    """
    missing: list[tuple[ModelType, Values]] = []
    for model_type in MODEL_TYPES:
        others = model_type.missing(
            checkpoint.config, checkpoint.vocabulary, checkpoint.description
        )
        if not others:
            return model_type
        missing.append((model_type, others))
    nearest, others = min(missing, key=lambda item: len(item[1]))
    raise ValueError(
        f"Received a model with {others}, which {nearest.class_name} of transformers, "
        "the nearest of its models, does not have. Expected a model that transformers "
        "computes, too; for other heads, use --encoder_only to convert the encoder "
        "alone."
    )
