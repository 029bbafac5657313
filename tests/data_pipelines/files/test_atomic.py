"""Files and folders that appear complete or not at all."""

import pytest
import tensorflow as tf

from data_pipelines.files.atomic import (
    complete_file,
    new_file,
    new_files,
    new_folder,
    write_file,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_file_replaces(tmp_path):
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        write_file(str(path), content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["file"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_file(str(path), b"old")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(tf.io.gfile, "rename", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_that_must_not_be_replaced(tmp_path):
    path = tmp_path / "file"
    with (
        pytest.raises(tf.errors.AlreadyExistsError),
        complete_file(str(path), overwrite=False) as temporary,
    ):
        write_file(temporary, b"new")
        path.write_bytes(b"old")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_new_file_appears_at_the_end(tmp_path):
    path = tmp_path / "made" / "file"
    with new_file(str(path)) as file:
        file.write(b"one ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert names(path.parent) == ["file"]
    with pytest.raises(FileExistsError, match=r"file exists already\. Nothing is"):
        new_file(str(path)).__enter__()


def test_a_new_file_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_file(str(tmp_path / "file")) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert not names(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"Cannot write .*file/new"):
        new_file(str(tmp_path / "file" / "new")).__enter__()


def test_of_new_files_the_first_appears_last(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in ("first", "second", "third")]
    appeared, rename = [], tf.io.gfile.rename

    def noted(source, target, overwrite=False):
        appeared.append(target)
        rename(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", noted)
    with new_files(paths) as files:
        for path, file in files.items():
            file.write(path.encode())
        assert not appeared
    assert {*appeared} == {*paths} and appeared[-1] == paths[0]
    for path in paths:
        with open(path) as file:
            assert file.read() == path


@pytest.mark.parametrize("failing", ["first", "second", "third"])
def test_where_one_of_new_files_cannot_appear_none_does(tmp_path, monkeypatch, failing):
    rename = tf.io.gfile.rename

    def fail(source, target, overwrite=False):
        if target.endswith(failing):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left")
        rename(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "rename", fail)
    paths = [str(tmp_path / name) for name in ("first", "second", "third")]
    with pytest.raises(tf.errors.OpError), new_files(paths):
        pass
    assert names(tmp_path) == []


def test_a_new_folder(tmp_path):
    path = tmp_path / "folder"
    unfinished = tmp_path / "folder.unfinished"
    unfinished.mkdir()
    (unfinished / "of a run that was killed").write_bytes(b"")
    with pytest.raises(KeyboardInterrupt), new_folder(str(path)) as folder:
        tf.io.gfile.makedirs(folder)
        raise KeyboardInterrupt
    assert not names(tmp_path)
    with new_folder(f"{path}/") as folder:
        tf.io.gfile.makedirs(folder)
        write_file(f"{folder}/file", b"content")
        assert not path.exists()
    assert names(tmp_path) == ["folder"]
    assert (path / "file").read_bytes() == b"content"
    with pytest.raises(FileExistsError, match="folder exists already"):
        new_folder(str(path)).__enter__()
