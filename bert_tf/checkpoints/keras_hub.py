"""Preset folders of KerasHub (keras-nlp), and the presets it finds by name.

BertBackbone, BertMaskedLM and BertTextClassifier, read and written by KerasHub itself.
Of a preset that it finds by name, the backbone.
"""

import os
from typing import Any

import keras

from bert_tf.checkpoints.checkpoint import (
    Checkpoint,
    default_encoding,
    pretraining_head,
    unusual,
    weight_shapes,
)
from bert_tf.checkpoints.foreign_vocabulary import has_accents, restored
from bert_tf.checkpoints.model_dir import Description
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
from data_pipelines.files.json_files import read_json
from data_pipelines.tokenizers.vocabulary import Vocabulary

_OURS, _THEIRS = "encoder/block_{layer}", "transformer_layer_{layer}"
BACKBONE = (
    Row("encoder/embeddings/token_table", "token_embedding/embeddings"),
    Row("encoder/embeddings/position_table", "position_embedding/embeddings"),
    Row("encoder/embeddings/segment_table", "segment_embedding/embeddings"),
    *norm("encoder/embeddings/norm", "embeddings_layer_norm"),
    *dense(
        f"{_OURS}/attention/query_key_value",
        f"{_THEIRS}/self_attention_layer/{{query,key,value}}",
        "HND",
        "ND",
    ),
    *dense(
        f"{_OURS}/attention/output",
        f"{_THEIRS}/self_attention_layer/attention_output",
        "NDH",
    ),
    *norm(f"{_OURS}/attention_norm", f"{_THEIRS}/self_attention_layer_norm"),
    *dense(
        f"{_OURS}/feed_forward/expansion", f"{_THEIRS}/feedforward_intermediate_dense"
    ),
    *dense(f"{_OURS}/feed_forward/contraction", f"{_THEIRS}/feedforward_output_dense"),
    *norm(f"{_OURS}/feed_forward_norm", f"{_THEIRS}/feedforward_layer_norm"),
    *dense("encoder/pooler", "pooled_dense"),
)
MASKED_LM = (
    *dense("mlm_head/transform", "mlm_head/intermediate_dense"),
    *norm("mlm_head/norm", "mlm_head/intermediate_layer_norm"),
    Row("mlm_head/output_bias", "mlm_head/output_bias"),
)
CLASSIFIER = dense("head", "logits")

# What is written into the code of their BertMaskedLM, whatever the backbone has.
_MLM_HEAD = {"mlm_activation": "gelu", "mlm_epsilon": 1e-5}


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
    vocabulary = restored(tokenizer.get_vocabulary())
    config = _config(backbone.get_config())
    vocabulary = vocabulary.with_casing(
        bool(tokenizer.lowercase), _strip_accents(tokenizer, vocabulary)
    )
    description = _description(task, model)
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
        vocabulary=list(checkpoint.vocabulary.tokens),
        lowercase=checkpoint.vocabulary.lower_case,
        strip_accents=checkpoint.vocabulary.strip_accents,
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


def is_preset(name: str) -> bool:
    """Whether it is one of the names of BERT presets that KerasHub lists."""
    import keras_hub

    return name in keras_hub.models.BertBackbone.presets


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
    name = read_json(path)["class_name"]
    if name not in ("BertMaskedLM", "BertTextClassifier"):
        raise ValueError(
            f"Received a preset of {name}. Expected BertBackbone, BertMaskedLM or "
            "BertTextClassifier."
        )
    return name


def _strip_accents(tokenizer: Any, vocabulary: Vocabulary) -> bool | None:
    """Whether accents are taken away; None: as capital letters are.

    Their tokenizer leaves accents unless it is told, in the presets of Google's uncased
    models too, whose vocabularies have no accents: there, Google's rule stands.
    """
    found = bool(tokenizer.strip_accents)
    if found == tokenizer.lowercase or not (found or has_accents(vocabulary)):
        return None
    return found


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


def _description(task: str | None, model: Any) -> Description:
    if task == "BertTextClassifier":
        labels = tuple(str(number) for number in range(model.num_classes))
        return Description(
            "classification",
            head={"num_outputs": model.num_classes},
            encoding=default_encoding(
                "classification", model.backbone.max_sequence_length, labels
            ),
        )
    head = pretraining_head(False) if task is None else _MLM_HEAD
    return Description("pretraining", head=head)


def _check(config: BertConfig, description: Description) -> None:
    others = unusual(config, description)
    if config.hidden_act != "gelu_tanh":
        others["hidden_act"] = config.hidden_act
    if config.attention_probs_dropout_prob != config.hidden_dropout_prob:
        others["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob
    if description.sentence_task is not None:
        others["sentence_task"] = description.sentence_task
    if description.kind not in ("pretraining", "classification"):
        others["kind"] = description.kind
    for name, value in _MLM_HEAD.items():
        others.pop(name, None)
        if description.has_mlm_head and description.head.get(name) != value:
            others[name] = description.head.get(name)
    if others:
        raise ValueError(
            f"Received a model with {others}, which KerasHub's BERT cannot compute or "
            "has no place for. Expected the original's encoder, alone, or with a head "
            "for classes, or with KerasHub's own for masked tokens."
        )
