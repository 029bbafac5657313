"""Preset folders of KerasHub (keras-nlp), and the presets it finds by name.

BertBackbone, BertMaskedLM and BertTextClassifier, read and written by KerasHub itself.
"""

import json
import os
from typing import Any

import keras

from bert_tf.checkpoints.checkpoint import (
    Checkpoint,
    default_encoding,
    weight_shapes,
)
from bert_tf.checkpoints.weight_table import Row, to_ours, to_theirs, weights_in
from bert_tf.config import BertConfig
from bert_tf.model_dir import Description
from bert_tf.tensors import Tensors
from data_pipelines.vocabulary import Vocabulary

_OURS, _THEIRS = "encoder/block_{layer}", "transformer_layer_{layer}"
_ATTENTION = f"{_THEIRS}/self_attention_layer"
BACKBONE = (
    Row("encoder/embeddings/token_table", "token_embedding/embeddings"),
    Row("encoder/embeddings/position_table", "position_embedding/embeddings"),
    Row("encoder/embeddings/segment_table", "segment_embedding/embeddings"),
    Row("encoder/embeddings/norm/scale", "embeddings_layer_norm/gamma"),
    Row("encoder/embeddings/norm/offset", "embeddings_layer_norm/beta"),
    Row(
        f"{_OURS}/attention/query_key_value/kernel",
        f"{_ATTENTION}/{{query,key,value}}/kernel",
        shape="HND",
    ),
    Row(
        f"{_OURS}/attention/query_key_value/bias",
        f"{_ATTENTION}/{{query,key,value}}/bias",
        shape="ND",
    ),
    Row(
        f"{_OURS}/attention/output/kernel",
        f"{_ATTENTION}/attention_output/kernel",
        shape="NDH",
    ),
    Row(f"{_OURS}/attention/output/bias", f"{_ATTENTION}/attention_output/bias"),
    Row(f"{_OURS}/attention_norm/scale", f"{_ATTENTION}_norm/gamma"),
    Row(f"{_OURS}/attention_norm/offset", f"{_ATTENTION}_norm/beta"),
    Row(
        f"{_OURS}/feed_forward/expansion/kernel",
        f"{_THEIRS}/feedforward_intermediate_dense/kernel",
    ),
    Row(
        f"{_OURS}/feed_forward/expansion/bias",
        f"{_THEIRS}/feedforward_intermediate_dense/bias",
    ),
    Row(
        f"{_OURS}/feed_forward/contraction/kernel",
        f"{_THEIRS}/feedforward_output_dense/kernel",
    ),
    Row(
        f"{_OURS}/feed_forward/contraction/bias",
        f"{_THEIRS}/feedforward_output_dense/bias",
    ),
    Row(f"{_OURS}/feed_forward_norm/scale", f"{_THEIRS}/feedforward_layer_norm/gamma"),
    Row(f"{_OURS}/feed_forward_norm/offset", f"{_THEIRS}/feedforward_layer_norm/beta"),
    Row("encoder/pooler/kernel", "pooled_dense/kernel"),
    Row("encoder/pooler/bias", "pooled_dense/bias"),
)
MASKED_LM = (
    Row("mlm_head/transform/kernel", "mlm_head/intermediate_dense/kernel"),
    Row("mlm_head/transform/bias", "mlm_head/intermediate_dense/bias"),
    Row("mlm_head/norm/scale", "mlm_head/intermediate_layer_norm/gamma"),
    Row("mlm_head/norm/offset", "mlm_head/intermediate_layer_norm/beta"),
    Row("mlm_head/output_bias", "mlm_head/output_bias"),
)
CLASSIFIER = (Row("head/kernel", "logits/kernel"), Row("head/bias", "logits/bias"))

# What is written into the code of their BertMaskedLM, whatever the backbone has.
_MLM_HEAD = {"mlm_activation": "gelu", "mlm_epsilon": 1e-5}
_FILES = ("config.json", "task.json")


def read(preset: str) -> Checkpoint:
    """Reads a preset: a folder, a name that KerasHub knows, or `hf://...`.

    Raises:
        ValueError: it is no BERT, or one of a class that is not known here.
    """
    import keras_hub

    models = keras_hub.models
    task = _task_class(preset)
    if task is None:
        model = backbone = models.BertBackbone.from_preset(preset)
    else:
        model = getattr(models, task).from_preset(preset, preprocessor=None)
        backbone = model.backbone
    tokenizer = models.BertTokenizer.from_preset(preset)
    vocabulary = Vocabulary(tuple(tokenizer.get_vocabulary()))
    config = _config(backbone.get_config())
    description = _description(task, model, bool(tokenizer.lowercase))
    variables = {w.path: w for w in _weights(model)}
    weights = weights_in(rows(description), weight_shapes(config, description), config)
    return Checkpoint(
        config,
        vocabulary,
        description,
        to_ours(weights, Tensors.of(variables), preset),
    )


