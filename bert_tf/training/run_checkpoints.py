"""Checkpoints of a run, each complete or absent, with the position in the data.

    checkpoints/step-1000.index, ...     weights, moments, step: written by the chief
    checkpoints/position-1000/phase-0-replica-1-of-2.index     by each replica's worker

The names in the folder tell which checkpoints there are; the file `checkpoint` is
written for TensorFlow's own tools and never read. The positions are written first, and
the index of a checkpoint last; all bytes have checksums. So a checkpoint that was being
written when its process died does not count, nor does one that was damaged later. The
files of a step are removed only when a later checkpoint of the run is complete.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from bert_tf.training.distribution import all_agree, is_chief, of_chief, wait_for_all
from data_pipelines.files.atomic import remove, sync, write_file
from data_pipelines.files.paths import exists, is_folder

_KEPT = 2
_NAME, _POSITIONS, _STATE = "step", "position", "checkpoint"

_NUMBER = r"(0|[1-9]\d{0,17})"
_INDEX = re.compile(rf"{_NAME}-{_NUMBER}\.index")
_DATA = re.compile(rf"{_NAME}-{_NUMBER}\.data-\d{{5}}-of-\d{{5}}")
# Files that a killed TensorFlow leaves: `step-6.index.tempstate123`, `step-6_temp`.
_HALF = re.compile(
    rf"{_NAME}-{_NUMBER}(?:_temp|\.(?:index|data-\d{{5}}-of-\d{{5}})\.tempstate\d+)"
)
_POSITION = re.compile(rf"{_POSITIONS}-{_NUMBER}")

# The errors of reading a damaged file.
_DAMAGED = (tf.errors.OpError, RuntimeError, IndexError)
# The errors among them that do not mean that the file is damaged.
_UNREACHABLE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.PermissionDeniedError,
    tf.errors.UnauthenticatedError,
    tf.errors.UnavailableError,
)


class RunCheckpoints:
    """Saves and restores a run.

    Args:
        folder: the folder, which all workers share and which is made if it is missing.
        trackables: the contents of a checkpoint, by name.
        strategy: the strategy of the training.
        say: a function that receives messages for the user.
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
        # The steps that this process has restored or written, the oldest first.
        self._whole: list[int] = []

    def latest(self) -> str | None:
        """Returns the prefix of the newest checkpoint that was restored or saved."""
        return self._prefix(self._whole[-1]) if self._whole else None

    def restore(self) -> int:
        """Restores the newest undamaged checkpoint; returns its step, 0 if none exists.

        Raises:
            ValueError: all checkpoints are damaged, or they are of another model.
            OSError, tf.errors.OpError: the checkpoints cannot be reached.
        """
        step, num_damaged = self._newest_below(None), 0
        while step is not None:
            problem = self._problem(step)
            if all_agree(self.strategy, problem is None):
                break
            num_damaged += 1
            self.say(
                f"The checkpoint {self._prefix(step)} is damaged ({problem}): the one "
                "before it is used."
            )
            step = self._newest_below(step)
        if step is None and num_damaged:
            raise ValueError(
                f"All checkpoints in {self.folder} are damaged. Expected one that is "
                "whole: restore the files, or remove the folder to begin anew."
            )
        self._tell_of_parts(step)
        self._whole = [] if step is None else [step]
        return step or 0

    def restore_position(
        self, step: int, phase: int, iterators: Mapping[int, Any]
    ) -> bool:
        """Restores each replica's iterator; returns False if any position is missing.

        In that case the iterators must not be used.
        """
        found = True
        for replica, iterator in iterators.items():
            path = self._position(step, phase, replica)
            try:
                tf.train.Checkpoint(iterator=iterator).read(path).assert_consumed()
            except (*_DAMAGED, AssertionError):
                found = False
        return all_agree(self.strategy, found)

    def save(self, step: int, phase: int, iterators: Mapping[int, Any]) -> None:
        """Writes a checkpoint, and then removes the files that it supersedes."""
        for replica, iterator in iterators.items():
            path = self._position(step, phase, replica)
            tf.train.Checkpoint(iterator=iterator).write(path)
        wait_for_all(self.strategy)
        self._whole = [*(s for s in self._whole if s < step), step][-_KEPT:]
        if is_chief(self.strategy):
            self._checkpoint.write(self._prefix(step))
            # The positions, too; only now, as files come and go while others write.
            sync(self.folder)
            self._name_for_tensorflow()
            self._remove_superseded()
        wait_for_all(self.strategy)

    def _name_for_tensorflow(self) -> None:
        """Writes the file by which `tf.train.latest_checkpoint` knows a folder.

        TensorFlow's function for that is deprecated, and its CheckpointManager makes a
        variable, which one of several workers cannot do alone.
        """
        names = [f'"{_NAME}-{step}"' for step in self._whole]
        lines = [f"model_checkpoint_path: {names[-1]}"]
        lines += [f"all_model_checkpoint_paths: {name}" for name in names]
        path = posixpath.join(self.folder, _STATE)
        write_file(path, "".join(f"{line}\n" for line in lines).encode())

    def _files(self) -> list[str]:
        if not is_folder(self.folder):
            return []
        return [name.rstrip("/") for name in tf.io.gfile.listdir(self.folder)]

    def _steps(self, pattern: re.Pattern[str]) -> set[int]:
        """Returns the steps of the files whose names match a pattern."""
        found = map(pattern.fullmatch, self._files())
        return {int(match[1]) for match in found if match}

    def _newest_below(self, step: int | None) -> int | None:
        """Returns the newest step below `step` with an index, as the chief sees it."""
        steps = [s for s in self._steps(_INDEX) if step is None or s < step]
        newest = of_chief(self.strategy, max(steps, default=-1))
        return None if newest < 0 else newest

    def _tell_of_parts(self, restored: int | None) -> None:
        parts = self._steps(_DATA) - self._steps(_INDEX)
        for step in sorted(parts):
            if restored is None or step > restored:
                used = "No checkpoint" if restored is None else f"That of {restored}"
                self.say(
                    f"The checkpoint {self._prefix(step)} has no .index: its save did "
                    f"not end, or the file is lost. {used} is used."
                )

    def _problem(self, step: int) -> str | None:
        """Restores a checkpoint; returns what is wrong with its files, if anything."""
        try:
            status = self._checkpoint.read(self._prefix(step))
            status.assert_existing_objects_matched()
        except _UNREACHABLE:
            raise
        except _DAMAGED as error:
            exists(self.folder)  # Raises if it cannot be reached any more.
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

    def _remove_superseded(self) -> None:
        """Removes the files of older steps, except those of the checkpoints to keep.

        A checkpoint of a later step may be unreadable only now, or only on this
        machine: it stays until the run has passed its step.
        """
        patterns = (_INDEX, _DATA, _HALF, _POSITION)
        for match in [p.fullmatch(name) for name in self._files() for p in patterns]:
            if match is None or int(match[1]) in self._whole:
                continue
            if int(match[1]) < self._whole[-1]:
                remove(posixpath.join(self.folder, match[0]))
