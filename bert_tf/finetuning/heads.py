"""The weights that a fine-tuned model starts with, and the weights of its classes."""

import keras
import numpy as np

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.description import Description
from bert_tf.tasks.kind import Kind


def reused_heads(
    kind: Kind, start: Description, predicts_tokens: bool
) -> tuple[str, ...]:
    """Prefixes of the names of weights that are reused, besides those of the encoder.

    Args:
        kind: of the new model.
        start: the description of the model that it starts from.
        predicts_tokens: whether it learns to predict tokens, too.
    """
    # The heads of other objectives are of other models.
    has_head = start.objective in ("masked_lm", "next_token")
    is_reused = has_head and (kind.writes_pieces or predicts_tokens)
    found = ("mlm_head/",) if is_reused else ()
    return (*found, *kind.reused_heads) if kind.name == start.kind else found


def assign_encoder(
    model: keras.Model, weights: dict[str, np.ndarray], reinit_layers: int = 0
) -> None:
    """Gives a model the weights of an encoder, and those of heads that are given.

    The pooler stays as it is where the encoder has none.

    Args:
        model: with an encoder of the same config.
        weights: by name; none: the model stays as it is.
        reinit_layers: number of blocks from the top which, together with the pooler,
            keep their weights (Zhang et al. 2021, section 4).

    Raises:
        ValueError: a weight is missing, or of another shape.
    """
    if not weights:
        return
    num_layers = model.encoder.config.num_hidden_layers
    top = range(num_layers - reinit_layers, num_layers)
    kept = [f"encoder/block_{index}/" for index in top]
    if reinit_layers or "encoder/pooler/kernel" not in weights:
        kept.append("encoder/pooler/")
    for name, variable in model_dir.weights_of(model).items():
        is_encoder = name.startswith(model_dir.ENCODER)
        if name.startswith(tuple(kept)) or not (is_encoder or name in weights):
            continue
        if name not in weights or weights[name].shape != tuple(variable.shape):
            found = weights[name].shape if name in weights else "missing"
            raise ValueError(
                f"The weight {name} is {found}. Expected the shape "
                f"{tuple(variable.shape)} of the config beside it."
            )
        variable.assign(weights[name])


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights of the classes that give each the same total.

    Args:
        labels: int (examples,), of the training data.
        num_classes: including those without an example.

    Returns:
        float32 (classes,).
    """
    counts = np.bincount(labels, minlength=num_classes)
    weights = counts.sum() / (num_classes * np.maximum(counts, 1))
    return weights.astype(np.float32)