def write(checkpoint: Checkpoint, folder: str) -> None:
    """Writes a folder for `from_preset`.

    Raises:
        ValueError: their BERT cannot compute this model; what differs is named.
    """
    import keras_hub

    models = keras_hub.models
    config, description = checkpoint.config, checkpoint.description
    _check(config, description)
    weights = weights_in(rows(description), weight_shapes(config, description), config)
    tokenizer = models.BertTokenizer(
        vocabulary=list(checkpoint.vocabulary.tokens), lowercase=description.lower_case
    )
    backbone = models.BertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        dropout=config.hidden_dropout_prob,
        max_sequence_length=config.max_position_embeddings,
        num_segments=config.type_vocab_size,
    )
    length = config.max_position_embeddings
    if description.has_mlm_head:
        model = models.BertMaskedLM(
            backbone,
            models.BertMaskedLMPreprocessor(tokenizer, sequence_length=length),
        )
    elif description.kind == "classification":
        model = models.BertTextClassifier(
            backbone,
            num_classes=description.head["num_outputs"],
            preprocessor=models.BertTextClassifierPreprocessor(
                tokenizer, sequence_length=length
            ),
        )
    else:
        model = backbone
    tensors = to_theirs(weights, checkpoint.weights)
    for variable in _weights(model):
        variable.assign(tensors.read(variable.path))
    model.save_to_preset(folder)
    if model is backbone:
        tokenizer.save_to_preset(folder)


def rows(description: Description) -> tuple[Row, ...]:
    """All weights of the model that is described."""
    if description.kind == "classification":
        return BACKBONE + CLASSIFIER
    return BACKBONE + MASKED_LM


def _weights(model: keras.Model) -> list[Any]:
    return [w for w in model.weights if keras.backend.is_float_dtype(w.dtype)]


def _task_class(preset: str) -> str | None:
    """The class of the task in a preset folder; None: a backbone alone."""
    path = os.path.join(preset, "task.json")
    if not os.path.exists(path):
        return None
    with open(path) as file:
        name = json.load(file)["class_name"]
    if name not in ("BertMaskedLM", "BertTextClassifier"):
        raise ValueError(
            f"Received a preset of {name}. Expected BertBackbone, BertMaskedLM or "
            "BertTextClassifier."
        )
    return name


def _config(values: dict[str, Any]) -> BertConfig:
    return BertConfig(
        vocab_size=values["vocabulary_size"],
        hidden_size=values["hidden_dim"],
        num_hidden_layers=values["num_layers"],
        num_attention_heads=values["num_heads"],
        intermediate_size=values["intermediate_dim"],
        hidden_act="gelu_tanh",
        hidden_dropout_prob=values["dropout"],
        attention_probs_dropout_prob=values["dropout"],
        max_position_embeddings=values["max_sequence_length"],
        type_vocab_size=values["num_segments"],
    )


def _description(task: str | None, model: Any, lower_case: bool) -> Description:
    if task == "BertTextClassifier":
        labels = tuple(str(number) for number in range(model.num_classes))
        return Description(
            "classification",
            lower_case,
            head={"num_outputs": model.num_classes},
            encoding=default_encoding(
                "classification", model.backbone.max_sequence_length, labels
            ),
        )
    head = {"mlm_head": False} if task is None else {"mlm_head": True, **_MLM_HEAD}
    return Description("pretraining", lower_case, head=head)


def _check(config: BertConfig, description: Description) -> None:
    fixed = {
        **config.to_dict(),
        **BertConfig(vocab_size=config.vocab_size).to_dict(),
    }
    sizes = (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "hidden_dropout_prob",
        "attention_probs_dropout_prob",
        "max_position_embeddings",
        "type_vocab_size",
        "initializer_range",
    )
    others = {
        name: value
        for name, value in config.to_dict().items()
        if name not in sizes and value != fixed[name]
    }
    if config.attention_probs_dropout_prob != config.hidden_dropout_prob:
        others["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob
    if description.sentence_vector is not None:
        others["sentence_vector"] = description.sentence_vector
    if description.sentence_task is not None:
        others["sentence_task"] = description.sentence_task
    if description.has_mlm_head:
        others |= {
            name: description.head.get(name)
            for name, value in _MLM_HEAD.items()
            if description.head.get(name) != value
        }
    if description.kind not in ("pretraining", "classification"):
        others["kind"] = description.kind
    if others:
        raise ValueError(
            f"Received a model with {others}, which KerasHub's BERT cannot compute or "
            "has no place for. Expected the original's encoder, alone, or with a head "
            "for classes, or with KerasHub's own for masked tokens."
        )
