"""Versions that come and go, with models that are names."""

import asyncio
import os
import shutil

import pytest
import tensorflow as tf

from bert_tf.serving.server import served_models
from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.served_models import ServedModels, State


@pytest.fixture
def base(tmp_path):
    (tmp_path / "1").mkdir()
    return tmp_path


def served(base, load=lambda path: path):
    said = []
    return ServedModels({"m": str(base)}, said.append, load), said


def states(models):
    return {v.number: v.state for v in models.status("m")}


def poll(models, times=1):
    for _ in range(times):
        asyncio.run(models.poll())


def write(version, content="whole"):
    version.mkdir(exist_ok=True)
    (version / "saved_model.pb").write_text(content)


class Loads:
    """Models that are what is in the folder; "half" of one cannot be loaded.

    Attributes:
        tried: the numbers, in order.
    """

    def __init__(self):
        self.tried = []

    def __call__(self, path):
        self.tried.append(int(os.path.basename(path)))
        with open(f"{path}/saved_model.pb") as file:
            content = file.read()
        if content.startswith("half"):
            raise OSError("it is cut off")
        return content


def answer_of(models, number=None):
    with models.using("m", number) as (version, model):
        return version.number, model


def test_the_newest_is_served(base):
    (base / "3").mkdir()
    (base / "unfinished.4").mkdir()
    models, said = served(base)
    asyncio.run(models.poll())
    with models.using("m") as (version, model):
        assert (version.number, model) == (3, f"{base}/3")
    assert said == ["m: version 3 is served."]
    asyncio.run(models.poll())
    assert len(said) == 1


def test_an_old_version_is_drained(base):
    async def run():
        models, _ = served(base)
        await models.poll()
        with models.using("m") as (version, _):
            (base / "2").mkdir()
            polling = asyncio.create_task(models.poll())
            while states(models).get(2) != State.AVAILABLE:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert states(models)[1] == State.UNLOADING and version.model is not None
            with models.using("m") as (new, _):
                assert new.number == 2
            with (
                pytest.raises(RequestError, match=r"are served, \[2\]"),
                models.using("m", 1),
            ):
                pass
        await asyncio.wait_for(polling, 10)
        assert states(models) == {2: State.AVAILABLE, 1: State.END}
        assert version.model is None

    asyncio.run(run())


def test_a_broken_version_changes_nothing(base):
    def load(path):
        if path.endswith("/2"):
            raise OSError("no\nmodel")
        return path

    models, said = served(base, load)
    asyncio.run(models.poll())
    (base / "2").mkdir()
    asyncio.run(models.poll())
    asyncio.run(models.poll())
    assert states(models) == {2: State.END, 1: State.AVAILABLE}
    assert said[1:] == ["m: version 2 cannot be loaded: no model"]
    assert models.status("m", 2)[0].error == "no model"
    with models.using("m") as (version, _):
        assert version.number == 1
    (base / "3").mkdir()
    asyncio.run(models.poll())
    assert states(models)[3] == State.AVAILABLE


def test_no_model(base, tmp_path):
    models, _ = served(tmp_path / "nothing")
    asyncio.run(models.poll())
    with pytest.raises(RequestError, match="Received the model 'x'") as raised:
        models.status("x")
    assert raised.value.code == "NOT_FOUND"
    with pytest.raises(RequestError, match=r"are served, \[\]"), models.using("m"):
        pass
    with pytest.raises(RequestError, match="Expected one"):
        models.status("m")
    assert models.available() == {}


# --- Versions that change.


def test_a_version_that_was_half_copied_is_tried_again(tmp_path):
    write(tmp_path / "1")
    models, said = served(tmp_path, load := Loads())
    poll(models)
    for content in ("half", "half, more", "half, and more"):
        write(tmp_path / "2", content)
        poll(models)
    # While its files change each time, it is not tried.
    assert load.tried == [1, 2]
    write(tmp_path / "2", "all of it")
    poll(models, 2)
    assert load.tried == [1, 2, 2] and answer_of(models) == (2, "all of it")
    assert said[1:] == [
        "m: version 2 cannot be loaded: it is cut off",
        "m: version 2 is served.",
        "m: version 1 is unloaded.",
    ]
    assert models.status("m", 2)[0].error == ""


