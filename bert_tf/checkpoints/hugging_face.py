"""Folders of Hugging Face's transformers, read without it; sentence-transformers' too.

BERT, RoBERTa and ALBERT encoders with all heads; WordPiece or byte-level BPE.
"""

import os
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import (
    hugging_face_config,
    hugging_face_names,
    hugging_face_tokenizer,
    sentence_transformers,
)
from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.foreign import from_tensors, unusual_head
from bert_tf.checkpoints.hugging_face_files import SAFETENSORS, open_tensors
from bert_tf.checkpoints.hugging_face_labels import classifier_kind, label_names
from bert_tf.checkpoints.model_dir import Checkpoint
from bert_tf.checkpoints.tensors import Tensors, write_safetensors
from bert_tf.checkpoints.weight_table import to_theirs
from bert_tf.tasks.kinds import KINDS
from data_pipelines.files.json_files import read_json, write_json

_CONFIG = "config.json"
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
# Numbers from 0 on, which some versions write too.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
# What DataParallel and torch.compile put before all names.
_WRAPPERS = ("module.", "_orig_mod.")
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


def is_there(source: str) -> bool:
    """True if a source is a folder of transformers or sentence-transformers."""
    names = (_CONFIG, sentence_transformers.MODULES)
    return any(tf.io.gfile.exists(os.path.join(source, name)) for name in names)


def read(folder: str) -> Checkpoint:
    """Reads a folder that `save_pretrained` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the model computes something that ours cannot, or its weights are
            not those of its config; each is named.
    """
    texts = sentence_transformers.read(folder)
    folder = texts.folder
    values = read_json(os.path.join(folder, _CONFIG))
    family = hugging_face_config.family(values)
    head = _head(values, family)
    vocabulary = hugging_face_tokenizer.read(folder)
    if texts.lower_case and not vocabulary.lower_case:
        vocabulary = vocabulary.with_casing(True, vocabulary.strip_accents)
    table = hugging_face_names.table(family, head)
    theirs = {row.ours: row.theirs for row in table}
    tensors, tied = _weights(folder, family, theirs)
    changes: dict[str, Any] = {}
    kind, labels = head, None
    if head == "classification":
        num_outputs = _num_outputs(tensors, theirs)
        kind = classifier_kind(values, num_outputs, folder)
        if texts.is_cross_encoder:
            changes = sentence_transformers.cross_encoder_head(texts, num_outputs)
    if kind in KINDS and KINDS[kind].has_labels:
        labels = label_names(values, _num_outputs(tensors, theirs), folder)
    if texts.vector is not None:
        changes = {"sentence_vector": texts.vector}
    return from_tensors(
        hugging_face_config.to_ours(values, tied),
        vocabulary,
        kind,
        table,
        tensors,
        folder,
        labels=labels,
        max_length=hugging_face_tokenizer.max_length(folder),
        sentence_task="sentence_order" if family == "albert" else "next_sentence",
        **changes,
    )


