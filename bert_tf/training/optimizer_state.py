"""The optimizer of a run that is continued: its moments and its number of steps.

`optimizer.safetensors` is in the model folder `before_cooldown` of a run with a
constant learning rate, beside the weights that the optimizer has reached.
"""

import dataclasses
import posixpath
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import Tensors, differences, open_safetensors
from bert_tf.optim.optimizers import MomentOptimizer

OPTIMIZER = "optimizer.safetensors"
_STEPS = "steps"


@dataclasses.dataclass(frozen=True)
class OptimizerState:
    """The state of an optimizer.

    Attributes:
        path: the file that it was read from.
        num_steps: the number of steps it has made.
        moments: its moments, by `first_moment/` or `second_moment/` and the name of the
            weight.
    """

    path: str
    num_steps: int
    moments: Tensors


def write_optimizer(optimizer: MomentOptimizer, model: Any, folder: str) -> None:
    """Writes the state of an optimizer into the model folder of its model."""
    arrays: dict[str, Any] = dict(_moments(optimizer, model))
    # Exact up to 16 million steps.
    arrays[_STEPS] = np.array([int(optimizer.iterations.numpy())], np.float32)
    model_dir.write_weights(posixpath.join(folder, OPTIMIZER), Tensors.of(arrays))


def read_optimizer(folder: str) -> OptimizerState:
    """Reads the state of an optimizer in a model folder.

    Raises:
        FileNotFoundError: the folder has none.
        ValueError: the file is corrupt.
    """
    path = posixpath.join(folder, OPTIMIZER)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(
            f"Received continue_optimizer and the initial model {folder}, which has no "
            f"{OPTIMIZER}. Expected the folder before_cooldown of a run with "
            "--schedule=constant: leave the option out for a new optimizer."
        )
    found = open_safetensors(path)
    if found.shapes.get(_STEPS) != (1,):
        raise ValueError(
            f"{path} does not have the number of steps. Expected the file unchanged: "
            "restore it."
        )
    moments = found.renamed({n: n for n in found.shapes if n != _STEPS}).finite(path)
    return OptimizerState(path, int(found.read(_STEPS)[0]), moments)


def assign_optimizer(
    optimizer: MomentOptimizer, model: Any, state: OptimizerState
) -> None:
    """Assigns a state to an optimizer that is built on a model.

    Raises:
        ValueError: the state is of another model.
    """
    variables = _moments(optimizer, model)
    expected = Tensors.of(variables).shapes
    problems = differences(state.moments.shapes, expected)
    if problems:
        raise ValueError(
            f"{state.path} is of another model: {'; '.join(problems[:5])}. Expected "
            "the moments of all weights: use the folder unchanged."
        )
    for name, variable in variables.items():
        variable.assign(state.moments.read(name))
    optimizer.iterations.assign(state.num_steps)


def _moments(optimizer: MomentOptimizer, model: Any) -> dict[str, Any]:
    """The moments of an optimizer by the names that weights have in a model folder."""
    prefix = f"/{model.name}/"
    return {
        name.replace(prefix, "/", 1): moment
        for name, moment in optimizer.moments().items()
    }
