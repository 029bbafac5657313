"""The folder of a run, which belongs to one set of options and inputs and one process.

Nothing is overwritten. Beside the options, `inputs.json` has the fingerprints of the
files whose contents determine the result.
"""

import contextlib
import dataclasses
import json
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.training.distribution import WorkerLost, all_agree, is_chief
from data_pipelines.files.fingerprints import changes, fingerprints, shown
from data_pipelines.files.json_files import read_json, read_json_if_any, write_json
from data_pipelines.files.locks import locked_folder
from data_pipelines.files.paths import exists, is_folder

INPUTS = "inputs.json"


@contextlib.contextmanager
def locked_for_all(strategy: tf.distribute.Strategy, output_dir: str) -> Iterator[None]:
    """Holds the lock of a folder; the first of several workers holds it for all."""
    with contextlib.ExitStack() as stack:

        def lock() -> bool:
            stack.enter_context(locked_folder(output_dir))
            return True

        _answer_of_chief(strategy, lock)
        yield


def is_finished_for_all(
    strategy: tf.distribute.Strategy, output_dir: str, *claims: Any
) -> bool:
    """Calls `claim_for_all` if the folder holds a model, and returns False if not.

    The inputs are not needed and may have been removed.
    """

    def is_finished() -> bool:
        return _holds_model(output_dir) and claim(output_dir, *claims)

    return _answer_of_chief(strategy, is_finished)


def claim_for_all(
    strategy: tf.distribute.Strategy, output_dir: str, *claims: Any
) -> bool:
    """Calls `claim` in the first of several workers; all of them get its answer."""
    return _answer_of_chief(strategy, lambda: claim(output_dir, *claims))


def _answer_of_chief(strategy: tf.distribute.Strategy, ask: Callable[[], bool]) -> bool:
    """Returns the answer of a function that only the chief calls; all raise with it."""
    answer, problem = False, None
    if is_chief(strategy):
        try:
            answer = ask()
        except Exception as error:
            problem = error
    is_well = all_agree(strategy, problem is None)
    if problem is not None:
        raise problem
    if not is_well:
        raise WorkerLost(
            "Another worker no longer answers: the first worker has refused the "
            "output_dir. Expected a folder for this run: see that worker's message."
        )
    return not all_agree(strategy, not answer)


def claim(
    output_dir: str,
    options: Any,
    free_options: Collection[str],
    inputs: Mapping[str, Sequence[str]] = {},
) -> bool:
    """Claims the folder for this run; returns True if it holds the finished model.

    An input all of whose files are gone does not count as changed: what was made from
    it may be all that is needed.

    Args:
        output_dir: the folder, which is made if it is missing.
        options: a dataclass, which is written into the folder.
        free_options: names of the options that may differ when a run is resumed.
        inputs: the files of each input, whose fingerprints are written, too.

    Raises:
        ValueError: the folder holds something else, or a run with other options or
            inputs.
    """
    values = json.loads(json.dumps(dataclasses.asdict(options)))
    path = posixpath.join(output_dir, model_dir.OPTIONS)
    files = tf.io.gfile.listdir(output_dir) if is_folder(output_dir) else []
    # A folder with options alone is that of a run that failed before it made anything.
    if all(name.startswith((model_dir.OPTIONS, INPUTS)) for name in files):
        tf.io.gfile.makedirs(output_dir)
        _write_inputs(output_dir, {}, inputs)
        write_json(path, values)
        return False
    if model_dir.OPTIONS not in files:
        raise ValueError(
            f"{output_dir} is not empty and not of this program. Nothing is "
            "overwritten: choose another output_dir."
        )
    found = {**_values_before_they_existed(options), **read_json(path)}
    different = [
        f"{name} was {found.get(name)!r}, received {values[name]!r}"
        for name in values
        if name not in free_options and found.get(name) != values[name]
    ]
    if different:
        raise ValueError(
            f"{output_dir} holds a run with other options: {'; '.join(different)}. "
            "Nothing is overwritten: choose another output_dir, or these options."
        )
    is_finished = _holds_model(output_dir)
    known = read_json_if_any(posixpath.join(output_dir, INPUTS))
    _check_inputs(output_dir, known, inputs, is_finished)
    if is_finished:
        print(f"{output_dir} holds the finished model of these options already.")
    else:
        _write_inputs(output_dir, known, inputs)
    return is_finished


def _holds_model(output_dir: str) -> bool:
    return exists(posixpath.join(output_dir, model_dir.WEIGHTS))


def _check_inputs(
    output_dir: str,
    known: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
    is_finished: bool,
) -> None:
    """Raises ValueError if an input has changed since its fingerprints were taken."""
    found = {
        name: changes(known[name], {path: path for path in paths})
        for name, paths in inputs.items()
        if paths and name in known
    }
    different = [f"{name}: {shown(lines)}" for name, lines in found.items() if lines]
    if different:
        what = "model trained on" if is_finished else "run on"
        raise ValueError(
            f"{output_dir} holds a {what} other inputs. {'; '.join(different)}. "
            "Nothing is overwritten: restore what it began with, or choose another "
            "output_dir."
        )


def _write_inputs(
    output_dir: str, known: Mapping[str, Any], inputs: Mapping[str, Sequence[str]]
) -> None:
    """Adds the fingerprints of inputs that have none yet."""
    new = {name: p for name, p in inputs.items() if p and name not in known}
    if new:
        found = {name: fingerprints(paths) for name, paths in new.items()}
        write_json(posixpath.join(output_dir, INPUTS), {**known, **found})


def _values_before_they_existed(options: Any) -> dict[str, Any]:
    """The values of options in runs that began when there were none of them.

    They are the defaults; a switch whose default depends on other options was off.
    """
    found = {
        field.name: json.loads(json.dumps(field.default))
        for field in dataclasses.fields(options)
        if field.default is not dataclasses.MISSING
    }
    off = {
        name: False
        for name, default in found.items()
        if default is None and getattr(options, name) is False
    }
    return {**found, **off}
