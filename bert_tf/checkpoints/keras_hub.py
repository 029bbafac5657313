"""KerasHub (keras-nlp) presets: folders, and presets that it downloads by name.

KerasHub itself reads and writes BertBackbone, BertMaskedLM and BertTextClassifier; a
preset that is downloaded by name is read as a BertBackbone.
"""

import dataclasses
import os
from typing import Any

import keras
import tensorflow as tf

from bert_tf.checkpoints import foreign, weight_table
from bert_tf.checkpoints.description import PRETRAINING
from bert_tf.checkpoints.model_dir import Checkpoint
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.weight_table import TENSORFLOW, rows
from bert_tf.models.config import BertConfig
from data_pipelines.files.json_files import read_json
from data_pipelines.tokenizers.vocabulary import Vocabulary

_OURS, _THEIRS = "encoder/block_{layer}", "transformer_layer_{layer}"
_BACKBONE = rows(
    weight_table.KERAS_ATTENTION,
    {
        "encoder/embeddings/token_table": "token_embedding/embeddings",
        "encoder/embeddings/position_table": "position_embedding/embeddings",
        "encoder/embeddings/segment_table": "segment_embedding/embeddings",
        "encoder/embeddings/norm": "embeddings_layer_norm",
        f"{_OURS}/attention/query_key_value": (
            f"{_THEIRS}/self_attention_layer/{{query,key,value}}"
        ),
        f"{_OURS}/attention/output": f"{_THEIRS}/self_attention_layer/attention_output",
        f"{_OURS}/attention_norm": f"{_THEIRS}/self_attention_layer_norm",
        f"{_OURS}/feed_forward/expansion": f"{_THEIRS}/feedforward_intermediate_dense",
        f"{_OURS}/feed_forward/contraction": f"{_THEIRS}/feedforward_output_dense",
        f"{_OURS}/feed_forward_norm": f"{_THEIRS}/feedforward_layer_norm",
        "encoder/pooler": "pooled_dense",
    },
)
_MLM_HEAD = {
    "mlm_head/transform": "mlm_head/intermediate_dense",
    "mlm_head/norm": "mlm_head/intermediate_layer_norm",
    "mlm_head/output_bias": "mlm_head/output_bias",
}
# By kind of model.
_TABLES = {
    PRETRAINING: _BACKBONE + rows(TENSORFLOW, _MLM_HEAD),
    "classification": _BACKBONE + rows(TENSORFLOW, {"head": "logits"}),
}
# Our names of the sizes, and the corresponding arguments of their backbone.
_FIELDS = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_dim",
    "hidden_dropout_prob": "dropout",
    "max_position_embeddings": "max_sequence_length",
    "type_vocab_size": "num_segments",
}
# Fixed in the code of their BertMaskedLM, whatever the backbone uses.
_MLM_HEAD_ARGUMENTS = {"mlm_activation": "gelu", "mlm_epsilon": 1e-5}
_DOWNLOADS = ("kaggle://",)
_BACKBONE_CLASS = "BertBackbone"
_CLASSES = (_BACKBONE_CLASS, "BertMaskedLM", "BertTextClassifier")


def is_there(source: str) -> bool:
    """True if a source is a preset folder, or a name that KerasHub knows."""
    if source.startswith(_DOWNLOADS):
        return True
    config = os.path.join(source, "config.json")
    if tf.io.gfile.exists(config):
        return "registered_name" in read_json(config)
    if tf.io.gfile.exists(source) or tf.io.gfile.exists(f"{source}.index"):
        return False
    import keras_hub

    return source in keras_hub.models.BertBackbone.presets