def _weights(folder: str, family: str, theirs: dict[str, str]) -> tuple[Tensors, bool]:
    """The tensors of a model, each once, and whether its output is the token table.

    `theirs` has the name of a tensor for each name of ours.
    """
    tensors = open_tensors(folder)
    wrappers = [w for w in _WRAPPERS if all(n.startswith(w) for n in tensors.shapes)]
    wrapper = wrappers[0] if wrappers else ""
    stored = {
        _full_name(name.removeprefix(wrapper), family): name
        for name in tensors.shapes
        if not name.endswith(_BUFFERS)
    }

    tied = True
    output_table = theirs.get(_OUTPUT_TABLE)
    if output_table in stored:
        # Often the encoder's own again.
        names = (output_table, theirs[_TOKEN_TABLE])
        output, tokens = (tensors.read(stored[name]) for name in names)
        tied = np.array_equal(output, tokens)
        if tied:
            del stored[output_table]
    if output_table is not None and _bias_of(output_table) in stored:
        # Where the bias is written twice, this is the one that is used.
        stored[theirs[_OUTPUT_BIAS]] = stored.pop(_bias_of(output_table))
    return tensors.renamed(stored), tied


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder that `from_pretrained` and `pipeline` open.

    Raises:
        ValueError: no model of theirs computes this one; what differs is named.
        ImportError: a package that the tokenizer needs is not installed.
    """
    config, description = checkpoint.config, checkpoint.description
    others = unusual_head(description)
    if description.kind not in (PRETRAINING, *_HEADS):
        others["kind"] = description.kind
    if others:
        raise ValueError(
            f"Received a model with {others}, for which no Hugging Face model has a "
            "head. Expected the original's heads: leave it out with --encoder_only."
        )
    values = hugging_face_config.to_theirs(config, checkpoint.vocabulary.pad_id)
    family = values["model_type"]
    table = hugging_face_names.table(family, description.kind)
    tensors = to_theirs(table, config, checkpoint.weights)
    sources = {name: name for name in tensors.shapes}
    if description.has_mlm_head and not config.tie_word_embeddings:
        theirs = {row.ours: row.theirs for row in table}
        sources[_bias_of(theirs[_OUTPUT_TABLE])] = theirs[_OUTPUT_BIAS]
    architecture = _architecture(family, description)
    if architecture.endswith("Model"):
        sources = {name.removeprefix(f"{family}."): name for name in sources}
    os.makedirs(folder, exist_ok=True)
    values = {"architectures": [architecture], **values, **_labels(description)}
    write_json(os.path.join(folder, _CONFIG), {**values, "dtype": "float32"})
    hugging_face_tokenizer.write(
        folder,
        checkpoint.vocabulary,
        _max_length(checkpoint),
        has_segments=config.type_vocab_size > 1,
    )
    if description.sentence_vector is not None:
        vector = description.sentence_vector
        sentence_transformers.write(folder, vector, config.hidden_size)
    path = os.path.join(folder, SAFETENSORS)
    write_safetensors(path, tensors.renamed(sources), {"format": "pt"})


def _max_length(checkpoint: Checkpoint) -> int:
    """The length at which transformers is to cut texts off.

    Where a long text is read in windows here, that is the most of the model: theirs
    would lose the rest. The pipeline for questions has windows of its own.
    """
    longest, description = checkpoint.config.max_sequence_length, checkpoint.description
    if description.sentence_vector is not None:
        return min(longest, description.sentence_vector.max_length)
    encoding = description.encoding
    in_windows = encoding.get("stride") is not None and description.kind != "span_qa"
    return longest if in_windows else encoding.get("max_length", longest)


def _bias_of(table: str) -> str:
    return table.removesuffix("weight") + "bias"


def _full_name(name: str, family: str) -> str:
    """The name with the prefix that models with a head have, and of today."""
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new)
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        return f"{family}.{name}"
    return name


def _architecture(family: str, description: Description) -> str:
    if description.kind != PRETRAINING:
        head = _HEADS[description.kind]
    elif description.sentence_task is None:
        head = "ForMaskedLM" if description.has_mlm_head else "Model"
    else:
        head = "ForNextSentencePrediction"
        if description.has_mlm_head:
            head = "ForPreTraining"
    return _FAMILY_NAMES[family] + head


def _labels(description: Description) -> dict[str, Any]:
    """The fields of a config.json with the meaning of the outputs."""
    problem, labels = {}, description.labels
    if description.kind == "regression":
        problem, labels = {"problem_type": "regression"}, ("score",)
    if labels is None:
        return {}
    return {
        **problem,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def _head(values: dict[str, Any], family: str) -> str:
    """The kind of the model that was saved, by the class that it names.

    Regression and classification have the same class.
    """
    architecture = values.get("architectures") or ""
    if isinstance(architecture, list):
        architecture = architecture[0]
    head = architecture.removeprefix(_FAMILY_NAMES[family])
    kinds = [kind for kind, name in _HEADS.items() if name == head]
    return kinds[0] if kinds else PRETRAINING


def _num_outputs(tensors: Tensors, theirs: dict[str, str]) -> int:
    """The width of the head; 0 where it has no weights."""
    return tensors.shapes.get(theirs["head/kernel"], (0,))[0]
