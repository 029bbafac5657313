"""Initial weights of a fine-tuned model, and weights of its classes."""

import keras
import numpy as np

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import Description
from bert_tf.tasks.kind import Kind

# The transform of a head, and the part of the masked-LM head that it starts from.
_TRANSFORM, _MLM_HEAD = "transform/", "mlm_head/"


def reused_heads(kind: Kind, start: Description) -> tuple[str, ...]:
    """Name prefixes of the weights that are reused, besides those of the encoder.

    Args:
        kind: the kind of the new model.
        start: the description of the model that it starts from.
    """
    # Other objectives have heads of a different form.
    has_head = start.objective in ("masked_lm", "next_token")
    found = (_TRANSFORM, _MLM_HEAD) if has_head else ()
    return (*found, *kind.reused_heads) if kind.name == start.kind else found


def assign_encoder(
    model: keras.Model, weights: dict[str, np.ndarray], reinit_layers: int = 0
) -> None:
    """Assigns the weights of an encoder, and those of heads if there are any.

    The model keeps its own pooler if the weights have none. The transform of its head
    is that of the masked-LM head if the weights have no other.

    Args:
        model: a model whose encoder has the same config.
        weights: the weights by name; if empty, the model is not changed.
        reinit_layers: the number of top blocks that, together with the pooler, keep
            their random weights (Zhang et al. 2021, section 4).

    Raises:
        ValueError: a weight is missing or has another shape.
    """
    if not weights:
        return
    num_layers = model.encoder.config.num_hidden_layers
    top = range(num_layers - reinit_layers, num_layers)
    kept = [f"encoder/block_{index}/" for index in top]
    if reinit_layers or "encoder/pooler/kernel" not in weights:
        kept.append("encoder/pooler/")
    for own_name, variable in model_dir.weights_of(model).items():
        name = own_name
        if name.startswith(_TRANSFORM) and name not in weights:
            name = _MLM_HEAD + name.removeprefix(_TRANSFORM)
        is_encoder = name.startswith(model_dir.ENCODER)
        if name.startswith(tuple(kept)) or not (is_encoder or name in weights):
            continue
        if name not in weights or weights[name].shape != tuple(variable.shape):
            is_there = name in weights
            found = f"has the shape {weights[name].shape}" if is_there else "is missing"
            raise ValueError(
                f"The weight {name} {found}. Expected the shape "
                f"{tuple(variable.shape)}, as in the config beside it."
            )
        variable.assign(weights[name])


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Class weights that give each class the same total weight.

    Args:
        labels: int (examples,), the classes of the training data.
        num_classes: the number of classes, including those without examples.

    Returns:
        float32 (classes,).
    """
    counts = np.bincount(labels, minlength=num_classes)
    weights = counts.sum() / (num_classes * np.maximum(counts, 1))
    return weights.astype(np.float32)
