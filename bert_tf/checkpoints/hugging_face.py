"""Folders of Hugging Face's transformers, read without it; sentence-transformers' too.

BERT, RoBERTa-like and ALBERT encoders with WordPiece vocabularies, with all heads.
"""

import dataclasses
import json
import os
from collections.abc import Collection
from typing import Any

import numpy as np

from bert_tf.checkpoints import (
    hugging_face_config,
    hugging_face_tokenizer,
    sentence_transformers,
)
from bert_tf.checkpoints import hugging_face_names as names
from bert_tf.checkpoints.checkpoint import (
    Checkpoint,
    default_encoding,
    weight_shapes,
)
from bert_tf.checkpoints.hugging_face_files import SAFETENSORS, open_tensors
from bert_tf.checkpoints.weight_table import Row, to_ours, to_theirs, weights_in
from bert_tf.model_dir import Description, write_file
from bert_tf.tensors import Tensors, write_safetensors

CONFIG = "config.json"

_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Numbers from 0 on, which some versions write too.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
_FAMILY_NAMES = {"bert": "Bert", "roberta": "Roberta", "albert": "Albert"}
_HEADS = {
    "classification": "ForSequenceClassification",
    "regression": "ForSequenceClassification",
    "token_tagging": "ForTokenClassification",
    "span_qa": "ForQuestionAnswering",
    "multiple_choice": "ForMultipleChoice",
}


