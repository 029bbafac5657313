"""Folders of transformers and sentence-transformers, read without either package.

`model_types` has the encoders, with all heads; `tokenizer` the tokenizers.
"""

import dataclasses
import os
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from bert_tf.checkpoints.description import PRETRAINING, Description
from bert_tf.checkpoints.foreign import from_tensors
from bert_tf.checkpoints.hugging_face import (
    replaced_tokens,
    sentence_transformers,
    tokenizer,
)
from bert_tf.checkpoints.hugging_face.labels import classifier_kind, label_names
from bert_tf.checkpoints.hugging_face.model_type import (
    ModelType,
    architecture_of,
    kind_of,
)
from bert_tf.checkpoints.hugging_face.model_types.electra import ELECTRA
from bert_tf.checkpoints.hugging_face.model_types.table import type_for, type_of
from bert_tf.checkpoints.hugging_face.tensor_files import SAFETENSORS, open_tensors
from bert_tf.checkpoints.model_dir import Checkpoint, weight_shapes
from bert_tf.checkpoints.tensors import Tensors, write_safetensors
from bert_tf.checkpoints.weight_table import to_ours, to_theirs
from bert_tf.models.config import BertConfig
from bert_tf.tasks.kinds import KINDS
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.tokenizers.vocabulary import Vocabulary

_CONFIG = "config.json"
# Constant ranges from 0, which some versions of transformers write too.
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
# Prefixes that DataParallel and torch.compile add to all names.
_WRAPPERS = ("module.", "_orig_mod.")
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
    model_type = type_of(values)
    head = kind_of(model_type, values)
    vocabulary = tokenizer.read(folder)
    if texts.lower_case and not vocabulary.lower_case:
        vocabulary = vocabulary.with_casing(True, vocabulary.strip_accents)
    changes: dict[str, Any] = {}
    kind, labels = head, None
    is_detector = _is_detector(values, folder)
    if is_detector:
        model_type = replaced_tokens.DISCRIMINATOR
    table = model_type.table(head)
    theirs = {row.ours: row.theirs for row in table}
    tensors, tied = _weights(folder, model_type, theirs)
    if head == "classification":
        num_outputs = _num_outputs(tensors, theirs)
        kind = classifier_kind(values, num_outputs, folder)
        if texts.is_cross_encoder:
            changes = sentence_transformers.cross_encoder_head(texts, num_outputs)
    if kind in KINDS and KINDS[kind].has_labels:
        labels = label_names(values, _num_outputs(tensors, theirs), folder)
    if texts.vector is not None:
        changes = {"sentence_vector": texts.vector}
    config = model_type.config(values, tied)
    if is_detector:
        return _read_detector(folder, config, vocabulary, tensors)
    return from_tensors(
        config,
        vocabulary,
        kind,
        table,
        tensors,
        folder,
        labels=labels,
        max_length=tokenizer.max_length(folder),
        sentence_task=model_type.sentence_task,
        **changes,
    )


def _is_detector(values: dict[str, Any], folder: str) -> bool:
    """True for a discriminator of ELECTRA whose generator is in the folder, too."""
    is_detector = replaced_tokens.CLASS_NAME in (values.get("architectures") or ())
    return is_detector and is_there(replaced_tokens.generator_folder(folder))


def _read_detector(
    folder: str, config: BertConfig, vocabulary: Vocabulary, tensors: Tensors
) -> Checkpoint:
    """Reads both models of ELECTRA.

    Raises:
        ValueError: the generator does not belong to the discriminator.
    """
    config = dataclasses.replace(config, pooler=False)
    description = Description(PRETRAINING, objective=replaced_tokens.OBJECTIVE)
    shapes = weight_shapes(config, description)
    own = {n: s for n, s in shapes.items() if not n.startswith(("generator/", "mlm_"))}
    table = replaced_tokens.DISCRIMINATOR.table(PRETRAINING)
    weights = to_ours(table, own, config, tensors, folder)
    generator_folder = replaced_tokens.generator_folder(folder)
    checkpoint = Checkpoint(config, vocabulary, description, weights)
    found = replaced_tokens.joined(checkpoint, read(generator_folder))
    if found is None:
        raise ValueError(
            f"{generator_folder} is not the generator of {folder}: its config or its "
            "embeddings differ. Expected both of one training: remove the generator to "
            "read the encoder alone."
        )
    return found


def _weights(
    folder: str, model_type: ModelType, theirs: dict[str, str]
) -> tuple[Tensors, bool]:
    """The tensors of a model, each once, and whether its output table is tied.

    `theirs` maps our names of weights to theirs.
    """
    tensors = open_tensors(folder)
    wrappers = [w for w in _WRAPPERS if all(n.startswith(w) for n in tensors.shapes)]
    wrapper = wrappers[0] if wrappers else ""
    stored = {
        model_type.full_name(name.removeprefix(wrapper)): name
        for name in tensors.shapes
        if not name.endswith(_BUFFERS)
    }
    left_out = [name for name in stored if name.startswith(model_type.left_out)]
    if left_out:
        logging.warning(
            "%s: left out the head that detects replaced tokens (%s): it needs the "
            "generator of these tokens.",
            *(folder, ", ".join(left_out)),
        )
        for name in left_out:
            del stored[name]

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
        ValueError: no model of transformers computes this one; the differences are
            named.
        ImportError: a package that the tokenizer needs is not installed.
    """
    if checkpoint.description.objective == replaced_tokens.OBJECTIVE:
        discriminator, generator = replaced_tokens.parts(checkpoint)
        _write(discriminator, folder, None)
        _write(generator, replaced_tokens.generator_folder(folder), ELECTRA)
    else:
        _write(checkpoint, folder, type_for(checkpoint))


def _write(checkpoint: Checkpoint, folder: str, model_type: ModelType | None) -> None:
    """Writes a model of a type; None for the discriminator of ELECTRA."""
    config, description = checkpoint.config, checkpoint.description
    if model_type is None:
        model_type, architecture = (
            replaced_tokens.DISCRIMINATOR,
            replaced_tokens.CLASS_NAME,
        )
    else:
        architecture = architecture_of(model_type, description)
    values = model_type.values(config, checkpoint.vocabulary)
    table = model_type.table(description.kind)
    tensors = to_theirs(table, config, checkpoint.weights)
    sources = {name: name for name in tensors.shapes}
    if description.has_mlm_head and not config.tie_word_embeddings:
        theirs = {row.ours: row.theirs for row in table}
        sources[_bias_of(theirs[_OUTPUT_TABLE])] = theirs[_OUTPUT_BIAS]
    if architecture.endswith("Model"):
        sources = {name.removeprefix(model_type.prefix): name for name in sources}
    os.makedirs(folder, exist_ok=True)
    values = {"architectures": [architecture], **values, **_labels(description)}
    write_json(os.path.join(folder, _CONFIG), {**values, "dtype": "float32"})
    tokenizer.write(
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


def _num_outputs(tensors: Tensors, theirs: dict[str, str]) -> int:
    """The number of outputs of the head; 0 if it has no weights."""
    return tensors.shapes.get(theirs["head/kernel"], (0,))[0]
