"""Fingerprints: what they see, what they read, and that they need no local path."""

import builtins
import hashlib
import os

import pytest
import tensorflow as tf

from data_pipelines.files import fingerprints as module
from data_pipelines.files.fingerprints import changes, fingerprints, present, shown


@pytest.fixture
def files(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"This is {name}.")
    return {name: str(tmp_path / f"{name}.txt") for name in "abc"}


def known(files):
    found = fingerprints(files.values())
    return {name: found[path] for name, path in files.items()}


def test_a_fingerprint_is_size_and_digest(files):
    digest = hashlib.sha256(b"This is a.").hexdigest()[:16]
    expected = {"bytes": 10, "read": 10, "digest": digest}
    assert known(files)["a"] == expected


def test_nothing_has_changed_where_times_have(files):
    before = known(files)
    os.utime(files["a"], (0, 0))
    assert changes(before, files) == []


@pytest.mark.parametrize(
    "content", ["This is b.", "This is a", "This is a.\n", ""], ids=len
)
def test_what_has_changed_is_named(files, content):
    before = known(files)
    with open(files["a"], "w") as file:
        file.write(content)
    assert changes(before, files) == ["a has changed"]


def test_what_is_new_or_gone_is_named(files):
    before = known({name: files[name] for name in "ab"})
    after = {name: files[name] for name in "bc"}
    assert changes(before, after) == ["c is new", "a is gone"]


@pytest.mark.parametrize(
    ("count", "text"), [(3, "0, 1, 2"), (5, "0, 1, 2, and 2 more")]
)
def test_of_many_the_first_are_shown(count, text):
    assert shown([str(number) for number in range(count)]) == text


def test_only_files_are_present(files, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    others = (str(tmp_path / name) for name in ("none", "pipe"))
    given = (None, "", files["a"], str(tmp_path), *others)
    assert present(*given) == [files["a"]]


@pytest.fixture
def small(monkeypatch):
    """Blocks of 4 bytes; 64 bytes are read of all files, and at least 4 of each."""
    for name, value in (("_BLOCK", 4), ("_MOST", 64), ("_LEAST", 4)):
        monkeypatch.setattr(module, name, value)


def test_large_files_are_read_in_part(small, tmp_path, monkeypatch):
    contents = {"small": b"0123456789", "large": bytes(range(200))}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    places = []

    class Watched:
        def __init__(self, path, mode):
            self.file = builtins.open(path, mode)  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def seek(self, place):
            places.append(place)
            self.file.seek(place)

        def read(self, size):
            return self.file.read(size)

    monkeypatch.setattr(module, "open", Watched, raising=False)
    files = {name: str(tmp_path / name) for name in contents}
    found = known(files)
    assert {name: f["read"] for name, f in found.items()} == {"small": 10, "large": 32}
    # From the first byte to the last.
    assert places[0] == 0 and places[-1] == 196 and len(places) == 8
    assert changes(found, files) == []
    for place in (0, 199):
        content = bytearray(contents["large"])
        content[place] ^= 1
        (tmp_path / "large").write_bytes(content)
        assert changes(found, files) == ["large has changed"]


def test_what_is_read_is_bounded_and_does_not_depend_on_other_files_later(
    small, tmp_path
):
    paths = {str(n): str(tmp_path / str(n)) for n in range(100)}
    for path in paths.values():
        with open(path, "wb") as file:
            file.truncate(1000)
    found = known(paths)
    # At least a block of each.
    assert {fingerprint["read"] for fingerprint in found.values()} == {4}
    few = {name: paths[name] for name in ("0", "1")}
    assert {fingerprint["read"] for fingerprint in known(few).values()} == {32}
    assert changes({name: found[name] for name in few}, few) == []


def test_remote_files():
    folder = "ram://fingerprints"
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/a.txt"
    with tf.io.gfile.GFile(path, "w") as file:
        file.write("one")
    before = fingerprints(present(path, f"{folder}/b.txt"))
    assert list(before) == [path]
    assert changes(before, {path: path}) == []
    with tf.io.gfile.GFile(path, "w") as file:
        file.write("two")
    assert changes(before, {path: path}) == [f"{path} has changed"]
