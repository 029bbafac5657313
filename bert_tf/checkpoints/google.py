"""Checkpoints of google-research/bert: TF1 variables, bert_config.json, vocab.txt.

The names are those of its modeling.py, run_pretraining.py, run_classifier.py and
run_squad.py. The folder is laid out like the published ones.
"""

import dataclasses
import json
import math
import posixpath
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.checkpoint import (
    GOOGLE_FIELDS,
    Checkpoint,
    default_encoding,
    pretraining_head,
    unusual,
    weight_shapes,
)
from bert_tf.checkpoints.foreign_vocabulary import is_lower_cased
from bert_tf.checkpoints.model_dir import CONFIG, VOCABULARY, Description
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import (
    Row,
    dense,
    norm,
    to_ours,
    to_theirs,
    weights_in,
)
from bert_tf.models.config import BertConfig
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json
from data_pipelines.tokenizers.vocabulary import Vocabulary

WEIGHTS = "bert_model.ckpt"

_OURS, _THEIRS = "encoder/block_{layer}", "bert/encoder/layer_{layer}"
ENCODER = (
    Row("encoder/embeddings/token_table", "bert/embeddings/word_embeddings"),
    Row("encoder/embeddings/position_table", "bert/embeddings/position_embeddings"),
    Row("encoder/embeddings/segment_table", "bert/embeddings/token_type_embeddings"),
    *norm("encoder/embeddings/norm", "bert/embeddings/LayerNorm"),
    *dense(
        f"{_OURS}/attention/query_key_value",
        f"{_THEIRS}/attention/self/{{query,key,value}}",
    ),
    *dense(f"{_OURS}/attention/output", f"{_THEIRS}/attention/output/dense"),
    *norm(f"{_OURS}/attention_norm", f"{_THEIRS}/attention/output/LayerNorm"),
    *dense(f"{_OURS}/feed_forward/expansion", f"{_THEIRS}/intermediate/dense"),
    *dense(f"{_OURS}/feed_forward/contraction", f"{_THEIRS}/output/dense"),
    *norm(f"{_OURS}/feed_forward_norm", f"{_THEIRS}/output/LayerNorm"),
    *dense("encoder/pooler", "bert/pooler/dense"),
)
PRETRAINING = (
    *dense("mlm_head/transform", "cls/predictions/transform/dense"),
    *norm("mlm_head/norm", "cls/predictions/transform/LayerNorm"),
    Row("mlm_head/output_bias", "cls/predictions/output_bias"),
    Row("sentence_head/kernel", "cls/seq_relationship/output_weights", transposed=True),
    Row("sentence_head/bias", "cls/seq_relationship/output_bias"),
)
CLASSIFIER = (
    Row("head/kernel", "output_weights", transposed=True),
    Row("head/bias", "output_bias"),
)
SPAN_QA = (
    Row("head/kernel", "cls/squad/output_weights", transposed=True),
    Row("head/bias", "cls/squad/output_bias"),
)
# The optimizer's: moments and the step.
_TRAINING_STATE = re.compile(r".*/adam_[mv]|global_step")
# Numbers in a data file of a checkpoint that is written.
_PART_SIZE = 2**26
# Fields of published files that Google's own code does not read.
_UNREAD = re.compile(r"directionality|pooler_.*")


def read(path: str) -> Checkpoint:
    """Reads a folder, or a checkpoint in it by its prefix.

    The casing, which the format does not hold, is that of the vocabulary.

    Args:
        path: the folder of bert_config.json and vocab.txt, or the prefix of one of its
            checkpoints.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the weights are not those of the config; each is named.
    """
    folder, prefix = find_prefix(path)
    vocabulary = Vocabulary.from_file(posixpath.join(folder, VOCABULARY))
    config = read_config(posixpath.join(folder, CONFIG))
    variables = open_variables(prefix)
    found = {
        name: shape
        for name, shape in variables.shapes.items()
        if not _TRAINING_STATE.fullmatch(name)
    }
    config = dataclasses.replace(config, pooler="bert/pooler/dense/kernel" in found)
    vocabulary = vocabulary.with_casing(is_lower_cased(vocabulary))
    description = _description(found, config.max_sequence_length)
    weights = weights_in(table(description), weight_shapes(config, description), config)
    return Checkpoint(
        config,
        vocabulary,
        description,
        to_ours(weights, Tensors(found, variables.read), prefix),
    )


def write(checkpoint: Checkpoint, path: str) -> None:
    """Writes a folder like those that Google published.

    Raises:
        ValueError: Google's code cannot compute this model; what differs is named.
    """
    config, description = checkpoint.config, checkpoint.description
    content = json.dumps(config_to_google(checkpoint), indent=2) + "\n"
    weights = weights_in(table(description), weight_shapes(config, description), config)
    tensors = to_theirs(weights, checkpoint.weights)
    tf.io.gfile.makedirs(path)
    write_file(posixpath.join(path, CONFIG), content.encode())
    write_file(posixpath.join(path, VOCABULARY), checkpoint.vocabulary.to_bytes())
    _write_variables(posixpath.join(path, WEIGHTS), tensors)