def test_a_version_that_stays_broken_is_told_once(tmp_path):
    write(tmp_path / "1")
    models, said = served(tmp_path, load := Loads())
    poll(models)
    write(tmp_path / "2", "half")
    poll(models, 5)
    assert load.tried == [1, 2]
    write(tmp_path / "2", "half again")
    poll(models, 5)
    assert load.tried == [1, 2, 2]
    assert said[1:] == ["m: version 2 cannot be loaded: it is cut off"]
    assert answer_of(models) == (1, "whole")


def test_a_failure_that_may_pass_is_tried_again_later(tmp_path, monkeypatch):
    """As TF Serving does: five times, a minute apart."""
    write(tmp_path / "1", "half")
    models, said = served(tmp_path, load := Loads())
    poll(models, 5)
    assert load.tried == [1]
    monkeypatch.setattr(served_models, "_RETRY_SECONDS", 0.0)
    poll(models, 10)
    assert load.tried == [1] * 6 and len(said) == 1


def test_a_lower_version_is_served_where_the_newest_is_broken(tmp_path):
    write(tmp_path / "1")
    write(tmp_path / "2", "half")
    models, _ = served(tmp_path, Loads())
    poll(models, 3)
    assert answer_of(models) == (1, "whole")
    assert states(models) == {2: State.END, 1: State.AVAILABLE}


def test_a_version_that_was_removed_gives_way_to_the_next_lower(tmp_path):
    for number in (1, 2, 3):
        write(tmp_path / str(number), str(number))
    models, said = served(tmp_path, Loads())
    poll(models)
    shutil.rmtree(tmp_path / "3")
    poll(models, 2)
    assert answer_of(models) == (2, "2")
    with pytest.raises(RequestError, match=r"are served, \[2\]") as raised:
        answer_of(models, 3)
    assert raised.value.code == "NOT_FOUND"
    assert said[1:] == ["m: version 2 is served.", "m: version 3 is unloaded."]
    # The same number once more.
    write(tmp_path / "3", "new")
    poll(models)
    assert answer_of(models) == (3, "new")


def test_the_next_lower_version_is_ready_before_a_removed_one_is_unloaded(tmp_path):
    for number in (1, 2):
        write(tmp_path / str(number))
    served_meanwhile = []

    def load(path):
        served_meanwhile.append([*models.available()])
        return path

    models, _ = served(tmp_path, load)
    poll(models)
    shutil.rmtree(tmp_path / "2")
    poll(models, 2)
    assert served_meanwhile == [[], ["m"]]


def test_a_removed_version_stays_where_no_lower_one_can_be_loaded(tmp_path):
    write(tmp_path / "1", "half")
    write(tmp_path / "2")
    models, _ = served(tmp_path, Loads())
    poll(models)
    shutil.rmtree(tmp_path / "2")
    poll(models, 3)
    assert answer_of(models) == (2, "whole")


def test_the_only_version_is_removed(tmp_path):
    write(tmp_path / "1")
    models, said = served(tmp_path, Loads())

    async def run():
        await models.poll()
        with models.using("m") as (version, model):
            shutil.rmtree(tmp_path / "1")
            polling = asyncio.create_task(watched())
            while version.state != State.UNLOADING:
                await asyncio.sleep(0.01)
            assert version.model is model
        await polling
        assert version.model is None

    async def watched():
        await models.poll()
        await models.poll()

    asyncio.run(asyncio.wait_for(run(), 10))
    with pytest.raises(RequestError, match=r"are served, \[\]") as raised:
        answer_of(models)
    assert raised.value.code == "NOT_FOUND"
    assert said[:2] == ["m: version 1 is served.", "m: version 1 is unloaded."]
    write(tmp_path / "1", "new")
    poll(models)
    assert answer_of(models) == (1, "new")


