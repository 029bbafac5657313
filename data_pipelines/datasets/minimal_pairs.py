"""Reads minimal pairs of sentences, in the format of BLiMP (Warstadt et al. 2020).

A folder has a file for each set, `*.jsonl` or `*.jsonl.gz`. A line is a pair:

    {"sentence_good": "Katherine can't help herself.",
     "sentence_bad": "Katherine can't help himself.", "field": "morphology",
     "linguistics_term": "anaphor_agreement", "UID": "anaphor_gender_agreement"}
"""

import dataclasses
import itertools
import posixpath
from typing import Any

import tensorflow as tf

from data_pipelines.datasets.json_objects import read_objects

NAME = "blimp"
_SENTENCES = ("sentence_good", "sentence_bad")
_GROUPS = ("UID", "linguistics_term", "field")
_SOURCE = (
    "Expected the folder of its files, such as blimp/data of "
    "https://github.com/alexwarstadt/blimp"
)


@dataclasses.dataclass(frozen=True)
class MinimalPair:
    """Two sentences that differ in one place, of which only one is acceptable.

    Attributes:
        good, bad: the acceptable and the unacceptable sentence.
        set_name: the name of its set, such as "anaphor_gender_agreement".
        phenomenon: what the set tests, such as "anaphor_agreement".
        field: the field of linguistics, such as "morphology".
    """

    good: str
    bad: str
    set_name: str
    phenomenon: str
    field: str


def read_minimal_pairs(
    data_dir: str | None, max_pairs: int | None = None
) -> list[MinimalPair]:
    """Reads the pairs of all sets of a folder, in the order of the file names.

    Args:
        data_dir: the folder of the files, or one with the folder `blimp`.
        max_pairs: the number of pairs that are read of each set, its first ones; None:
            all.

    Raises:
        FileNotFoundError: there are no such files.
        ValueError: a line is malformed, a file is empty, or `max_pairs` is not
            positive.
    """
    if max_pairs is not None and max_pairs < 1:
        raise ValueError(
            f"Received max_pairs={max_pairs}. Expected 1 or more pairs of each set."
        )
    pairs = []
    for file in _files(data_dir):
        objects = itertools.islice(read_objects(file), max_pairs)
        found = [_pair(values, f"{file}, {place}") for place, values in objects]
        if not found:
            raise ValueError(f"{file} is empty. Expected a minimal pair in each line.")
        pairs += found
    return pairs


def _files(data_dir: str | None) -> list[str]:
    if data_dir is None:
        raise ValueError(f"Received dataset={NAME} without data_dir. {_SOURCE}.")
    for folder in (data_dir, posixpath.join(data_dir, NAME)):
        patterns = (posixpath.join(folder, f"*.jsonl{end}") for end in ("", ".gz"))
        files = [file for pattern in patterns for file in tf.io.gfile.glob(pattern)]
        if files:
            return sorted(files)
    raise FileNotFoundError(
        f"No *.jsonl or *.jsonl.gz in data_dir={data_dir!r}. {_SOURCE}."
    )


def _pair(values: dict[str, Any], place: str) -> MinimalPair:
    for name in (*_SENTENCES, *_GROUPS):
        value = values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ValueError(
                f"{place}: received {name}={value!r}. Expected a text that is not "
                f"empty in each of {', '.join((*_SENTENCES, *_GROUPS))}."
            )
    good, bad = (values[name] for name in _SENTENCES)
    set_name, phenomenon, field = (values[name] for name in _GROUPS)
    # One of the published sets spells the field with a slash, the others do not.
    return MinimalPair(good, bad, set_name, phenomenon, field.replace("/", "_"))
