"""A model type of transformers: its config, its classes, and names of weights."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.foreign import differing, unusual_head
from bert_tf.checkpoints.weight_table import PYTORCH, Row, rows
from bert_tf.models.config import BertConfig
from bert_tf.tasks.kinds import KINDS
from data_pipelines.tokenizers.vocabulary import Vocabulary

# The values of a config.json.
Values = dict[str, Any]

# Our name of each supported activation, by theirs; the first one is written.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
# Their names of the fields of our config, where the meaning is the same.
FIELDS = {
    name: name
    for name in (
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
        "layer_norm_eps",
    )
}
# Fields of theirs that change the computation of several types, with the only values
# that are supported.
FIXED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
# The class of the head of each kind.
HEADS = {
    "classification": "ForSequenceClassification",
    "regression": "ForSequenceClassification",
    "token_tagging": "ForTokenClassification",
    "span_qa": "ForQuestionAnswering",
    "multiple_choice": "ForMultipleChoice",
}
# Fields of ours that other fields switch on, or that a type never restricts.
_DEPENDENT = (
    "first_norm",
    "global_attention_every",
    "rotary_base",
    "local_rotary_base",
    "relative_buckets",
    "max_relative_distance",
    "convolution_activation",
    "pooler",
    "text_pooling",
    "tie_word_embeddings",
)


def _nothing(*_: Any) -> Values:
    return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelType:
    """A `model_type` of transformers, in terms of our config and our weights.

    Attributes:
        name: the value of `model_type` in a config.json.
        class_name: the beginning of the names of its classes.
        prefix: the beginning of the names of the encoder's weights beside a head.
        base_layers: the beginnings of these names in a file of the encoder alone.
        encoder: their name of each layer of the encoder, by ours.
        heads: the same for the head of each kind of model; see `weight_table.rows`.
        fields: their names of fields of our config with the same meaning.
        activations: our names of the values of `fields["hidden_act"]`.
        defaults: the values of fields that a file may omit.
        fixed: fields of theirs that change the computation, with the only value that
            is supported.
        variants: fields of ours that every model of the type has.
        free: fields of ours for which the type has a field of its own.
        to_ours: returns further fields of ours, from the values of a config.json. It
            raises a ValueError for what our encoder cannot compute.
        to_theirs: returns further values of a config.json, from our config and the
            vocabulary.
        obstacles: returns further properties of our config and vocabulary that the
            type does not have.
        old_names: parts of names of weights in older files, by their replacements.
        left_out: beginnings of names of weights that are not read, since they need a
            second model.
        sentence_task: the task of the head for pairs of sentences.
    """

    name: str
    class_name: str
    prefix: str
    base_layers: tuple[str, ...] = ("embeddings.", "encoder.", "pooler.")
    encoder: Mapping[str, str]
    heads: Mapping[str, Mapping[str, str]]
    fields: Mapping[str, str] = dataclasses.field(default_factory=lambda: FIELDS)
    activations: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: ACTIVATIONS
    )
    defaults: Mapping[str, Any]
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=lambda: FIXED)
    variants: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    free: tuple[str, ...] = ()
    to_ours: Callable[[Values], Values] = _nothing
    to_theirs: Callable[[BertConfig, Vocabulary], Values] = _nothing
    obstacles: Callable[[BertConfig, Vocabulary], Values] = _nothing
    old_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    sentence_task: str = "next_sentence"

    def table(self, kind: str) -> tuple[Row, ...]:
        """The names of all weights that a model of this kind may have."""
        return rows(PYTORCH, {**self.encoder, **self.heads[kind]})

    def full_name(self, name: str) -> str:
        """The current name of a weight in a file, with the prefix of the encoder."""
        for old, new in self.old_names.items():
            name = name.replace(old, new)
        return f"{self.prefix}{name}" if name.startswith(self.base_layers) else name

    def config(self, values: Values, tied: bool) -> BertConfig:
        """Converts the contents of a config.json to our config.

        Args:
            values: the contents of the config.json.
            tied: whether the output table of the masked-LM head is the token table.

        Raises:
            ValueError: the model computes something that ours does not.
        """
        values = {**self.defaults, **values}
        others = differing(values, self.fixed)
        name = self.fields["hidden_act"]
        if values[name] not in self.activations:
            others[name] = values[name]
        if others:
            raise ValueError(
                f"Received a config with {others}, which this encoder cannot compute. "
                f"Expected {dict(self.fixed)} and one of the activations "
                f"{list(self.activations)}."
            )
        fields = {
            ours: values[theirs]
            for ours, theirs in self.fields.items()
            if theirs in values
        }
        fields["hidden_act"] = self.activations[values[name]]
        return BertConfig.from_dict(
            {
                **self.variants,
                **fields,
                **self.to_ours(values),
                "tie_word_embeddings": tied,
            }
        )

    def values(self, config: BertConfig, vocabulary: Vocabulary) -> Values:
        """Converts our config, which has no obstacles, to the fields of a config.json.

        Args:
            config: the config of the encoder.
            vocabulary: the vocabulary, for the ids of special tokens.
        """
        ours = config.to_dict()
        values = {theirs: ours[name] for name, theirs in self.fields.items()}
        values[self.fields["hidden_act"]] = next(
            theirs
            for theirs, name in self.activations.items()
            if name == config.hidden_act
        )
        return {
            "model_type": self.name,
            **values,
            "tie_word_embeddings": config.tie_word_embeddings,
            "pad_token_id": vocabulary.pad_id,
            **self.to_theirs(config, vocabulary),
        }

    def missing(
        self, config: BertConfig, vocabulary: Vocabulary, description: Description
    ) -> Values:
        """The properties of a model that this type does not have, with their values."""
        expected = {
            **BertConfig(vocab_size=config.vocab_size).to_dict(),
            **self.variants,
        }
        for name in {*self.fields, *self.free, *_DEPENDENT} - {*self.variants}:
            expected.pop(name, None)
        if description.kind == PRETRAINING:
            # They are properties of heads that are fine-tuned.
            del expected["head_transform"], expected["compares_texts"]
        found = differing(config.to_dict(), expected)
        if config.hidden_act not in self.activations.values():
            found["hidden_act"] = config.hidden_act
        found |= self.obstacles(config, vocabulary)
        kind = description.kind
        if kind != PRETRAINING and kind not in self.heads:
            found["kind"] = kind
        reads_pooler = "encoder/pooler" in {**self.encoder, **self.heads.get(kind, {})}
        is_pooled = kind in KINDS and KINDS[kind].is_pooled
        if is_pooled and reads_pooler and not config.pooler:
            found["pooler"] = False
        if config.pooler and not reads_pooler:
            found["pooler"] = True
        has_sentence_head = "sentence_head" in self.heads.get(kind, {})
        if description.sentence_task is not None and not has_sentence_head:
            found["sentence_task"] = description.sentence_task
        return found | unusual_head(description)


def kind_of(model_type: ModelType, values: Values) -> str:
    """The kind of a saved model, from the class that its config names.

    Regression and classification share a class; both are "classification" here.
    """
    architecture = values.get("architectures") or ""
    if isinstance(architecture, list):
        architecture = architecture[0]
    head = architecture.removeprefix(model_type.class_name)
    kinds = [kind for kind, name in HEADS.items() if name == head]
    return kinds[0] if kinds else PRETRAINING


def architecture_of(model_type: ModelType, description: Description) -> str:
    """The name of the class of a model."""
    if description.kind != PRETRAINING:
        head = HEADS[description.kind]
    elif description.sentence_task is None:
        head = "ForMaskedLM" if description.has_mlm_head else "Model"
    else:
        head = "ForNextSentencePrediction"
        if description.has_mlm_head:
            head = "ForPreTraining"
    return model_type.class_name + head


def refused(others: Values, expected: str) -> ValueError:
    """The error for values of a config.json that our encoder cannot compute."""
    return ValueError(
        f"Received a config with {others}, which this encoder cannot compute. Expected "
        f"{expected}."
    )