def test_a_version_is_put_in_the_place_of_another(tmp_path):
    """Removed and written again between two looks, or for the time of one."""
    write(tmp_path / "1", "one")
    models, said = served(tmp_path, Loads())
    poll(models)
    shutil.rmtree(tmp_path / "1")
    write(tmp_path / "1", "other")
    poll(models, 2)
    assert answer_of(models) == (1, "other")
    shutil.rmtree(tmp_path / "1")
    poll(models)
    assert answer_of(models) == (1, "other")
    write(tmp_path / "1", "a third")
    poll(models, 2)
    assert answer_of(models) == (1, "a third")
    assert said[1:] == ["m: version 1 is served, from other files."] * 2


def test_other_files_that_cannot_be_loaded_change_nothing(tmp_path):
    write(tmp_path / "1")
    models, said = served(tmp_path, load := Loads())
    poll(models)
    write(tmp_path / "1", "half")
    poll(models, 5)
    assert answer_of(models) == (1, "whole") and load.tried == [1, 1]
    assert said[1:] == ["m: version 1 cannot be loaded: it is cut off"]
    write(tmp_path / "1", "mended")
    poll(models, 2)
    assert answer_of(models) == (1, "mended")


def test_other_files_in_a_folder_below_are_noticed(tmp_path):
    write(tmp_path / "1")
    (tmp_path / "1" / "variables").mkdir()
    models, said = served(tmp_path, load := Loads())
    poll(models)
    (tmp_path / "1" / "variables" / "variables.index").write_text("x")
    poll(models, 3)
    assert load.tried == [1, 1] and len(said) == 2


@pytest.mark.parametrize("lost", ["moved", "unreadable"])
def test_a_base_folder_that_is_lost_for_a_while(tmp_path, monkeypatch, lost):
    (tmp_path / "base").mkdir()
    write(tmp_path / "base" / "1")
    models, said = served(tmp_path / "base", load := Loads())
    poll(models)
    with monkeypatch.context() as patch:
        if lost == "moved":
            (tmp_path / "base").rename(tmp_path / "away")
        else:
            patch.setattr(served_models, "version_folders", _refuse)
        poll(models, 5)
        assert answer_of(models) == (1, "whole")
        assert len(said) == 2 and said[1].startswith("m: cannot read ")
    if lost == "moved":
        (tmp_path / "away").rename(tmp_path / "base")
    write(tmp_path / "base" / "2")
    poll(models)
    assert answer_of(models) == (2, "whole") and load.tried == [1, 2]


def _refuse(base):
    raise OSError("input/output error")


def test_names_of_folders_as_tf_serving_reads_them(tmp_path):
    for name in ("00007", "²", "٣", "8.unfinished", "-9", "9" * 19):
        write(tmp_path / name, name)
    models, _ = served(tmp_path, Loads())
    poll(models)
    assert answer_of(models) == (7, "00007")
    with pytest.raises(RequestError, match="version 0 of the model m"):
        answer_of(models, 0)


def test_a_folder_without_versions_is_told_once(tmp_path):
    """A version was named instead of its base path, or names are no numbers."""
    for name in ("variables", "v0.1"):
        write(tmp_path / name)
    models, said = served(tmp_path, Loads())
    poll(models, 3)
    line = f"m: {tmp_path} has no folder whose name is a number. Expected {tmp_path}/1"
    assert len(said) == 1 and said[0].startswith(line)
    write(tmp_path / "1")
    poll(models)
    assert answer_of(models) == (1, "whole")


@pytest.mark.parametrize("order", [("1", "01"), ("01", "1")])
def test_two_names_of_one_number(tmp_path, monkeypatch, order):
    for name in order:
        write(tmp_path / name, name)
    monkeypatch.setattr(tf.io.gfile, "listdir", lambda base: order)
    models, _ = served(tmp_path, Loads())
    poll(models)
    assert answer_of(models) == (1, "1")


def test_one_model_waits_for_no_other(tmp_path):
    """A version that is long in draining keeps no other model from its new one."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "1")
    bases = {name: str(tmp_path / name) for name in ("a", "b")}
    models = ServedModels(bases, lambda line: None, Loads())

    async def run():
        await models.poll()
        with models.using("a"):
            for name in ("a", "b"):
                write(tmp_path / name / "2")
            polling = asyncio.create_task(models.poll())
            while models.available()["b"].number != 2:
                assert not polling.done()
                await asyncio.sleep(0.01)
        await polling

    asyncio.run(asyncio.wait_for(run(), 10))
