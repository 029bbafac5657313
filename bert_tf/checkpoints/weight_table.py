"""Weights under other names: a table of rows, read in either direction.

A row says which tensors of a foreign checkpoint are one weight of ours, and how they
lie in memory. The same rows make our weights from theirs and theirs from ours; a
checkpoint is read whole or not at all.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bert_tf.checkpoints.tensors import Tensors, differences
from bert_tf.models.config import BertConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """One weight here, and the tensors that it is made of there.

    Attributes:
        ours: its name in a model folder; `{layer}` stands for the number of a block.
        theirs: the name there. `{a,b}` stands for several tensors that lie side by
            side in ours, along its last axis.
        transposed: whether their axes are in the opposite order.
        shape: letters of the axes of each of theirs, where these are not the axes of
            ours: H hidden, N heads, D width of a head.
    """

    ours: str
    theirs: str
    transposed: bool = False
    shape: str | None = None


def dense(
    ours: str,
    theirs: str,
    kernel_shape: str | None = None,
    bias_shape: str | None = None,
) -> tuple[Row, Row]:
    """A dense layer under TensorFlow's names."""
    return (
        Row(f"{ours}/kernel", f"{theirs}/kernel", shape=kernel_shape),
        Row(f"{ours}/bias", f"{theirs}/bias", shape=bias_shape),
    )


def norm(ours: str, theirs: str) -> tuple[Row, Row]:
    """A layer normalization under TensorFlow's names."""
    return (
        Row(f"{ours}/scale", f"{theirs}/gamma"),
        Row(f"{ours}/offset", f"{theirs}/beta"),
    )


@dataclasses.dataclass(frozen=True)
class Weight:
    """A row for one weight of one model: names and shapes are plain.

    Attributes:
        ours: its name.
        our_shape: its shape.
        theirs: names of the tensors.
        their_shape: the shape of each of them.
        transposed: whether their axes are in the opposite order.
    """

    ours: str
    our_shape: tuple[int, ...]
    theirs: tuple[str, ...]
    their_shape: tuple[int, ...]
    transposed: bool

    def to_ours(self, parts: Iterable[np.ndarray]) -> np.ndarray:
        """Our weight, contiguous, from their tensors."""
        shape = (*self.our_shape[:-1], self.our_shape[-1] // len(self.theirs))
        whole = np.concatenate(
            [(p.T if self.transposed else p).reshape(shape) for p in parts], axis=-1
        )
        # NumPy keeps the order of transposed parts.
        return np.ascontiguousarray(whole)

    def to_theirs(self, weight: np.ndarray, place: int) -> np.ndarray:
        """One of their tensors, contiguous, from our weight."""
        part = np.split(weight, len(self.theirs), axis=-1)[place]
        part = part.T if self.transposed else part
        return np.ascontiguousarray(part.reshape(self.their_shape))


def weights_in(
    table: Sequence[Row], shapes: Mapping[str, tuple[int, ...]], config: BertConfig
) -> list[Weight]:
    """The rows of a table for one model.

    Args:
        table: all that the format has names for.
        shapes: of the model's weights, by name.
        config: of its encoder.

    Raises:
        ValueError: the format has no name for a weight.
    """
    sizes = {
        "H": config.hidden_size,
        "N": config.num_attention_heads,
        "D": config.hidden_size // config.num_attention_heads,
    }
    rows = {}
    for row in table:
        for layer in range(config.num_hidden_layers):
            ours = row.ours.replace("{layer}", str(layer))
            rows[ours] = dataclasses.replace(
                row, theirs=row.theirs.replace("{layer}", str(layer))
            )
    homeless = sorted(set(shapes) - set(rows))
    if homeless:
        raise ValueError(
            f"This format has no names for the weights {homeless}. Expected a "
            "model without them: choose another format."
        )
    weights = []
    for ours, shape in shapes.items():
        row = rows[ours]
        theirs = _expanded(row.theirs)
        part = (*shape[:-1], shape[-1] // len(theirs))
        if row.shape is not None:
            their_shape = tuple(sizes[letter] for letter in row.shape)
        else:
            their_shape = part[::-1] if row.transposed else part
        weights.append(Weight(ours, shape, theirs, their_shape, row.transposed))
    return weights


def to_ours(weights: Sequence[Weight], tensors: Tensors, origin: str) -> Tensors:
    """The weights of our model from a foreign checkpoint: all of them, or it raises.

    Args:
        weights: of the model.
        tensors: of the checkpoint, without what is no weight.
        origin: what the checkpoint is called in a message.

    Returns:
        float32, by our names.

    Raises:
        ValueError: tensors are missing, left over, or of another shape; each is named.
    """
    expected = {name: w.their_shape for w in weights for name in w.theirs}
    problems = differences(tensors.shapes, expected)
    if problems:
        raise ValueError(
            f"The weights in {origin} are not those of its config: "
            f"{'; '.join(problems)}. Expected each tensor once: use the config that "
            "belongs to these weights."
        )
    rows = {weight.ours: weight for weight in weights}

    def read(ours: str) -> np.ndarray:
        parts = (tensors.read(name) for name in rows[ours].theirs)
        return rows[ours].to_ours(part.astype("float32", copy=False) for part in parts)

    return Tensors({name: weight.our_shape for name, weight in rows.items()}, read)


def to_theirs(weights: Sequence[Weight], tensors: Tensors) -> Tensors:
    """The tensors of a foreign checkpoint, by their names, from our weights."""
    places = {
        name: (weight, place)
        for weight in weights
        for place, name in enumerate(weight.theirs)
    }

    def read(theirs: str) -> np.ndarray:
        weight, place = places[theirs]
        return weight.to_theirs(tensors.read(weight.ours), place)

    shapes = {name: weight.their_shape for name, (weight, _) in places.items()}
    return Tensors(shapes, read)


def _expanded(pattern: str) -> tuple[str, ...]:
    """`a/{b,c}` as `a/b` and `a/c`."""
    found = re.fullmatch(r"(.*)\{([^{}]+)\}(.*)", pattern)
    if found is None:
        return (pattern,)
    before, names, after = found.groups()
    return tuple(f"{before}{name}{after}" for name in names.split(","))
