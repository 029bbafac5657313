"""Tables that map our weights to the tensors of other formats, in both directions.

A row says which tensors of a foreign checkpoint make up one weight of ours, and how
they are laid out. The same rows convert their tensors to our weights and back; a
checkpoint is read completely or not at all.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from bert_tf.checkpoints.tensors import Tensors, differences
from bert_tf.models.config import BertConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """One weight of ours, and the tensors of the other format that make it up.

    Attributes:
        ours: its name in a model folder; `{layer}` stands for the number of a block.
        theirs: the name in the other format. `{a,b}` stands for several tensors that
            are concatenated along the last axis of ours.
        transposed: whether their axes are in the opposite order.
        axes: letters of the axes of each of their tensors, if these are not the axes
            of ours: H hidden, N heads, D width of a head.
    """

    ours: str
    theirs: str
    transposed: bool = False
    axes: str | None = None


@dataclasses.dataclass(frozen=True)
class LayerNames:
    """The suffixes of the weights of a layer in a format.

    Attributes:
        kernel, bias: the weights of a dense layer.
        scale, offset: the weights of a layer normalization.
        transposed: whether kernels have the shape (out, in).
        has_head_axis: whether the weights of attention have an axis for the heads.
    """

    kernel: str = "/kernel"
    bias: str = "/bias"
    scale: str = "/gamma"
    offset: str = "/beta"
    transposed: bool = False
    has_head_axis: bool = False


TENSORFLOW = LayerNames()
KERAS_ATTENTION = LayerNames(has_head_axis=True)
PYTORCH = LayerNames(".weight", ".bias", ".weight", ".bias", transposed=True)

_HEAD_AXES = {"query_key_value": ("HND", "ND"), "attention/output": ("NDH", "H")}


def rows(names: LayerNames, layers: Mapping[str, str]) -> tuple[Row, ...]:
    """The rows of layers and single weights in a format.

    Args:
        names: the suffixes of the weights of a layer.
        layers: their name of each layer, by our name. Our names of single weights end
            in "_table" or "_bias", those of layer normalizations in "norm"; the rest
            are dense layers.
    """
    found: list[Row] = []
    for ours, theirs in layers.items():
        if ours.endswith(("_table", "_bias")):
            found.append(Row(ours, theirs))
        elif ours.endswith("norm"):
            found.append(Row(f"{ours}/scale", theirs + names.scale))
            found.append(Row(f"{ours}/offset", theirs + names.offset))
        else:
            kernel, bias = None, None
            for ending, axes in _HEAD_AXES.items():
                if names.has_head_axis and ours.endswith(ending):
                    kernel, bias = axes
            found.append(
                Row(f"{ours}/kernel", theirs + names.kernel, names.transposed, kernel)
            )
            found.append(Row(f"{ours}/bias", theirs + names.bias, axes=bias))
    return tuple(found)


def to_ours(
    table: Sequence[Row],
    shapes: Mapping[str, tuple[int, ...]],
    config: BertConfig,
    tensors: Tensors,
    origin: str,
) -> Tensors:
    """Converts all tensors of a foreign checkpoint to weights of our model, or raises.

    Args:
        table: a row for each weight that the format has a name for.
        shapes: the shape of each of our weights, by name.
        config: the configuration of the encoder.
        tensors: the weights in the checkpoint.
        origin: the checkpoint, for messages.

    Returns:
        float32, by our names. Reading a tensor that is not finite raises ValueError.

    Raises:
        ValueError: the format has no name for a weight; or tensors are missing, extra
            or mis-shaped. Each is named.
    """
    weights = _resolved(table, shapes, config)
    expected = {name: w.their_shape for w in weights.values() for name in w.theirs}
    problems = differences(tensors.shapes, expected)
    if problems:
        raise ValueError(
            f"The weights in {origin} do not match its config: {'; '.join(problems)}. "
            "Expected each tensor once: use the config that belongs to these weights."
        )

    tensors = tensors.finite(origin)

    def read(ours: str) -> np.ndarray:
        weight, shape = weights[ours], shapes[ours]
        part_shape = (*shape[:-1], shape[-1] // len(weight.theirs))
        parts = [tensors.read(name) for name in weight.theirs]
        if weight.transposed:
            parts = [part.T for part in parts]
        whole = np.concatenate([part.reshape(part_shape) for part in parts], axis=-1)
        # NumPy keeps the memory order of transposed parts.
        return np.ascontiguousarray(whole)

    return Tensors({name: shapes[name] for name in weights}, read)


def to_theirs(table: Sequence[Row], config: BertConfig, tensors: Tensors) -> Tensors:
    """Converts our weights to the tensors of a foreign checkpoint, by their names.

    Raises:
        ValueError: the format has no name for a weight.
    """
    weights = _resolved(table, tensors.shapes, config)
    places = {
        name: (ours, place)
        for ours, weight in weights.items()
        for place, name in enumerate(weight.theirs)
    }

    def read(theirs: str) -> np.ndarray:
        ours, place = places[theirs]
        weight = weights[ours]
        part = np.split(tensors.read(ours), len(weight.theirs), axis=-1)[place]
        if weight.transposed:
            part = part.T
        return np.ascontiguousarray(part.reshape(weight.their_shape))

    return Tensors(
        {n: weights[ours].their_shape for n, (ours, _) in places.items()}, read
    )


@dataclasses.dataclass(frozen=True)
class _Weight:
    """A row resolved for one weight of a model: plain names and tensor shapes."""

    theirs: tuple[str, ...]
    their_shape: tuple[int, ...]
    transposed: bool


def _resolved(
    table: Sequence[Row], shapes: Mapping[str, tuple[int, ...]], config: BertConfig
) -> dict[str, _Weight]:
    named = {
        row.ours.replace("{layer}", str(layer)): (row, layer)
        for row in table
        for layer in range(max(1, config.num_hidden_layers))
    }
    unnamed = sorted(set(shapes) - set(named))
    if unnamed:
        raise ValueError(
            f"This format has no names for the weights {unnamed}. Expected a model "
            "without them: choose another format."
        )
    sizes = {
        "H": config.hidden_size,
        "N": config.num_attention_heads,
        "D": config.hidden_size // config.num_attention_heads,
    }
    weights = {}
    for ours, shape in shapes.items():
        row, layer = named[ours]
        theirs = _expanded(row.theirs.replace("{layer}", str(layer)))
        part_shape = (*shape[:-1], shape[-1] // len(theirs))
        their_shape = part_shape[::-1] if row.transposed else part_shape
        if row.axes is not None:
            their_shape = tuple(sizes[letter] for letter in row.axes)
        weights[ours] = _Weight(theirs, their_shape, row.transposed)
    return weights


def _expanded(pattern: str) -> tuple[str, ...]:
    """Expands `a/{b,c}` to `a/b` and `a/c`."""
    found = re.fullmatch(r"(.*)\{([^{}]+)\}(.*)", pattern)
    if found is None:
        return (pattern,)
    before, names, after = found.groups()
    return tuple(f"{before}{name}{after}" for name in names.split(","))
