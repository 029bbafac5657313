"""Checkpoints of google-research/bert: TF1 variables, bert_config.json, vocab.txt.

The names come from its modeling.py, run_pretraining.py, run_classifier.py and
run_squad.py. The folder has the layout of the published ones.
"""

import collections
import math
import posixpath
import re
from typing import Any

import tensorflow as tf
from absl import logging

from bert_tf.checkpoints import foreign
from bert_tf.checkpoints.description import PRETRAINING
from bert_tf.checkpoints.model_dir import CONFIG, VOCABULARY, Checkpoint
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import TENSORFLOW, LayerNames, rows, to_theirs
from bert_tf.models.config import BertConfig
from data_pipelines.files.atomic import remove, write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.tokenizers.vocabulary import Vocabulary

WEIGHTS = "bert_model.ckpt"
# The variable of a TF2 object checkpoint with the owners of all other variables.
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"

_OURS, _THEIRS = "encoder/block_{layer}", "bert/encoder/layer_{layer}"
_ENCODER = {
    "encoder/embeddings/token_table": "bert/embeddings/word_embeddings",
    "encoder/embeddings/position_table": "bert/embeddings/position_embeddings",
    "encoder/embeddings/segment_table": "bert/embeddings/token_type_embeddings",
    "encoder/embeddings/norm": "bert/embeddings/LayerNorm",
    f"{_OURS}/attention/query_key_value": (
        f"{_THEIRS}/attention/self/{{query,key,value}}"
    ),
    f"{_OURS}/attention/output": f"{_THEIRS}/attention/output/dense",
    f"{_OURS}/attention_norm": f"{_THEIRS}/attention/output/LayerNorm",
    f"{_OURS}/feed_forward/expansion": f"{_THEIRS}/intermediate/dense",
    f"{_OURS}/feed_forward/contraction": f"{_THEIRS}/output/dense",
    f"{_OURS}/feed_forward_norm": f"{_THEIRS}/output/LayerNorm",
    "encoder/pooler": "bert/pooler/dense",
}
_MLM_HEAD = {
    "mlm_head/transform": "cls/predictions/transform/dense",
    "mlm_head/norm": "cls/predictions/transform/LayerNorm",
    "mlm_head/output_bias": "cls/predictions/output_bias",
}

# The output of a head: kernels have the shape (out, in), and names have no slash.
_OUTPUT = LayerNames("output_weights", "output_bias", transposed=True)
# By kind of model.
_TABLES = {
    kind: rows(TENSORFLOW, _ENCODER | layers) + rows(_OUTPUT, outputs)
    for kind, layers, outputs in (
        ("pretraining", _MLM_HEAD, {"sentence_head": "cls/seq_relationship/"}),
        ("classification", {}, {"head": ""}),
        ("regression", {}, {"head": ""}),
        ("span_qa", {}, {"head": "cls/squad/"}),
    )
}
# Variables of optimizers, and slots named beside their weight.
_TRAINING_STATE = re.compile(
    r"(.*/)?(global_step|beta\d?_power(_\d+)?|(current_)?loss_scale|good_steps"
    r"|(current_)?learning_rate|.*_slot_(m|v|vr|vc))|(training|optimizer)/.*",
    re.IGNORECASE,
)
# The files of a checkpoint, after its prefix.
_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
# A data file that is written ends with the tensor that exceeds this number of values.
_PART_SIZE = 2**25
# Fields of published configs that Google's own code does not read.
_UNREAD = re.compile(r"directionality|pooler_.*")


def is_there(source: str) -> bool:
    """True if a source is, or contains, a checkpoint of TF1 variables."""
    return bool(_prefixes(source)) and not is_object_checkpoint(source)


def read(path: str) -> Checkpoint:
    """Reads a folder, or a checkpoint in it by its prefix.

    The format does not store the casing; it is inferred from the vocabulary.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: the weights do not match the config; each problem is named.
    """
    folder, prefix = find_prefix(path)
    vocabulary = Vocabulary.from_file(posixpath.join(folder, VOCABULARY))
    vocabulary = vocabulary.with_casing(foreign.is_lower_cased(vocabulary))
    config = read_config(posixpath.join(folder, CONFIG))
    variables = open_variables(prefix)
    tensors = variables.renamed(
        {name: name for name in variables.shapes if not _is_state(name, variables)}
    )
    kind, labels = PRETRAINING, None
    if "cls/squad/output_weights" in tensors.shapes:
        kind = "span_qa"
    elif "output_weights" in tensors.shapes:
        num_outputs = tensors.shapes["output_weights"][0]
        kind = "classification" if num_outputs > 1 else "regression"
        labels = tuple(map(str, range(num_outputs))) if num_outputs > 1 else None
    return foreign.from_tensors(
        config, vocabulary, kind, _TABLES[kind], tensors, prefix, labels
    )


def _is_state(name: str, variables: Tensors) -> bool:
    """True for variables of an optimizer; slots are named below their weight."""
    parts = name.split("/")
    owners = ("/".join(parts[:count]) for count in range(1, len(parts)))
    is_slot = any(owner in variables.shapes for owner in owners)
    return is_slot or bool(_TRAINING_STATE.fullmatch(name))


