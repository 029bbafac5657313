"""Versions that several programs write at once: whole, and each with its number."""

import concurrent.futures
import os
import threading

import pytest
import tensorflow as tf

from bert_tf.serving import versions

BASES = pytest.mark.parametrize("where", ["local", "remote"])


@pytest.fixture
def base(where, tmp_path, monkeypatch):
    if where == "remote":
        # TensorFlow's ram:// is no place for several threads.
        monkeypatch.setattr(versions, "_is_remote", lambda base: True)
    return str(tmp_path / "m")


def put(path, content):
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(content)


def content_of(folder):
    def read(name):
        with tf.io.gfile.GFile(f"{folder}/{name}") as file:
            return file.read()

    return [read(name) for name in ("saved_model.pb", "variables/x", "assets/card")]


def written(base, version, content, wait=lambda: None):
    """Writes a version, with `wait` in the middle."""

    def write(folder):
        put(f"{folder}/saved_model.pb", content)
        wait()
        put(f"{folder}/variables/x", content)

    return versions.write_version(
        base,
        version,
        write,
        lambda folder, number: put(f"{folder}/assets/card", str(number)),
    )


def at_once(base, asked):
    """Writes versions at the same time: numbers, or what went wrong."""
    barrier = threading.Barrier(len(asked), timeout=10)
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        futures = [
            pool.submit(written, base, version, f"{place}", barrier.wait)
            for place, version in enumerate(asked)
        ]
    return [future.exception() or future.result() for future in futures]


@BASES
def test_the_next_number_is_chosen_at_the_end(base):
    assert written(base, None, "one") == 1
    found = written(base, None, "two", lambda: written(base, 7, "seven"))
    assert found == 8
    assert content_of(f"{base}/8") == ["two", "two", "8"]
    assert versions.versions(base) == [1, 7, 8]


@BASES
def test_several_at_once_get_different_numbers(base):
    found = at_once(base, [None] * 4)
    assert sorted(found) == versions.versions(base)
    for place, number in enumerate(found):
        assert content_of(f"{base}/{number}") == [f"{place}", f"{place}", f"{number}"]
    assert all(name.rstrip("/").isdigit() for name in tf.io.gfile.listdir(base))


@BASES
def test_one_number_for_two_is_an_error_of_one(base):
    found = at_once(base, [3, 3])
    winner = found.index(3)
    assert content_of(f"{base}/3") == [f"{winner}", f"{winner}", "3"]
    error = str(found[1 - winner])
    assert "3 exists already" in error or "is writing" in error


def test_a_number_that_is_taken_in_the_last_moment(tmp_path, monkeypatch):
    base = str(tmp_path)
    numbers = iter([1, 1, 2])
    monkeypatch.setattr(versions, "_next_free", lambda base: next(numbers))
    assert [written(base, None, name) for name in "ab"] == [1, 2]
    assert content_of(f"{base}/1") == ["a", "a", "1"]
    assert content_of(f"{base}/2") == ["b", "b", "2"]


def test_a_version_of_an_object_store_that_fails_halfway_is_removed(monkeypatch):
    base = "ram://halfway/m"
    tf.io.gfile.makedirs(base)

    def fail(source, target):
        raise OSError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile, "copy", fail)
        with pytest.raises(OSError, match="no connection"):
            written(base, None, "one")
    assert versions.versions(base) == []
    assert written(base, None, "one") == 1


@pytest.mark.parametrize("where", ["remote"])
def test_a_claim_of_a_program_that_was_killed(base, monkeypatch):
    monkeypatch.setattr(versions, "_CLAIM_SECONDS", 0.0)
    put(f"{base}/2.00000000.claim", "")
    assert written(base, None, "one") == 3
    with pytest.raises(
        ValueError, match=r"if no such program is running, remove .*2\.0{8}\.claim"
    ):
        written(base, 2, "two")
    assert versions.versions(base) == [3]


def test_old_versions_are_those_that_were_there_before(tmp_path):
    base = str(tmp_path)
    for number in (1, 2, 3, 4):
        written(base, number, "x")
    versions.remove_old_versions(base, 1, among=[1, 2])
    assert versions.versions(base) == [3, 4]
    versions.remove_old_versions(base, 2, among=[3, 4])
    assert versions.versions(base) == [3, 4]


def test_a_number_that_exists(tmp_path):
    written(str(tmp_path), 4, "x")
    versions.require_free(str(tmp_path), 3)
    with pytest.raises(ValueError, match=r"4 exists already .* such as 5"):
        versions.require_free(str(tmp_path), 4)