def _write_variables(prefix: str, tensors: Tensors) -> None:
    """A TF1 checkpoint of several data files, of which one at a time is in memory."""
    parts: list[list[str]] = [[]]
    size = 0
    for name in sorted(tensors.shapes):
        count = math.prod(tensors.shapes[name])
        if parts[-1] and size + count > _PART_SIZE:
            parts.append([])
            size = 0
        parts[-1].append(name)
        size += count
    prefixes = [f"{prefix}_part{number}" for number in range(len(parts))]
    for part, names in zip(prefixes, parts, strict=True):
        tf.raw_ops.SaveV2(
            prefix=part,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tensors.read(name) for name in names],
        )
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=prefixes, destination_prefix=prefix, delete_old_dirs=False
    )


def read_config(path: str) -> BertConfig:
    """Google's bert_config.json as ours: its "gelu" is the tanh form."""
    values = read_json(path)
    values = {k: v for k, v in values.items() if not _UNREAD.fullmatch(k)}
    if values.get("hidden_act", "gelu") == "gelu":
        values["hidden_act"] = "gelu_tanh"
    return BertConfig.from_dict(values)


def config_to_google(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields of Google's bert_config.json.

    Raises:
        ValueError: Google's code cannot compute the model; what differs is named.
    """
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    others = unusual(config, checkpoint.description)
    if config.hidden_act not in ("gelu_tanh", "relu"):
        others["hidden_act"] = config.hidden_act
    if vocabulary.strip_accents != vocabulary.lower_case:
        others["strip_accents"] = vocabulary.strip_accents
    if others:
        raise ValueError(
            f"Received a model with {others}, which google-research/bert cannot "
            "compute. Expected the original's variants: choose another format, or "
            "leave heads out with --encoder_only."
        )
    values = config.to_dict()
    fields = {name: values[name] for name in GOOGLE_FIELDS}
    return {**fields, "hidden_act": config.hidden_act.removesuffix("_tanh")}


def table(description: Description) -> tuple[Row, ...]:
    """All weights that a checkpoint of this kind of model has names for."""
    if description.kind == "pretraining":
        return ENCODER + PRETRAINING
    if description.kind in ("classification", "regression"):
        return ENCODER + CLASSIFIER
    if description.kind == "span_qa":
        return ENCODER + SPAN_QA
    raise ValueError(
        f"Received a model of the kind {description.kind}, for which google-research/"
        "bert has no head. Expected pretraining, classification, regression or "
        "span_qa: choose another format."
    )


def _description(found: Mapping[str, tuple[int, ...]], longest: int) -> Description:
    """The kind of model that has these tensors; classes are numbers, as they are."""
    if "cls/squad/output_weights" in found:
        return Description("span_qa", encoding=default_encoding("span_qa", longest))
    if "output_weights" in found:
        count = found["output_weights"][0]
        kind = "classification" if count > 1 else "regression"
        labels = tuple(str(number) for number in range(count)) if count > 1 else None
        return Description(
            kind,
            head={"num_outputs": count},
            encoding=default_encoding(kind, longest, labels),
        )
    return Description(
        "pretraining",
        sentence_task=(
            "next_sentence" if "cls/seq_relationship/output_weights" in found else None
        ),
        head=pretraining_head("cls/predictions/output_bias" in found),
    )


def open_variables(prefix: str) -> Tensors:
    """All variables of a checkpoint of TensorFlow's.

    Raises:
        ValueError: its index, or later a data file, is broken.
    """
    # What the reader raises depends on where a file ends.
    broken = (tf.errors.OpError, RuntimeError, IndexError)

    def problem(error: Exception) -> ValueError:
        return ValueError(
            f"The checkpoint {prefix} is broken: {error}. Expected its index and data "
            "files whole: copy them again."
        )

    try:
        reader = tf.train.load_checkpoint(prefix)
    except broken as error:
        raise problem(error) from None

    def read(name: str) -> Any:
        try:
            return reader.get_tensor(name)
        except broken as error:
            raise problem(error) from None

    shapes = reader.get_variable_to_shape_map()
    return Tensors({name: tuple(shape) for name, shape in shapes.items()}, read)


def find_prefix(path: str) -> tuple[str, str]:
    """The folder, and the prefix of the checkpoint in it."""
    if tf.io.gfile.exists(f"{path}.index"):
        return posixpath.dirname(path), path
    if not tf.io.gfile.isdir(path):
        raise FileNotFoundError(
            f"No checkpoint at {path!r}. Expected a folder with {CONFIG}, {VOCABULARY} "
            f"and {WEIGHTS}.index, or the prefix of a checkpoint in such a folder."
        )
    prefixes = sorted(
        name.removesuffix(".index")
        for name in tf.io.gfile.listdir(path)
        if name.endswith(".index")
    )
    if len(prefixes) != 1:
        raise FileNotFoundError(
            f"{path} holds the checkpoints {prefixes}. Expected one: name it, as in "
            f"{posixpath.join(path, WEIGHTS)}."
        )
    return path, posixpath.join(path, prefixes[0])