def write(checkpoint: Checkpoint, path: str) -> None:
    """Writes a folder like those that Google published.

    Raises:
        ValueError: Google's code cannot compute this model; the differences are named.
    """
    config = _config_to_google(checkpoint)
    table = _TABLES[checkpoint.description.kind]
    tensors = to_theirs(table, checkpoint.config, checkpoint.weights)
    tf.io.gfile.makedirs(path)
    write_json(posixpath.join(path, CONFIG), config)
    write_file(posixpath.join(path, VOCABULARY), checkpoint.vocabulary.to_bytes())
    _write_variables(posixpath.join(path, WEIGHTS), tensors)


def _write_variables(prefix: str, tensors: Tensors) -> None:
    """Writes a TF1 checkpoint; only one data file at a time is in memory."""
    parts = collections.defaultdict(list)
    size = 0
    for name in sorted(tensors.shapes):
        parts[f"{prefix}_part{size // _PART_SIZE}"].append(name)
        size += math.prod(tensors.shapes[name])
    for part, names in parts.items():
        tf.raw_ops.SaveV2(
            prefix=part,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tensors.read(name) for name in names],
        )
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=list(parts),
        destination_prefix=prefix,
        delete_old_dirs=False,
    )
    for part in parts:
        # The op reports no error if it cannot remove them.
        remove(f"{part}.index")


def read_config(path: str) -> BertConfig:
    """Reads Google's bert_config.json as our config: its "gelu" is the tanh form."""
    values = {k: v for k, v in read_json(path).items() if not _UNREAD.fullmatch(k)}
    if values.get("hidden_act", "gelu") == "gelu":
        values["hidden_act"] = "gelu_tanh"
    return BertConfig.from_dict(values)


def _config_to_google(checkpoint: Checkpoint) -> dict[str, Any]:
    config, vocabulary = checkpoint.config, checkpoint.vocabulary
    others = foreign.unusual(checkpoint)
    if config.hidden_act not in ("gelu_tanh", "relu"):
        others["hidden_act"] = config.hidden_act
    if vocabulary.strip_accents != vocabulary.lower_case:
        others["strip_accents"] = vocabulary.strip_accents
    if checkpoint.description.kind not in _TABLES:
        others["kind"] = checkpoint.description.kind
    if others:
        raise ValueError(
            f"Received a model with {others}, which google-research/bert cannot "
            f"compute. Expected the original BERT, and a kind among {list(_TABLES)}: "
            "choose another format, or leave out the head with --encoder_only."
        )
    values = config.to_dict()
    fields = {name: values[name] for name in foreign.GOOGLE_FIELDS}
    return {**fields, "hidden_act": config.hidden_act.removesuffix("_tanh")}


def open_variables(prefix: str) -> Tensors:
    """All variables of a TensorFlow checkpoint.

    Raises:
        ValueError: its index is corrupt, or, when a variable is read, a data file.
    """

    def checked(read: Any, *arguments: Any) -> Any:
        try:
            return read(*arguments)
        # The error depends on where a file is cut off.
        except (tf.errors.OpError, RuntimeError, IndexError) as error:
            raise ValueError(
                f"The checkpoint {prefix} is corrupt: {error}. Expected its complete "
                "index and data files: copy them again."
            ) from None

    reader = checked(tf.train.load_checkpoint, prefix)
    shapes = reader.get_variable_to_shape_map()
    return Tensors(
        {name: tuple(shape) for name, shape in shapes.items()},
        lambda name: checked(reader.get_tensor, name),
    )


def is_object_checkpoint(source: str) -> bool:
    """True for a TF2 checkpoint, which names the objects that own its variables."""
    return any(OBJECT_GRAPH in open_variables(p).shapes for p in _prefixes(source))


def find_prefix(path: str) -> tuple[str, str]:
    """Finds the folder, and the prefix of the checkpoint in it.

    If there are several, TensorFlow's file `checkpoint` names the one to use.

    Raises:
        FileNotFoundError: there is none, or several and none of them is named.
    """
    prefixes = _prefixes(path)
    if not prefixes:
        raise FileNotFoundError(
            f"{path} contains no checkpoint. Expected {WEIGHTS}.index and its data "
            f"files, with {CONFIG} and {VOCABULARY} beside them."
        )
    if len(prefixes) > 1:
        latest = _latest(path)
        named = [p for p in prefixes if posixpath.basename(p) == latest]
        if not named:
            names = [posixpath.basename(prefix) for prefix in prefixes]
            raise FileNotFoundError(
                f"{path} contains the checkpoints {', '.join(names)}, and no file "
                "`checkpoint` that names one of them. Expected one checkpoint, for "
                f"example --source={prefixes[-1]}."
            )
        logging.warning(
            "%s contains %d checkpoints; using %s, which its file `checkpoint` names.",
            *(path, len(prefixes), latest),
        )
        prefixes = named
    return posixpath.dirname(prefixes[0]), prefixes[0]


def _latest(folder: str) -> str | None:
    """The checkpoint that the file `checkpoint` names; None if it cannot be read."""
    try:
        state = tf.train.get_checkpoint_state(folder)
    except ValueError:
        return None
    # The checkpoint may have been written in another folder.
    return state and posixpath.basename(state.model_checkpoint_path)


def _prefixes(source: str) -> list[str]:
    """The checkpoint with this prefix or file, or all checkpoints in a folder."""
    source = _FILE.sub("", source)
    if tf.io.gfile.exists(f"{source}.index"):
        return [source]
    found = tf.io.gfile.glob(posixpath.join(source, "*.index"))
    return sorted(path.removesuffix(".index") for path in found)