def read(preset: str) -> Checkpoint:
    """Reads a preset: a folder, or a name that KerasHub knows.

    Raises:
        ValueError: it is not a BERT model, or its class is not supported.
    """
    import keras_hub

    path = os.path.join(preset, "task.json")
    name = read_json(path)["class_name"] if os.path.exists(path) else _BACKBONE_CLASS
    if name not in _CLASSES:
        raise ValueError(
            f"Received a preset of {name}. Expected one of {', '.join(_CLASSES)}."
        )
    # KerasHub cannot load its own presets of mixed precision without a dtype.
    arguments: dict[str, Any] = {"dtype": "float32"}
    if name != _BACKBONE_CLASS:
        arguments["preprocessor"] = None
    model = getattr(keras_hub.models, name).from_preset(preset, **arguments)
    tokenizer = keras_hub.models.BertTokenizer.from_preset(preset)
    vocabulary = foreign.restored(tokenizer.get_vocabulary())
    vocabulary = vocabulary.with_casing(
        bool(tokenizer.lowercase), _strip_accents(tokenizer, vocabulary)
    )
    # Its tokenizer op makes longer words, in bytes, unknown.
    vocabulary = dataclasses.replace(vocabulary, max_word_characters=100)
    values = getattr(model, "backbone", model).get_config()
    config = BertConfig(
        hidden_act="gelu_tanh",
        attention_probs_dropout_prob=values["dropout"],
        **{ours: values[theirs] for ours, theirs in _FIELDS.items()},
    )
    kind, labels = PRETRAINING, None
    changes: dict[str, Any] = {}
    if name == "BertTextClassifier":
        kind, labels = "classification", tuple(map(str, range(model.num_classes)))
    elif name == "BertMaskedLM":
        changes = {"head": _MLM_HEAD_ARGUMENTS}
    tensors = Tensors.of({weight.path: weight for weight in _weights(model)})
    return foreign.from_tensors(
        config, vocabulary, kind, _TABLES[kind], tensors, preset, labels, **changes
    )


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder for `from_preset`.

    Raises:
        ValueError: KerasHub's BERT cannot compute this model; the differences are
            named.
    """
    from keras_hub import models

    _check(checkpoint)
    config, description = checkpoint.config, checkpoint.description
    table = _TABLES[description.kind]
    tensors = weight_table.to_theirs(table, config, checkpoint.weights)
    tokenizer = models.BertTokenizer(
        vocabulary=list(checkpoint.vocabulary.tokens),
        lowercase=checkpoint.vocabulary.lower_case,
        strip_accents=checkpoint.vocabulary.strip_accents,
    )
    length = config.max_position_embeddings
    backbone = models.BertBackbone(
        **{theirs: getattr(config, ours) for ours, theirs in _FIELDS.items()}
    )
    model = backbone
    if description.has_mlm_head:
        preprocessor = models.BertMaskedLMPreprocessor(
            tokenizer, sequence_length=length
        )
        model = models.BertMaskedLM(backbone, preprocessor)
    elif description.kind == "classification":
        preprocessor = models.BertTextClassifierPreprocessor(
            tokenizer, sequence_length=length
        )
        num_classes = description.head["num_outputs"]
        model = models.BertTextClassifier(backbone, num_classes, preprocessor)
    for variable in _weights(model):
        variable.assign(tensors.read(variable.path))
    model.save_to_preset(folder)
    if model is backbone:
        tokenizer.save_to_preset(folder)


def _weights(model: keras.Model) -> list[Any]:
    return [w for w in model.weights if keras.backend.is_float_dtype(w.dtype)]


def _strip_accents(tokenizer: Any, vocabulary: Vocabulary) -> bool:
    """True if accents are removed.

    Their tokenizer keeps accents unless `strip_accents` is set, even in the presets of
    Google's uncased models. The vocabularies of these have no accents, so Google's
    rule is applied to them: accents are removed if texts are lower-cased.
    """
    if tokenizer.strip_accents or foreign.has_accents(vocabulary):
        return bool(tokenizer.strip_accents)
    return bool(tokenizer.lowercase)


def _check(checkpoint: Checkpoint) -> None:
    config, description = checkpoint.config, checkpoint.description
    expected = {
        "hidden_act": "gelu_tanh",
        "pooler": True,
        "attention_probs_dropout_prob": config.hidden_dropout_prob,
    }
    others = foreign.unusual(checkpoint)
    others |= foreign.differing(config.to_dict(), expected)
    if description.sentence_task is not None:
        others["sentence_task"] = description.sentence_task
    if description.kind not in _TABLES:
        others["kind"] = description.kind
    for name, value in _MLM_HEAD_ARGUMENTS.items():
        others.pop(name, None)
        if description.has_mlm_head and description.head.get(name) != value:
            others[name] = description.head.get(name)
    if others:
        raise ValueError(
            f"Received a model with {others}, which KerasHub's BERT cannot compute or "
            "store. Expected the encoder of the original BERT, either alone "
            "(--encoder_only), with a classification head, or with KerasHub's own "
            "masked-LM head."
        )