def read(folder: str) -> Checkpoint:
    """Reads a folder that `save_pretrained` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the model computes something that ours cannot, or its weights are
            not those of its config; each is named.
    """
    sentence_vector = None
    if os.path.exists(os.path.join(folder, sentence_transformers.MODULES)):
        folder, sentence_vector = sentence_transformers.read(folder)
    path = os.path.join(folder, CONFIG)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{folder} holds no {CONFIG}.")
    with open(path) as file:
        values = json.load(file)
    family = hugging_face_config.family(values)
    vocabulary, lower_case = hugging_face_tokenizer.read(folder)
    tensors = open_tensors(folder)
    found = tensors.shapes
    stored = {_name(name, family): name for name in found if not _is_buffer(name)}

    def get(name: str) -> np.ndarray:
        return tensors.read(stored[name])

    table, bias = names.OUTPUT_TABLES[family], names.DECODER_BIASES[family]
    tied = table not in stored or np.array_equal(
        get(table), get(names.TOKEN_TABLES[family])
    )
    if tied:
        stored.pop(table, None)
    if bias in stored:
        stored[names.OUTPUT_BIASES[family]] = stored.pop(bias)
    shapes = {name: found[theirs] for name, theirs in stored.items()}
    has_pooler = any(
        name in shapes
        for row in (*names.ENCODERS[family], *names.CLASSIFIERS[family])
        if row.ours == "encoder/pooler/kernel"
        for name in [row.theirs]
    )
    config = hugging_face_config.to_ours(values, pooler=has_pooler, tied=tied)
    description = dataclasses.replace(
        _description(values, family, shapes, lower_case),
        sentence_vector=sentence_vector,
    )
    weights = weights_in(
        rows(family, description.kind), weight_shapes(config, description), config
    )
    return Checkpoint(
        config, vocabulary, description, to_ours(weights, Tensors(shapes, get), folder)
    )


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder that `from_pretrained` and `pipeline` open.

    Raises:
        ValueError: no model of theirs computes this one; what differs is named.
    """
    config, description = checkpoint.config, checkpoint.description
    values = hugging_face_config.to_theirs(config, checkpoint.vocabulary.pad_id)
    family = values["model_type"]
    weights = weights_in(
        rows(family, description.kind), weight_shapes(config, description), config
    )
    tensors = to_theirs(weights, checkpoint.weights)
    sources = {name: name for name in tensors.shapes}
    bias = names.OUTPUT_BIASES[family]
    if bias in sources and not config.tie_word_embeddings:
        sources[names.DECODER_BIASES[family]] = bias
    if _architecture(family, description).endswith("Model"):
        sources = {name.removeprefix(f"{family}."): name for name in sources}
    values = {
        "architectures": [_architecture(family, description)],
        **values,
        **_labels(description),
        "dtype": "float32",
    }
    os.makedirs(folder, exist_ok=True)
    files = {
        CONFIG: json.dumps(values, indent=2).encode() + b"\n",
        **hugging_face_tokenizer.files(
            checkpoint.vocabulary, description.lower_case, config.max_sequence_length
        ),
    }
    if description.sentence_vector is not None:
        files |= sentence_transformers.files(
            description.sentence_vector, config.hidden_size
        )
    for name, content in files.items():
        file = os.path.join(folder, name)
        os.makedirs(os.path.dirname(file), exist_ok=True)
        write_file(file, content)
    write_safetensors(
        os.path.join(folder, SAFETENSORS),
        Tensors(
            {name: tensors.shapes[source] for name, source in sources.items()},
            lambda name: tensors.read(sources[name]),
        ),
        {"format": "pt"},
    )


def rows(family: str, kind: str) -> tuple[Row, ...]:
    """All weights that a model of this family and kind may have."""
    encoder = names.ENCODERS[family]
    if kind == "pretraining":
        return encoder + names.MLM_HEADS[family] + names.SENTENCE_HEADS.get(family, ())
    if kind == "token_tagging":
        return encoder + names.TAGGER
    if kind == "span_qa":
        return encoder + names.SPAN_QA
    # Later rows take the place of earlier ones of the same weight.
    if kind == "multiple_choice":
        return encoder + names.TAGGER
    return encoder + names.CLASSIFIERS[family]


def _name(name: str, family: str) -> str:
    """The name with the prefix that models with a head have, and of today."""
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        return f"{family}.{name}"
    return name


def _is_buffer(name: str) -> bool:
    return name.endswith(_BUFFERS)


def _architecture(family: str, description: Description) -> str:
    if description.kind != "pretraining":
        head = _HEADS[description.kind]
    elif description.sentence_task is None:
        head = "ForMaskedLM" if description.has_mlm_head else "Model"
    else:
        head = "ForNextSentencePrediction"
        if description.has_mlm_head:
            head = "ForPreTraining"
    return _FAMILY_NAMES[family] + head


def _labels(description: Description) -> dict[str, Any]:
    """The fields of a config.json that say what the outputs mean."""
    if description.kind == "regression":
        labels: tuple[str, ...] = ("score",)
        problem = {"problem_type": "regression"}
    elif description.labels is not None:
        labels, problem = description.labels, {}
    else:
        return {}
    return {
        **problem,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def _description(
    values: dict[str, Any], family: str, found: Collection[str], lower_case: bool
) -> Description:
    """The kind of model that was saved, by the class that it names."""
    architecture = (values.get("architectures") or [""])[0]
    head = architecture.removeprefix(_FAMILY_NAMES[family])
    kinds = {theirs: kind for kind, theirs in reversed(_HEADS.items())}
    kind = kinds.get(head, "pretraining")
    if kind == "pretraining":
        sentence = names.SENTENCE_HEADS.get(family)
        task = "sentence_order" if family == "albert" else "next_sentence"
        has_task = sentence is not None and sentence[0].theirs in found
        return Description(
            kind,
            lower_case,
            sentence_task=task if has_task else None,
            head={"mlm_head": names.MLM_HEADS[family][0].theirs in found},
        )
    offset = 2 if family == "roberta" else 0
    longest = values["max_position_embeddings"] - offset
    id2label = values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    labels = tuple(id2label[key] for key in sorted(id2label, key=int))
    problem = values.get("problem_type")
    if problem == "multi_label_classification":
        raise ValueError(
            "Received a classifier that gives a text any number of labels. Expected "
            "one label, or a score, for each."
        )
    if kind == "classification" and (problem == "regression" or len(labels) == 1):
        kind = "regression"
    head_arguments: dict[str, dict[str, Any]] = {
        "span_qa": {},
        # The number of choices is that of the data, and stands in no file.
        "multiple_choice": {"num_choices": 2},
        "regression": {"num_outputs": 1},
    }
    return Description(
        kind,
        lower_case,
        head=head_arguments.get(kind, {"num_outputs": len(labels)}),
        encoding=default_encoding(
            kind, longest, None if kind == "regression" else labels
        ),
    )
