"""A model as a value: what every format is read into and written from."""

import dataclasses
from typing import Any

import keras

from bert_tf.checkpoints.model_dir import (
    ENCODER,
    PRETRAINING,
    Description,
    make_model,
    weights_of,
)
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Of Google's bert_config.json.
GOOGLE_FIELDS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """All that a model folder holds.

    Attributes:
        config: of the encoder.
        vocabulary: the pieces, and the casing of the texts.
        description: the kind of model and its head.
        weights: float32, by their names in a model folder.
        options: what `options.json` says, for the record.
    """

    config: BertConfig
    vocabulary: Vocabulary
    description: Description
    weights: Tensors
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def encoder_only(checkpoint: Checkpoint) -> Checkpoint:
    """The same encoder without a head."""
    return dataclasses.replace(
        checkpoint,
        description=Description(
            PRETRAINING,
            head=pretraining_head(mlm_head=False),
        ),
        weights=Tensors(
            {
                name: shape
                for name, shape in checkpoint.weights.shapes.items()
                if name.startswith(ENCODER)
            },
            checkpoint.weights.read,
        ),
    )


def pretraining_head(mlm_head: bool) -> dict[str, Any]:
    """The head of a pre-trained model's description; empty is the usual one."""
    return {} if mlm_head else {"mlm_head": False}


def unusual(config: BertConfig, description: Description) -> dict[str, Any]:
    """What of a model is neither a size nor as in the original BERT.

    Formats that know the original alone have no place for it. Activations, which each
    format names in its own way, are not among it; nor is the pooler, whose weights are
    there or not.
    """
    original = BertConfig(vocab_size=config.vocab_size).to_dict()
    found = {
        name: value
        for name, value in config.to_dict().items()
        if name not in (*GOOGLE_FIELDS, "pooler") and value != original[name]
    }
    return found | unusual_head(description)


def unusual_head(description: Description) -> dict[str, Any]:
    """What of a head, or of what is made of the output, the original BERT has not."""
    found = {
        name: description.head[name]
        for name in ("features", "lstm_units", "mlm_activation", "mlm_epsilon")
        if description.head.get(name)
    }
    if description.sentence_vector is not None:
        found["sentence_vector"] = description.sentence_vector
    return found


def weight_shapes(
    config: BertConfig, description: Description
) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a model; none of them is made."""
    with keras.StatelessScope(initialize_variables=False):
        model = make_model(config, description)
    return {name: tuple(weight.shape) for name, weight in weights_of(model).items()}


def default_encoding(
    kind: str, longest: int, labels: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """The encoding of a fine-tuned model whose format does not say it.

    Args:
        kind: of the model.
        longest: the most tokens that the model takes.
        labels: names of its outputs.
    """
    length = min(512, longest)
    if kind == "span_qa":
        # As transformers' pipeline("question-answering") cuts contexts.
        length = min(384, longest)
        question = min(64, length // 3)
        stride = min(128, length // 3)
        return {"max_length": length, "stride": stride, "max_question_length": question}
    if kind == "multiple_choice":
        return {"max_length": length, "group_size": 2}
    half = length // 2 if kind == "token_tagging" else None
    return {"max_length": length, "labels": labels, "stride": half}
