"""The folder of a run: it belongs to one set of options, and nothing is overwritten."""

import dataclasses
import json
import posixpath
from collections.abc import Collection
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.training.distribution import all_agree, is_chief
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.files.paths import is_folder


def claim_for_all(
    strategy: tf.distribute.Strategy,
    output_dir: str,
    options: Any,
    free_options: Collection[str],
) -> bool:
    """`claim` by the first of several workers, which all learn the answer."""
    finished = is_chief(strategy) and claim(output_dir, options, free_options)
    return not all_agree(strategy, not finished)


def claim(output_dir: str, options: Any, free_options: Collection[str]) -> bool:
    """Makes the folder this run's own; True if it holds the finished model.

    Args:
        output_dir: made if it is missing.
        options: a dataclass, which is written into the folder.
        free_options: names of those that may differ when a run is resumed.

    Raises:
        ValueError: it holds something else, or a run with other options.
    """
    values = json.loads(json.dumps(dataclasses.asdict(options)))
    path = posixpath.join(output_dir, model_dir.OPTIONS)
    files = tf.io.gfile.listdir(output_dir) if is_folder(output_dir) else []
    # Options alone are those of a run that failed before it had made anything.
    if not files or files == [model_dir.OPTIONS]:
        tf.io.gfile.makedirs(output_dir)
        write_json(path, values)
        return False
    if model_dir.OPTIONS not in files:
        raise ValueError(
            f"{output_dir} is not empty and not of this program. Nothing is "
            "overwritten: choose another output_dir."
        )
    # An option that the run did not know yet had its default.
    found = {**_defaults(options), **read_json(path)}
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
    is_finished = tf.io.gfile.exists(posixpath.join(output_dir, model_dir.WEIGHTS))
    if is_finished:
        print(f"{output_dir} holds the finished model of these options already.")
    return is_finished


def _defaults(options: Any) -> dict[str, Any]:
    fields = dataclasses.fields(options)
    return {
        field.name: json.loads(json.dumps(field.default))
        for field in fields
        if field.default is not dataclasses.MISSING
    }
