"""The versions of a served model: `BASE/1`, `BASE/2`, each whole or not there.

TF Serving looks for folders below a model's base path whose names are numbers, and
loads the highest.
"""

import posixpath
from collections.abc import Mapping
from contextlib import AbstractContextManager

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from data_pipelines.files.atomic import new_folder, remove
from data_pipelines.files.paths import is_folder

# Where this file is, TF Serving takes a folder for a model.
_GRAPH = "saved_model.pb"


def versions(base: str) -> list[int]:
    """The numbers of the versions below a base path, the oldest first."""
    if not is_folder(base):
        return []
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(base))
    return sorted(int(name) for name in names if name.isdigit())


def new_version(base: str, version: int | None = None) -> int:
    """A number that is not taken yet; the one asked for, or the next.

    Raises:
        ValueError: it is taken.
    """
    existing = versions(base)
    next_one = max(existing, default=0) + 1
    if version is None:
        return next_one
    if version in existing:
        raise ValueError(
            f"{posixpath.join(base, str(version))} exists already and is never written "
            f"over. Expected a new version, such as {next_one}: leave out --version."
        )
    return version


def unpublished(base: str, version: int) -> AbstractContextManager[str]:
    """A folder to write a version into, published at the end of the `with`.

    A local folder appears at once. A remote one is copied, for object stores know no
    other way, with the file last without which it is no model.
    """
    # Until then its name is no number, and TF Serving does not see it.
    target = posixpath.join(base, str(version))
    return new_folder(target, _copy if "://" in base else tf.io.gfile.rename)


def remove_old_versions(base: str, keep: int) -> None:
    """Removes all but the newest `keep`."""
    for version in versions(base)[:-keep]:
        remove(posixpath.join(base, str(version)))


def signature_definitions(path: str) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    """The signatures of a version by their names, without loading it.

    Raises:
        tf.errors.OpError: it cannot be read.
    """
    with tf.io.gfile.GFile(posixpath.join(path, _GRAPH), "rb") as file:
        content = saved_model_pb2.SavedModel.FromString(file.read())
    return content.meta_graphs[0].signature_def


def _copy(folder: str, target: str) -> None:
    files = [
        posixpath.relpath(posixpath.join(path, name), folder)
        for path, _, names in tf.io.gfile.walk(folder)
        for name in names
    ]
    for name in sorted(files, key=lambda name: name == _GRAPH):
        # TensorFlow's ram:// takes assets.extra for a file .extra in assets.
        if not tf.io.gfile.exists(posixpath.join(folder, name)):
            continue
        path = posixpath.join(target, name)
        tf.io.gfile.makedirs(posixpath.dirname(path))
        tf.io.gfile.copy(posixpath.join(folder, name), path)
