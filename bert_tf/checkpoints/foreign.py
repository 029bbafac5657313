"""What the readers and writers of other formats share."""

import dataclasses
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from bert_tf.checkpoints.model_dir import (
    ENCODER,
    PRETRAINING,
    Checkpoint,
    Description,
    weight_shapes,
)
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import Row, to_ours
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import CONTINUATION, Vocabulary

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
# Objectives whose models have the heads of BERT.
_OBJECTIVES = ("masked_lm", "next_token")
_LINE_SEPARATOR = "\u2028"

_ALONE = {"mlm_head": False}
ENCODER_ALONE = Description(PRETRAINING, head=_ALONE)


def encoder_only(checkpoint: Checkpoint) -> Checkpoint:
    """The same encoder without a head."""
    weights = checkpoint.weights
    shapes = {n: s for n, s in weights.shapes.items() if n.startswith(ENCODER)}
    return dataclasses.replace(
        checkpoint,
        description=ENCODER_ALONE,
        weights=Tensors(shapes, weights.read),
    )


def from_tensors(
    config: BertConfig,
    vocabulary: Vocabulary,
    kind: str,
    table: Sequence[Row],
    tensors: Tensors,
    origin: str,
    labels: tuple[str, ...] | None = None,
    sentence_task: str = "next_sentence",
) -> Checkpoint:
    """The model of a foreign checkpoint: all of its tensors, or it raises.

    A pooler, and the heads of a pre-trained model, exist where they have weights.

    Args:
        config: of the encoder.
        vocabulary, kind: of the model.
        table, tensors, origin: see `to_ours`.
        labels: names of the outputs; None: there is one, or those of the kind.
        sentence_task: of a sentence head, if there is one.

    Raises:
        ValueError: as `to_ours`.
    """
    theirs = {row.ours: row.theirs for row in table}

    def is_there(ours: str) -> bool:
        return theirs.get(ours) in tensors.shapes

    config = dataclasses.replace(config, pooler=is_there("encoder/pooler/kernel"))
    if kind == PRETRAINING:
        has_sentence_head = is_there("sentence_head/kernel")
        description = Description(
            PRETRAINING,
            sentence_task=sentence_task if has_sentence_head else None,
            head={} if is_there("mlm_head/transform/kernel") else _ALONE,
        )
    else:
        description = _fine_tuned(kind, config.max_sequence_length, labels)
    shapes = weight_shapes(config, description)
    weights = to_ours(table, shapes, config, tensors, origin)
    return Checkpoint(config, vocabulary, description, weights)


def _fine_tuned(
    kind: str, longest: int, labels: tuple[str, ...] | None = None
) -> Description:
    """The description of a model whose format has no more than its kind and labels."""
    length = min(512, longest)
    head: dict[str, Any] = {"num_outputs": len(labels or ("score",))}
    half = length // 2 if kind == "token_tagging" else None
    encoding = {"max_length": length, "labels": labels, "stride": half}
    if kind == "span_qa":
        # As transformers' pipeline("question-answering") cuts contexts.
        length = min(384, longest)
        head = {}
        encoding = {
            "max_length": length,
            "stride": min(128, length // 3),
            "max_question_length": min(64, length // 3),
        }
    elif kind == "multiple_choice":
        # No format has the number of choices of a question; the user gives it.
        head = {"num_choices": 2}
        encoding = {"max_length": length, "group_size": 2}
    return Description(kind, head=head, encoding=encoding)


def numbered(count: int) -> tuple[str, ...]:
    """Names of classes for which a format has none."""
    return tuple(str(number) for number in range(count))


def unusual(checkpoint: Checkpoint) -> dict[str, Any]:
    """What of a model is neither a size nor as in the original BERT.

    Formats that know the original alone have no place for it. Activations, which each
    format names in its own way, are not among it; nor is the pooler, whose weights are
    there or not.
    """
    original = BertConfig(vocab_size=checkpoint.config.vocab_size).to_dict()
    found = {
        name: value
        for name, value in checkpoint.config.to_dict().items()
        if name not in (*GOOGLE_FIELDS, "pooler") and value != original[name]
    }
    if checkpoint.vocabulary.merges is not None:
        found["tokenizer"] = "byte-level BPE"
    if checkpoint.description.sentence_vector is not None:
        found["sentence_vector"] = checkpoint.description.sentence_vector
    return found | unusual_head(checkpoint.description)


def unusual_head(description: Description) -> dict[str, Any]:
    """What of a head the original BERT has not."""
    found = {
        name: description.head[name]
        for name in ("features", "lstm_units", "mlm_activation", "mlm_epsilon")
        if description.head.get(name)
    }
    if description.objective not in _OBJECTIVES:
        found["objective"] = description.objective
    return found


def restored(tokens: Iterable[str]) -> Vocabulary:
    """The vocabulary of a reader that takes white space away at the end of a line.

    Nothing is left to it of the line separators that Google's Chinese vocabulary has as
    pieces. In no text are they pieces, before or after.

    Raises:
        ValueError: as `Vocabulary` raises it.
    """
    return Vocabulary(
        tuple(
            token + _LINE_SEPARATOR if token in ("", CONTINUATION) else token
            for token in tokens
        )
    )


def is_lower_cased(vocabulary: Vocabulary) -> bool:
    """True if no word has a capital letter: those of a cased model could never match.

    Names that stand in brackets of any kind, such as `[CLS]` or `<S>`, are no words.
    """
    words = (token.removeprefix("##") for token in vocabulary.tokens)
    return all(word == word.lower() for word in words if word.isalpha())


def has_accents(vocabulary: Vocabulary) -> bool:
    """True if a piece could never match where accents are taken away."""
    return any(
        unicodedata.category(character) == "Mn"
        for token in vocabulary.tokens
        if not token.isascii()
        for character in unicodedata.normalize("NFD", token)
    )
