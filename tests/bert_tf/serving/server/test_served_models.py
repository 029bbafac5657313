"""Versions that come and go, with models that are names."""

import asyncio

import pytest

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
