"""Folders of transformers and sentence-transformers, read without either package.

Supported are BERT, RoBERTa and ALBERT encoders with all heads, and tokenizers of
WordPiece or byte-level BPE.
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
# Constant ranges from 0, which some versions of transformers write too.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
# Prefixes that DataParallel and torch.compile add to all names.
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
    """Reads a folder written by `save_pretrained`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the model computes something that ours cannot, or its weights do
            not match its config; each problem is named.
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
    """The tensors of a model, each once, and whether its output table is tied.

    `theirs` maps our names of weights to theirs.
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
        # The file often repeats the encoder's token table here.
        names = (output_table, theirs[_TOKEN_TABLE])
        output, tokens = (tensors.read(stored[name]) for name in names)
        tied = np.array_equal(output, tokens)
        if tied:
            del stored[output_table]
    if output_table is not None and _bias_of(output_table) in stored:
        # If the bias is stored twice, transformers uses this one.
        stored[theirs[_OUTPUT_BIAS]] = stored.pop(_bias_of(output_table))
    return tensors.renamed(stored), tied


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder that `from_pretrained` and `pipeline` open.

    Raises:
        ValueError: no Hugging Face model computes this one; the differences are named.
        ImportError: a package that the tokenizer needs is not installed.
    """
    config, description = checkpoint.config, checkpoint.description
    others = unusual_head(description)
    if description.kind not in (PRETRAINING, *_HEADS):
        others["kind"] = description.kind
    if others:
        raise ValueError(
            f"Received a model with {others}, for which no Hugging Face model has a "
            "head. Expected a head of the original BERT: use --encoder_only to convert "
            "the encoder alone."
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
    """The length at which transformers truncates texts.

    For a model that reads long texts in windows here, this is the longest length that
    it allows, since transformers would drop the rest. The question-answering pipeline
    makes windows itself.
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
    """The current name of a weight, with the prefix used in models with a head."""
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
    """The fields of a config.json that name the outputs."""
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
    """The kind of a saved model, from the class that its config names.

    Regression and classification share a class; both are "classification" here.
    """
    architecture = values.get("architectures") or ""
    if isinstance(architecture, list):
        architecture = architecture[0]
    head = architecture.removeprefix(_FAMILY_NAMES[family])
    kinds = [kind for kind, name in _HEADS.items() if name == head]
    return kinds[0] if kinds else PRETRAINING


def _num_outputs(tensors: Tensors, theirs: dict[str, str]) -> int:
    """The number of outputs of the head; 0 if it has no weights."""
    return tensors.shapes.get(theirs["head/kernel"], (0,))[0]
