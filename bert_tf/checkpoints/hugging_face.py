"""Folders of Hugging Face's transformers, read without it; sentence-transformers' too.

BERT, RoBERTa and ALBERT encoders with all heads; WordPiece or byte-level BPE.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
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
    pretraining_head,
    unusual_head,
    weight_shapes,
)
from bert_tf.checkpoints.hugging_face_files import SAFETENSORS, open_tensors
from bert_tf.checkpoints.model_dir import Description
from bert_tf.checkpoints.tensors import Tensors, write_safetensors
from bert_tf.checkpoints.weight_table import Row, to_ours, to_theirs, weights_in
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json

CONFIG, MODULES = "config.json", sentence_transformers.MODULES

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
_TOKEN_TABLE = "encoder/embeddings/token_table"
_OUTPUT_TABLE, _OUTPUT_BIAS = "mlm_head/output_table", "mlm_head/output_bias"


def read(folder: str) -> Checkpoint:
    """Reads a folder that `save_pretrained` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the model computes something that ours cannot, or its weights are
            not those of its config; each is named.
    """
    sentence_vector, lowers_texts = None, False
    if os.path.exists(os.path.join(folder, MODULES)):
        folder, sentence_vector = sentence_transformers.read(folder)
        lowers_texts = sentence_transformers.lowers_texts(folder)
    values = read_json(os.path.join(folder, CONFIG))
    family = hugging_face_config.family(values)
    kind = _kind(values, family)
    table = rows(family, kind)
    theirs = {row.ours: row.theirs for row in table}
    vocabulary = hugging_face_tokenizer.read(folder)
    if lowers_texts and not vocabulary.lower_case:
        vocabulary = vocabulary.with_casing(True, vocabulary.strip_accents)
    tensors = open_tensors(folder)
    stored = {
        _name(name, family): name
        for name in tensors.shapes
        if not name.endswith(_BUFFERS)
    }

    def get(name: str) -> np.ndarray:
        return tensors.read(stored[name])

    tied = True
    output_table = theirs.get(_OUTPUT_TABLE)
    if output_table is not None and output_table in stored:
        # Often the encoder's own again.
        tied = np.array_equal(get(output_table), get(theirs[_TOKEN_TABLE]))
        if tied:
            del stored[output_table]
    if output_table is not None and _bias_of(output_table) in stored:
        # Where the bias is written twice, this is the one that is used.
        stored[theirs[_OUTPUT_BIAS]] = stored.pop(_bias_of(output_table))
    shapes = {name: tensors.shapes[source] for name, source in stored.items()}

    def is_there(ours: str) -> bool:
        return theirs.get(ours) in shapes

    config = hugging_face_config.to_ours(
        values, pooler=is_there("encoder/pooler/kernel"), tied=tied
    )
    if kind == "pretraining":
        task = "sentence_order" if family == "albert" else "next_sentence"
        description = Description(
            kind,
            sentence_task=task if is_there("sentence_head/kernel") else None,
            head=pretraining_head(is_there("mlm_head/transform/kernel")),
            sentence_vector=sentence_vector,
        )
    else:
        labels = None if kind == "regression" else _label_names(values)
        description = Description(
            kind,
            head=_head(kind, labels),
            encoding=default_encoding(kind, config.max_sequence_length, labels),
        )
    weights = weights_in(table, weight_shapes(config, description), config)
    return Checkpoint(
        config, vocabulary, description, to_ours(weights, Tensors(shapes, get), folder)
    )


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder that `from_pretrained` and `pipeline` open.

    Raises:
        ValueError: no model of theirs computes this one; what differs is named.
    """
    config, description = checkpoint.config, checkpoint.description
    others = unusual_head(dataclasses.replace(description, sentence_vector=None))
    if description.kind not in ("pretraining", *_HEADS):
        others["kind"] = description.kind
    if others:
        raise ValueError(
            f"Received a model with {others}, for which no Hugging Face model has a "
            "head. Expected the original's heads: leave it out with --encoder_only."
        )
    values = hugging_face_config.to_theirs(config, checkpoint.vocabulary.pad_id)
    family = values["model_type"]
    architecture = _architecture(family, description)
    weights = weights_in(
        rows(family, description.kind), weight_shapes(config, description), config
    )
    tensors = to_theirs(weights, checkpoint.weights)
    sources = {name: name for name in tensors.shapes}
    if description.has_mlm_head and not config.tie_word_embeddings:
        theirs = {weight.ours: weight.theirs[0] for weight in weights}
        sources[_bias_of(theirs[_OUTPUT_TABLE])] = theirs[_OUTPUT_BIAS]
    if architecture.endswith("Model"):
        sources = {name.removeprefix(f"{family}."): name for name in sources}
    values = {
        "architectures": [architecture],
        **values,
        **_labels(description),
        "dtype": "float32",
    }
    os.makedirs(folder, exist_ok=True)
    files = {
        CONFIG: json.dumps(values, indent=2).encode() + b"\n",
        **hugging_face_tokenizer.files(
            checkpoint.vocabulary,
            config.max_sequence_length,
            has_segments=config.type_vocab_size > 1,
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
    """All weights that a model of this family and kind may have.

    Later rows take the place of earlier ones of the same weight.
    """
    heads = {
        "pretraining": (
            *names.MLM_HEADS[family],
            *names.SENTENCE_HEADS.get(family, ()),
        ),
        "token_tagging": names.CLASSIFIER,
        "multiple_choice": names.CLASSIFIER,
        "span_qa": names.SPAN_QA,
    }
    return names.ENCODERS[family] + heads.get(kind, names.TEXT_CLASSIFIERS[family])


def _bias_of(table: str) -> str:
    return table.removesuffix("weight") + "bias"


def _name(name: str, family: str) -> str:
    """The name with the prefix that models with a head have, and of today."""
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        return f"{family}.{name}"
    return name


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


def _kind(values: dict[str, Any], family: str) -> str:
    """The kind of the model that was saved, by the class that it names.

    Raises:
        ValueError: a text may have any number of its labels.
    """
    architecture = (values.get("architectures") or [""])[0]
    head = architecture.removeprefix(_FAMILY_NAMES[family])
    kinds = [kind for kind, name in _HEADS.items() if name == head]
    if not kinds:
        return "pretraining"
    if kinds != ["classification", "regression"]:
        return kinds[0]
    problem = values.get("problem_type")
    if problem == "multi_label_classification":
        raise ValueError(
            "Received a classifier that gives a text any number of labels. Expected "
            "one label, or a score, for each."
        )
    is_score = problem == "regression" or len(_label_names(values)) == 1
    return "regression" if is_score else "classification"


def _label_names(values: dict[str, Any]) -> tuple[str, ...]:
    id2label = values.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return tuple(id2label[key] for key in sorted(id2label, key=int))


def _head(kind: str, labels: Sequence[str] | None) -> dict[str, Any]:
    if kind == "span_qa":
        return {}
    if kind == "multiple_choice":
        # The number of choices is that of the data, and stands in no file: whoever
        # converts says it.
        return {"num_choices": 2}
    return {"num_outputs": 1 if labels is None else len(labels)}
