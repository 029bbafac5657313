"""Checkpoints of a run: whole or not at all, and the position in the data with them.

    checkpoints/step-1000.index, ...     weights, moments, step: written by the chief
    checkpoints/position-1000/phase-0-replica-1-of-2.index     by each replica's worker

The positions are written first, and the state file that names the checkpoint last: a
checkpoint that was being written when its process died never counts.
"""

import contextlib
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bert_tf.training.distribution import all_agree, is_chief, wait_for_all
from data_pipelines.files.atomic import write_file

_KEPT = 2
_NAME, _POSITIONS, _STATE = "step", "position", "checkpoint"

# What reading a damaged file raises.
_DAMAGED = (tf.errors.OpError, RuntimeError, IndexError)


class RunCheckpoints:
    """Saves and restores a run.

    Args:
        folder: shared by all workers, made if it is missing.
        trackables: the contents of a checkpoint, by name.
        strategy: of the training.
        say: receives messages for the user.
    """

    def __init__(
        self,
        folder: str,
        trackables: Mapping[str, Any],
        strategy: tf.distribute.Strategy,
        say: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self.strategy = strategy
        self.say = say
        self._checkpoint = tf.train.Checkpoint(**trackables)

    def latest(self) -> str | None:
        """The newest checkpoint's prefix."""
        steps = self._steps()
        return self._prefix(steps[-1]) if steps else None

    def restore(self) -> int:
        """Restores the newest checkpoint that is whole; its step, 0 without any.

        Raises:
            ValueError: all are damaged, or the file that names them, or they are of
                another model.
        """
        steps = self._steps()
        for step in reversed(steps):
            problem = self._problem(step)
            if all_agree(self.strategy, problem is None):
                return step
            self.say(
                f"The checkpoint {self._prefix(step)} is damaged ({problem}): the one "
                "before it is used."
            )
        if steps:
            raise ValueError(
                f"All checkpoints in {self.folder} are damaged. Expected one that is "
                "whole: restore the files, or remove the folder to begin anew."
            )
        return 0

    def restore_position(
        self, step: int, phase: int, iterators: Mapping[int, Any]
    ) -> bool:
        """Restores each replica's iterator; False if any worker lacks a position.

        The iterators are not to be used then.
        """
        found = True
        for replica, iterator in iterators.items():
            path = self._position(step, phase, replica)
            try:
                tf.train.Checkpoint(iterator=iterator).read(path).assert_consumed()
            except _DAMAGED:
                found = False
        return all_agree(self.strategy, found)

    def save(self, step: int, phase: int, iterators: Mapping[int, Any]) -> None:
        """Writes a checkpoint, and removes the oldest."""
        for replica, iterator in iterators.items():
            path = self._position(step, phase, replica)
            tf.train.Checkpoint(iterator=iterator).write(path)
        wait_for_all(self.strategy)
        if is_chief(self.strategy):
            self._checkpoint.write(self._prefix(step))
            kept = [*(s for s in self._steps() if s < step), step][-_KEPT:]
            self._name(kept)
            self._remove_all_but(kept)
        wait_for_all(self.strategy)

    def _name(self, steps: list[int]) -> None:
        """Writes the file by which TensorFlow knows the checkpoints of a folder.

        Its own function for that is deprecated, and its CheckpointManager makes a
        variable, which one worker alone cannot.
        """
        names = [f'"{_NAME}-{step}"' for step in steps]
        lines = [f"model_checkpoint_path: {names[-1]}"]
        lines += [f"all_model_checkpoint_paths: {name}" for name in names]
        path = posixpath.join(self.folder, _STATE)
        write_file(path, "".join(f"{line}\n" for line in lines).encode())

    def _steps(self) -> list[int]:
        """Steps of the checkpoints that count, the oldest first.

        Raises:
            ValueError: the file that names them is damaged. To begin anew would remove
                them.
        """
        state = None
        with contextlib.suppress(*_DAMAGED, ValueError):
            state = tf.train.get_checkpoint_state(self.folder)
        path = posixpath.join(self.folder, _STATE)
        if state is None and tf.io.gfile.exists(path):
            raise ValueError(
                f"The file {path} is damaged. Expected the names of checkpoints: "
                "restore it, or remove the folder to begin anew."
            )
        paths = state.all_model_checkpoint_paths if state else ()
        steps = [int(path.rpartition("-")[2]) for path in paths]
        return sorted(
            step for step in steps if tf.io.gfile.exists(f"{self._prefix(step)}.index")
        )

    def _problem(self, step: int) -> str | None:
        """Restores a checkpoint; what is wrong with its files, None if nothing."""
        try:
            status = self._checkpoint.read(self._prefix(step))
            status.assert_existing_objects_matched()
        except _DAMAGED as error:
            return str(error).partition("\n")[0]
        except AssertionError:
            raise ValueError(
                f"The checkpoint {self._prefix(step)} lacks values that this model "
                "and this version of the program need. Expected one of the same run: "
                "choose another output_dir."
            ) from None
        return None

    def _prefix(self, step: int) -> str:
        return posixpath.join(self.folder, f"{_NAME}-{step}")

    def _position(self, step: int, phase: int, replica: int) -> str:
        count = self.strategy.num_replicas_in_sync
        name = f"phase-{phase}-replica-{replica}-of-{count}"
        return posixpath.join(self.folder, f"{_POSITIONS}-{step}", name)

    def _remove_all_but(self, kept: list[int]) -> None:
        for name in tf.io.gfile.listdir(self.folder):
            match = re.match(rf"({_NAME}|{_POSITIONS})-(\d+)(\.|/|$)", name)
            if not match or int(match[2]) in kept:
                continue
            path = posixpath.join(self.folder, name.rstrip("/"))
            if match[1] == _POSITIONS:
                tf.io.gfile.rmtree(path)
            else:
                tf.io.gfile.remove(path)
