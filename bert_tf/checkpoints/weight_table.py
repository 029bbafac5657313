"""Weights under other names: a table of rows, read in either direction.

A row says which tensors of a foreign checkpoint are one weight of ours, and how they
lie in memory. The same rows make our weights from theirs and theirs from ours; a
checkpoint is read whole or not at all.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

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
        axes: letters of the axes of each of theirs, where these are not the axes of
            ours: H hidden, N heads, D width of a head.
    """

    ours: str
    theirs: str
    transposed: bool = False
    axes: str | None = None


@dataclasses.dataclass(frozen=True)
class LayerNames:
    """The names of the weights of a layer in a format, after the name of the layer.

    Attributes:
        kernel, bias: of a dense layer.
        scale, offset: of a layer normalization.
        transposed: whether kernels lie as (out, in).
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
    """The rows of layers and single weights in a format with these names.

    Args:
        names: of the weights of a layer.
        layers: from our name of a layer to theirs. Our names of single weights end in
            "_table" or "_bias", those of layer normalizations in "norm"; the rest are
            dense layers.
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
    """The weights of our model from a foreign checkpoint: all of them, or it raises.

    Args:
        table: all that the format has names for.
        shapes: of our weights, by name.
        config: of the encoder.
        tensors: of the checkpoint, without what is not a weight.
        origin: the checkpoint, for messages.

    Returns:
        float32, by our names. A tensor that is not finite raises when it is read.

    Raises:
        ValueError: the format has no name for a weight; or tensors are missing, left
            over, or of another shape. Each is named.
    """
    weights = _resolved(table, shapes, config)
    expected = {name: w.their_shape for w in weights.values() for name in w.theirs}
    problems = differences(tensors.shapes, expected)
    if problems:
        raise ValueError(
            f"The weights in {origin} are not those of its config: "
            f"{'; '.join(problems)}. Expected each tensor once: use the config that "
            "belongs to these weights."
        )

    tensors = tensors.finite(origin)

    def read(ours: str) -> np.ndarray:
        weight, shape = weights[ours], shapes[ours]
        part_shape = (*shape[:-1], shape[-1] // len(weight.theirs))
        parts = [tensors.read(name) for name in weight.theirs]
        if weight.transposed:
            parts = [part.T for part in parts]
        whole = np.concatenate([part.reshape(part_shape) for part in parts], axis=-1)
        # NumPy keeps the order of transposed parts.
        return np.ascontiguousarray(whole)

    return Tensors({name: shapes[name] for name in weights}, read)


def to_theirs(table: Sequence[Row], config: BertConfig, tensors: Tensors) -> Tensors:
    """The tensors of a foreign checkpoint, by their names, from our weights.

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
    """A row for one weight of one model: plain names, and the shape of each tensor."""

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
    homeless = sorted(set(shapes) - set(named))
    if homeless:
        raise ValueError(
            f"This format has no names for the weights {homeless}. Expected a "
            "model without them: choose another format."
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
    """`a/{b,c}` as `a/b` and `a/c`."""
    found = re.fullmatch(r"(.*)\{([^{}]+)\}(.*)", pattern)
    if found is None:
        return (pattern,)
    before, names, after = found.groups()
    return tuple(f"{before}{name}{after}" for name in names.split(","))
