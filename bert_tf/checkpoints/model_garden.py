"""BERT of TensorFlow's Model Garden: TF2 checkpoints, and SavedModels as on TF Hub.

Weights are found by the names of the variables, which both kinds of files store beside
the path of the object that owns them. The format is read, not written.
"""

import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from bert_tf.checkpoints import google
from bert_tf.checkpoints.description import PRETRAINING
from bert_tf.checkpoints.foreign import from_tensors, is_lower_cased
from bert_tf.checkpoints.model_dir import CONFIG, VOCABULARY, Checkpoint
from bert_tf.checkpoints.weight_table import KERAS_ATTENTION, rows
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

_SAVED_MODEL, _VARIABLES = "saved_model.pb", "variables/variables"

_OURS, _THEIRS = "encoder/block_{layer}", "transformer/layer_{layer}"
_TABLE = rows(
    KERAS_ATTENTION,
    {
        "encoder/embeddings/token_table": "word_embeddings/embeddings",
        "encoder/embeddings/position_table": "position_embedding/embeddings",
        "encoder/embeddings/segment_table": "type_embeddings/embeddings",
        "encoder/embeddings/norm": "embeddings/layer_norm",
        f"{_OURS}/attention/query_key_value": (
            f"{_THEIRS}/self_attention/{{query,key,value}}"
        ),
        f"{_OURS}/attention/output": f"{_THEIRS}/self_attention/attention_output",
        f"{_OURS}/attention_norm": f"{_THEIRS}/self_attention_layer_norm",
        f"{_OURS}/feed_forward/expansion": f"{_THEIRS}/intermediate",
        f"{_OURS}/feed_forward/contraction": f"{_THEIRS}/output",
        f"{_OURS}/feed_forward_norm": f"{_THEIRS}/output_layer_norm",
        "encoder/pooler": "pooler_transform",
        "mlm_head/transform": "cls/predictions/transform/dense",
        "mlm_head/norm": "cls/predictions/transform/LayerNorm",
        "mlm_head/output_bias": "cls/predictions/output_bias/bias",
        "sentence_head": "predictions/transform/logits",
    },
)

# The variable and the axis that each size is read from.
_SIZES = {
    "vocab_size": ("word_embeddings/embeddings", 0),
    "hidden_size": ("word_embeddings/embeddings", 1),
    "max_position_embeddings": ("position_embedding/embeddings", 0),
    "type_vocab_size": ("type_embeddings/embeddings", 0),
    "num_attention_heads": ("transformer/layer_0/self_attention/query/kernel", 1),
    "intermediate_size": ("transformer/layer_0/intermediate/kernel", 1),
}
# Parts of the object graph that belong to training, not to the model.
_TRAINING_STATE = ("optimizer", "save_counter", "global_step", ".OPTIMIZER_SLOT")
_LOWER_CASE = "do_lower_case"


def is_there(source: str) -> bool:
    """True if a source is a SavedModel or a TF2 checkpoint."""
    is_saved_model = tf.io.gfile.exists(posixpath.join(source, _SAVED_MODEL))
    return is_saved_model or google.is_object_checkpoint(source)


def read(path: str) -> Checkpoint:
    """Reads a SavedModel, or a folder of a TF2 checkpoint as Google publishes them.

    A SavedModel has its vocabulary among its assets, and its sizes are those of its
    variables; a checkpoint has bert_config.json and vocab.txt beside it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: weights of BERT are missing, or there are others.
    """
    if tf.io.gfile.exists(posixpath.join(path, _SAVED_MODEL)):
        folder, prefix = path, posixpath.join(path, _VARIABLES)
        vocab_file = posixpath.join(path, "assets", VOCABULARY)
    else:
        folder, prefix = google.find_prefix(path)
        vocab_file = posixpath.join(folder, VOCABULARY)
    variables = google.open_variables(prefix)
    keys = _variables(bytes(variables.read(google.OBJECT_GRAPH)))
    lower_case_key = keys.pop(_LOWER_CASE, None)
    tensors = variables.renamed(keys)
    config_file = posixpath.join(folder, CONFIG)
    if tf.io.gfile.exists(config_file):
        config = google.read_config(config_file)
    else:
        config = _config(tensors.shapes, prefix)
    vocabulary = Vocabulary.from_file(vocab_file)
    if lower_case_key is None:
        lower_case = is_lower_cased(vocabulary)
    else:
        lower_case = bool(variables.read(lower_case_key))
    vocabulary = vocabulary.with_casing(lower_case)
    return from_tensors(config, vocabulary, PRETRAINING, _TABLE, tensors, path)


def _variables(graph: bytes) -> dict[str, str]:
    """The checkpoint key of each variable of the model, by the variable's name."""
    nodes = trackable_object_graph_pb2.TrackableObjectGraph.FromString(graph).nodes
    children = {
        child.node_id: child.local_name for node in nodes for child in node.children
    }
    keys = {}
    for number, node in enumerate(nodes):
        for attribute in node.attributes:
            key, name = attribute.checkpoint_key, attribute.full_name
            if any(part in key for part in _TRAINING_STATE) or not name:
                continue
            if children.get(number) == _LOWER_CASE:
                name = _LOWER_CASE
            # Names of heads begin with the name of the trained model.
            keys[name.removeprefix("bert/").removesuffix(":0")] = key
    return keys


def _config(found: Mapping[str, tuple[int, ...]], origin: str) -> BertConfig:
    """The config, from the shapes of the variables; Model Garden's GELU is tanh's."""
    missing = sorted({name for name, _ in _SIZES.values()} - set(found))
    if missing:
        raise ValueError(
            f"The variables in {origin} are not those of Model Garden's BERT: it lacks "
            f"{missing}."
        )
    layers = {n.split("/")[1] for n in found if n.startswith("transformer/layer_")}
    sizes: dict[str, Any] = {
        field: found[name][axis] for field, (name, axis) in _SIZES.items()
    }
    return BertConfig(num_hidden_layers=len(layers), hidden_act="gelu_tanh", **sizes)
