"""BERT of TensorFlow's Model Garden: TF2 checkpoints, and SavedModels as on TF Hub.

Weights are found by the names of the variables, which both kinds of files keep beside
the path of the object that owns them. Read only.
"""

import dataclasses
import posixpath
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from bert_tf.checkpoints import google
from bert_tf.checkpoints.checkpoint import Checkpoint, pretraining_head, weight_shapes
from bert_tf.checkpoints.foreign_vocabulary import is_lower_cased
from bert_tf.checkpoints.model_dir import CONFIG, VOCABULARY, Description
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import Row, dense, norm, to_ours, weights_in
from bert_tf.models.config import BertConfig
from data_pipelines.tokenizers.vocabulary import Vocabulary

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SAVED_MODEL, _VARIABLES = "saved_model.pb", "variables/variables"

_OURS, _THEIRS = "encoder/block_{layer}", "transformer/layer_{layer}"
ENCODER = (
    Row("encoder/embeddings/token_table", "word_embeddings/embeddings"),
    Row("encoder/embeddings/position_table", "position_embedding/embeddings"),
    Row("encoder/embeddings/segment_table", "type_embeddings/embeddings"),
    *norm("encoder/embeddings/norm", "embeddings/layer_norm"),
    *dense(
        f"{_OURS}/attention/query_key_value",
        f"{_THEIRS}/self_attention/{{query,key,value}}",
        "HND",
        "ND",
    ),
    *dense(
        f"{_OURS}/attention/output", f"{_THEIRS}/self_attention/attention_output", "NDH"
    ),
    *norm(f"{_OURS}/attention_norm", f"{_THEIRS}/self_attention_layer_norm"),
    *dense(f"{_OURS}/feed_forward/expansion", f"{_THEIRS}/intermediate"),
    *dense(f"{_OURS}/feed_forward/contraction", f"{_THEIRS}/output"),
    *norm(f"{_OURS}/feed_forward_norm", f"{_THEIRS}/output_layer_norm"),
    *dense("encoder/pooler", "pooler_transform"),
)
PRETRAINING = (
    *dense("mlm_head/transform", "cls/predictions/transform/dense"),
    *norm("mlm_head/norm", "cls/predictions/transform/LayerNorm"),
    Row("mlm_head/output_bias", "cls/predictions/output_bias/bias"),
    *dense("sentence_head", "predictions/transform/logits"),
)

# Of the object graph: what training needs, and no part of the model.
_TRAINING_STATE = ("optimizer", "save_counter", "global_step", ".OPTIMIZER_SLOT")
_LOWER_CASE = "do_lower_case"


def is_object_checkpoint(prefix: str) -> bool:
    """Whether a checkpoint is TF2's, which says what object owns each variable."""
    return OBJECT_GRAPH in google.open_variables(prefix).shapes


def read(path: str) -> Checkpoint:
    """Reads a SavedModel, or a folder of a TF2 checkpoint as Google publishes them.

    A SavedModel has its vocabulary among its assets, and its sizes are those of its
    variables; a checkpoint has bert_config.json and vocab.txt beside it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: there are weights that are not BERT's, or some are missing.
    """
    if tf.io.gfile.exists(posixpath.join(path, SAVED_MODEL)):
        folder, prefix = path, posixpath.join(path, _VARIABLES)
        vocab_file = posixpath.join(path, "assets", VOCABULARY)
    else:
        folder, prefix = google.find_prefix(path)
        vocab_file = posixpath.join(folder, VOCABULARY)
    variables = google.open_variables(prefix)
    keys = _variables(bytes(variables.read(OBJECT_GRAPH)))
    lower_case_key = keys.pop(_LOWER_CASE, None)
    found = {name: variables.shapes[key] for name, key in keys.items()}
    config_file = posixpath.join(folder, CONFIG)
    if tf.io.gfile.exists(config_file):
        config = google.read_config(config_file)
    else:
        config = _config(found, prefix)
    config = dataclasses.replace(config, pooler="pooler_transform/kernel" in found)
    vocabulary = Vocabulary.from_file(vocab_file)
    if lower_case_key is None:
        lower_case = is_lower_cased(vocabulary)
    else:
        lower_case = bool(variables.read(lower_case_key))
    vocabulary = vocabulary.with_casing(lower_case)
    has_sentence_head = "predictions/transform/logits/kernel" in found
    description = Description(
        "pretraining",
        sentence_task="next_sentence" if has_sentence_head else None,
        head=pretraining_head("cls/predictions/output_bias/bias" in found),
    )
    weights = weights_in(
        ENCODER + PRETRAINING, weight_shapes(config, description), config
    )

    def read_tensor(name: str) -> np.ndarray:
        return variables.read(keys[name])

    return Checkpoint(
        config,
        vocabulary,
        description,
        to_ours(weights, Tensors(found, read_tensor), path),
    )


def _variables(graph: bytes) -> dict[str, str]:
    """The key of each variable of the model in the checkpoint, by its own name."""
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
            # Heads stand below a scope of the model that was trained.
            keys[name.removeprefix("bert/").removesuffix(":0")] = key
    return keys


def _config(found: Mapping[str, tuple[int, ...]], origin: str) -> BertConfig:
    """The sizes, from the shapes of the variables; Model Garden's gelu is tanh's."""
    names = (
        "word_embeddings/embeddings",
        "position_embedding/embeddings",
        "type_embeddings/embeddings",
        "transformer/layer_0/self_attention/query/kernel",
        "transformer/layer_0/intermediate/kernel",
    )
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"The variables in {origin} are not those of Model Garden's BERT: missing "
            f"{missing}."
        )
    tokens, positions, segments, (width, heads, _), (_, inner) = (
        found[name] for name in names
    )
    layers = {
        name.split("/")[1] for name in found if name.startswith("transformer/layer_")
    }
    return BertConfig(
        vocab_size=tokens[0],
        hidden_size=width,
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        intermediate_size=inner,
        hidden_act="gelu_tanh",
        max_position_embeddings=positions[0],
        type_vocab_size=segments[0],
    )
