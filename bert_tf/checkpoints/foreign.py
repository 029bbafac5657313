"""Parts that the readers and writers of other formats share."""

import dataclasses
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.model_dir import ENCODER, Checkpoint, weight_shapes
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import Row, to_ours
from bert_tf.models.config import BertConfig
from bert_tf.tasks.kinds import KINDS
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.squad import SquadJson
from data_pipelines.tokenizers.spelling import CONTINUATION
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Fields of Google's bert_config.json.
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
    names = [name for name in checkpoint.weights.shapes if name.startswith(ENCODER)]
    weights = checkpoint.weights.renamed({name: name for name in names})
    return dataclasses.replace(checkpoint, description=ENCODER_ALONE, weights=weights)


def from_tensors(
    config: BertConfig,
    vocabulary: Vocabulary,
    kind: str,
    table: Sequence[Row],
    tensors: Tensors,
    origin: str,
    labels: tuple[str, ...] | None = None,
    max_length: int | None = None,
    sentence_task: str = "next_sentence",
    **changes: Any,
) -> Checkpoint:
    """Converts all tensors of a foreign checkpoint to a model, or raises.

    The model has a pooler, and the heads of pre-training, if these have weights.

    Args:
        config, vocabulary, kind: the properties of the model.
        table, tensors, origin: see `to_ours`.
        labels: names of the outputs; None if there is one output, or the kind fixes
            their names.
        max_length: the maximum number of tokens of a text, if the model allows more.
        sentence_task: the task of a sentence head, if there is one.
        changes: other fields of the description.

    Raises:
        ValueError: as for `to_ours`.
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
        longest = min(config.max_sequence_length, max_length or sys.maxsize)
        description = _fine_tuned(kind, longest, labels)
    description = dataclasses.replace(description, **changes)
    shapes = weight_shapes(config, description)
    weights = to_ours(table, shapes, config, tensors, origin)
    return Checkpoint(config, vocabulary, description, weights)


def _fine_tuned(name: str, longest: int, labels: tuple[str, ...] | None) -> Description:
    """The description of a model whose format stores only its kind and labels."""
    kind = KINDS[name]
    # The examples of this dataset are never read. No format stores the number of
    # choices of a question: the user gives it.
    dataset = Dataset(
        name="",
        kind=kind.name,
        metrics=(),
        splits={},
        reader=SquadJson(),
        labels=labels,
        num_choices=2,
    )
    lengths = kind.foreign_lengths(longest)
    encoding = kind.encoding_arguments(lengths, dataset)
    return Description(
        name,
        head=kind.head_arguments(dataset, {}),
        encoding={"max_length": lengths.max_length, **encoding},
    )


def differing(values: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the expected ones; omitted values are as expected."""
    return {
        name: values[name]
        for name, same in expected.items()
        if values.get(name, same) != same
    }


def unusual(checkpoint: Checkpoint) -> dict[str, Any]:
    """The properties of a model, besides its sizes, that the original BERT lacks.

    Formats for the original BERT cannot store them. Activations are not included,
    since each format has its own names for them; nor is the pooler, which exists if it
    has weights.
    """
    original = BertConfig(vocab_size=checkpoint.config.vocab_size).to_dict()
    for name in (*GOOGLE_FIELDS, "pooler"):
        del original[name]
    found = differing(checkpoint.config.to_dict(), original)
    names = {"byte_bpe": "byte-level BPE", "sentencepiece": "SentencePiece"}
    if checkpoint.vocabulary.kind in names:
        found["tokenizer"] = names[checkpoint.vocabulary.kind]
    if checkpoint.vocabulary.special_names is not None:
        found["special_names"] = checkpoint.vocabulary.special_names
    if checkpoint.vocabulary.added_tokens:
        found["added_tokens"] = [t.content for t in checkpoint.vocabulary.added_tokens]
    if checkpoint.description.sentence_vector is not None:
        found["sentence_vector"] = checkpoint.description.sentence_vector
    return found | unusual_head(checkpoint.description)


def unusual_head(description: Description) -> dict[str, Any]:
    """The properties of a head that the original BERT lacks."""
    found = {
        name: description.head[name]
        for name in (
            "features",
            "lstm_units",
            "mlm_activation",
            "mlm_epsilon",
            "output_activation",
            "compares_texts",
        )
        if description.head.get(name)
    }
    if description.objective not in _OBJECTIVES:
        found["objective"] = description.objective
    return found


def restored(tokens: Iterable[str]) -> Vocabulary:
    """The vocabulary, from tokens whose trailing white space a reader has stripped.

    Such a reader loses the line separators that Google's Chinese vocabulary has as
    pieces. No text contains these pieces in any case.

    Raises:
        ValueError: as for `Vocabulary`.
    """
    cut = ("", CONTINUATION)
    return Vocabulary(tuple(t + _LINE_SEPARATOR if t in cut else t for t in tokens))


def is_lower_cased(vocabulary: Vocabulary) -> bool:
    """True if no word has a capital letter, which only cased texts could match.

    Names in brackets of any kind, such as `[CLS]` or `<S>`, are not words.
    """
    words = (token.removeprefix("##") for token in vocabulary.tokens)
    return all(word == word.lower() for word in words if word.isalpha())


def has_accents(vocabulary: Vocabulary) -> bool:
    """True if a piece could never match a text without accents."""
    return any(
        unicodedata.category(character) == "Mn"
        for token in vocabulary.tokens
        if not token.isascii()
        for character in unicodedata.normalize("NFD", token)
    )
