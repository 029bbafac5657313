"""The versions of a served model: `BASE/1`, `BASE/2`, each complete or absent.

TF Serving looks for folders below a model's base path whose names are numbers, and
loads the highest.
"""

import contextlib
import errno
import os
import posixpath
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from data_pipelines.files.atomic import new_folder, remove, write_file
from data_pipelines.files.paths import is_folder

# TF Serving recognises a model by this file.
_GRAPH = "saved_model.pb"
# On an object store, NUMBER.*.claim marks a version that is being written.
_CLAIM = "claim"
_CLAIM_SECONDS = 10.0


# Names, sizes in bytes, and modification times in nanoseconds.
Files = frozenset[tuple[str, int, int]]


def version_folders(base: str) -> dict[int, str]:
    """The paths of the versions below a base path, by number.

    Raises:
        FileNotFoundError: there is no such folder.
        tf.errors.OpError: it cannot be read.
    """
    # For a missing folder, an object store returns an empty list without an error.
    if not tf.io.gfile.isdir(base):
        raise FileNotFoundError(f"There is no folder {base}.")
    # Sorted, so that 1 wins over 01.
    names = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(base))
    return {int(name): posixpath.join(base, name) for name in names if _is_number(name)}


def versions(base: str) -> list[int]:
    """The numbers of the versions below a base path, the oldest first."""
    return sorted(version_folders(base)) if is_folder(base) else []


def files_of(path: str) -> Files:
    """The files of a version; they differ if it was written again.

    Files that cannot be read are left out.
    """
    found = set()
    with contextlib.suppress(tf.errors.OpError):
        for folder, _, names in tf.io.gfile.walk(path):
            for name in names:
                file = posixpath.join(folder, name)
                # The file may vanish in the meantime.
                with contextlib.suppress(tf.errors.OpError):
                    stat = tf.io.gfile.stat(file)
                    found.add((file, stat.length, stat.mtime_nsec))
    return frozenset(found)


def require_free(base: str, version: int) -> None:
    """Raises ValueError if there is a version of this number."""
    existing = versions(base)
    if version in existing:
        raise ValueError(
            f"{posixpath.join(base, str(version))} exists already and is never "
            f"overwritten. Expected a new version, such as {existing[-1] + 1}: leave "
            "out --version to use the next one."
        )


def write_version(
    base: str,
    version: int | None,
    write: Callable[[str], None],
    describe: Callable[[str, int], None],
) -> int:
    """Writes a version that appears complete; several may be written at once.

    A local folder is renamed. Object stores cannot rename a folder: there its files
    are copied, last the one by which TF Serving recognises a model.

    Args:
        base: the folder of the versions.
        version: a number that is free; None: the next free one when `write` has ended.
        write: writes the files into a folder.
        describe: writes the files that depend on the number; called again if another
            program takes the number first.

    Returns:
        The number.

    Raises:
        FileExistsError: another program has written this version in the meantime.
        ValueError: another program is writing it, on an object store.
    """
    found = 0

    def publish(folder: str, _: str) -> None:
        nonlocal found
        while True:
            found = version or _next_free(base)
            describe(folder, found)
            try:
                _publish(folder, base, found)
                return
            except (FileExistsError, ValueError):
                if version is not None:
                    raise

    # The name of the unfinished folder is not a number: TF Serving ignores it.
    target = posixpath.join(base, "new" if version is None else str(version))
    with new_folder(target, publish) as folder:
        write(folder)
    return found


def remove_old_versions(base: str, keep: int, among: Collection[int]) -> None:
    """Removes all versions but the newest `keep`.

    Args:
        base: the folder of the versions.
        keep: the number of versions to keep.
        among: versions that may be removed; others have appeared in the meantime.
    """
    for version in versions(base)[:-keep]:
        if version in among:
            remove(posixpath.join(base, str(version)))


def signature_definitions(path: str) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    """The signatures of a version, by name, without loading it.

    Raises:
        tf.errors.OpError: it cannot be read.
    """
    with tf.io.gfile.GFile(posixpath.join(path, _GRAPH), "rb") as file:
        content = saved_model_pb2.SavedModel.FromString(file.read())
    return content.meta_graphs[0].signature_def


def _next_free(base: str) -> int:
    """One more than the highest version that exists or is being written."""
    names = tf.io.gfile.listdir(base) if tf.io.gfile.isdir(base) else []
    starts = [name.rstrip("/").split(".")[0] for name in names]
    return max([0, *(int(n) for n in starts if _is_number(n))]) + 1


def _is_number(name: str) -> bool:
    # TF Serving's version numbers are int64.
    return name.isascii() and name.isdigit() and int(name) < 2**63


def _publish(folder: str, base: str, version: int) -> None:
    """Gives a folder its number; raises FileExistsError if it is taken."""
    target = posixpath.join(base, str(version))
    if not _is_remote(base):
        try:
            os.rename(folder, target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise FileExistsError(f"{target} exists already.") from None
            raise
        return
    with _claim(base, version):
        try:
            _copy(folder, target)
        except BaseException:
            remove(target)
            raise


@contextlib.contextmanager
def _claim(base: str, version: int) -> Iterator[None]:
    """Claims a number by a file beside the versions, where folders cannot be renamed.

    A program that sees no other claim after writing its own has the number: of two
    programs, the second sees the claim of the first. If each sees the other's, one
    gives up, and the other waits until it has.

    Raises:
        FileExistsError: there is a version of this number.
        ValueError: another program has claimed it.
    """
    target, mine = posixpath.join(base, str(version)), secrets.token_hex(4)
    path = f"{target}.{mine}.{_CLAIM}"
    write_file(path, b"")
    end = time.monotonic() + _CLAIM_SECONDS
    try:
        # Claims are read before versions: a claim is removed after its version exists.
        while others := _claims(base, version) - {mine}:
            if min(others) < mine or time.monotonic() > end:
                raise ValueError(
                    f"Another program is writing {target}. Expected another version: "
                    "if no such program is running, remove "
                    f"{target}.{min(others)}.{_CLAIM}."
                )
            time.sleep(0.05)
        if version in versions(base):
            raise FileExistsError(f"{target} exists already.")
        yield
    finally:
        remove(path)


def _claims(base: str, version: int) -> set[str]:
    """The owners of the claims NUMBER.OWNER.claim of a number."""
    names = (name.rstrip("/").split(".") for name in tf.io.gfile.listdir(base))
    return {name[1] for name in names if name[::2] == [str(version), _CLAIM]}


def _is_remote(base: str) -> bool:
    return "://" in base


def _copy(folder: str, target: str) -> None:
    files = [
        posixpath.relpath(posixpath.join(path, name), folder)
        for path, _, names in tf.io.gfile.walk(folder)
        for name in names
    ]
    for name in sorted(files, key=lambda name: name == _GRAPH):
        # TensorFlow's ram:// lists assets.extra as a file .extra in assets.
        if not tf.io.gfile.exists(posixpath.join(folder, name)):
            continue
        path = posixpath.join(target, name)
        tf.io.gfile.makedirs(posixpath.dirname(path))
        tf.io.gfile.copy(posixpath.join(folder, name), path)
