"""Files and folders that appear complete or not at all."""

import contextlib
import os
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from data_pipelines.files.atomic import (
    complete_file,
    new_file,
    new_files,
    new_folder,
    remove_unfinished,
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


def test_a_file_in_a_folder_that_is_not_there(tmp_path):
    path = tmp_path / "missing" / "file"
    message = rf"Cannot write {path} \(No such file or directory\)\. Expected a file in"
    with pytest.raises(OSError, match=message):
        write_file(str(path), b"content")


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


def complete_new_file(path):
    return complete_file(path, overwrite=False)


def fill(temporary, content):
    """Writes into what `complete_file` or `new_folder` yields, or `new_file` opened."""
    if not isinstance(temporary, str):
        temporary.write(content)
        return
    is_folder = os.path.isdir(temporary)
    with open(f"{temporary}/file" if is_folder else temporary, "wb") as file:
        file.write(content)


def content_of(path):
    return (path / "file" if path.is_dir() else path).read_bytes()


MAKERS = pytest.mark.parametrize("make", [complete_new_file, new_file, new_folder])


@pytest.mark.parametrize("make", [complete_new_file, new_folder])
def test_of_two_that_make_one_name_both_keep_theirs(tmp_path, make):
    path = tmp_path / "name"
    with (
        pytest.raises(FileExistsError, match="wrote it in the meantime") as raised,
        make(str(path)) as second,
    ):
        with make(str(path)) as first:
            fill(second, b"second")
            fill(first, b"first")
        assert content_of(path) == b"first"
    assert content_of(path) == b"first"
    kept = re.search(r"the new output is kept as (\S+)\.$", str(raised.value))[1]
    assert sorted(map(str, tmp_path.iterdir())) == [str(path), kept]
    path.rename(tmp_path / "other")
    # What is kept is no leftover.
    with make(str(path)) as again:
        fill(again, b"again")
    assert os.path.exists(kept)


def test_a_new_file_that_another_writes_is_refused_at_once(tmp_path):
    path = str(tmp_path / "name")
    with new_file(path) as first:
        with (
            pytest.raises(
                BlockingIOError, match=f"^{path} is being written by another"
            ),
            new_file(path),
        ):
            pass
        first.write(b"first")
    assert content_of(tmp_path / "name") == b"first"
    assert names(tmp_path) == ["name"]


@pytest.mark.parametrize("make", [complete_new_file, new_folder])
def test_what_a_living_program_makes_is_left_alone(tmp_path, make):
    path = tmp_path / "name"
    with make(str(path)) as living, contextlib.suppress(RuntimeError):
        fill(living, b"mine")
        with make(str(path)):
            raise RuntimeError
        with make(f"{path}-2"):
            raise RuntimeError
    assert content_of(path) == b"mine"


@pytest.mark.parametrize("name", ["name", "na[m]e"])
def test_what_dead_programs_have_left_goes_with_the_next_of_the_name(tmp_path, name):
    left = tmp_path / f"{name}.0a1b2c3d.unfinished"
    left.mkdir()
    (left / "file").write_bytes(b"half")
    (tmp_path / f"{name}.3d2c1b0a.unfinished").write_bytes(b"half")
    others = {f"{name}.2.0a1b2c3d.unfinished", f"{name}.unfinished", "x.unfinished"}
    for other in others:
        (tmp_path / other).write_bytes(b"of another")
    write_file(str(tmp_path / name), b"whole")
    assert {*names(tmp_path)} == {name, *others}


def test_what_a_killed_process_has_left(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from data_pipelines.files.atomic import new_folder\n"
        "with new_folder(sys.argv[1]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "folder"
    subprocess.run([sys.executable, "-c", program, path], check=False)
    (left,) = names(tmp_path)
    assert re.fullmatch(r"folder\.\w{8}\.unfinished", left)
    with new_folder(str(path)):
        assert left not in names(tmp_path)
    assert names(tmp_path) == ["folder"]


@MAKERS
def test_a_process_that_ends_at_once_can_take_away_what_is_not_whole(tmp_path, make):
    (tmp_path / "complete").write_bytes(b"whole")
    with pytest.raises(KeyboardInterrupt), make(str(tmp_path / "name")) as temporary:
        fill(temporary, b"half")
        remove_unfinished()
        assert names(tmp_path) == ["complete"]
        raise KeyboardInterrupt
    remove_unfinished()
    assert names(tmp_path) == ["complete"]


@pytest.fixture
def synced(monkeypatch):
    """Paths of the calls of fsync in their order."""
    found = []
    fsync = os.fsync

    def noted(descriptor):
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return found


@MAKERS
def test_all_is_on_the_disk_before_it_has_its_name(tmp_path, make, synced):
    path = str(tmp_path / "name")
    with make(path) as temporary:
        if make is new_folder:
            os.mkdir(f"{temporary}/inner")
            for name in ("inner/one", "two"):
                with open(f"{temporary}/{name}", "wb") as file:
                    file.write(b"content")
        assert not synced
    inside = ("/inner/one", "/two", "/inner") if make is new_folder else ()
    *content, own, folder = [
        re.sub(r"\.\w{8}\.unfinished", " before", name) for name in synced
    ]
    # With its own name no more than the folder is written, which has the name.
    assert {*content} == {f"{path} before{name}" for name in inside}
    assert (own, folder) == (f"{path} before", str(tmp_path))


def test_remote_files_have_no_disk_of_this_machine(synced):
    write_file("ram://somewhere/file", b"content")

    def publish(folder, path):
        tf.io.gfile.copy(f"{folder}/file", f"{path}/file")

    with new_folder("ram://somewhere/folder", publish) as folder:
        write_file(f"{folder}/file", b"content")
    assert not synced
    assert tf.io.gfile.exists("ram://somewhere/folder/file")
    assert not tf.io.gfile.exists(f"{folder}/file")


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
