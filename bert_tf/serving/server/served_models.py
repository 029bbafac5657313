"""Models by name, each in its newest version: found, loaded, replaced, drained."""

import asyncio
import contextlib
import dataclasses
import enum
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping

from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.versions import versions

# Between two checks whether an old version has answered all of its requests.
_DRAIN_SECONDS = 0.02


class State(enum.IntEnum):
    """State of a version, with the numbers of TF Serving's ModelVersionStatus."""

    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass
class ServedVersion:
    """A version of a model.

    Attributes:
        error: why it could not be loaded; "" if it could.
        model: while it is available or unloading.
        in_flight: the number of requests that it is answering.
    """

    name: str
    number: int
    state: State = State.LOADING
    error: str = ""
    model: LoadedSavedModel | None = None
    in_flight: int = 0


class ServedModels:
    """The models of a server.

    A new version is loaded beside the old one, and takes its place when it is ready;
    the old one is let go when it has answered its requests. A version that cannot be
    loaded changes nothing.

    Args:
        base_paths: of each model, by its name: a folder with a folder for each version.
        say: prints what happens.
        load: makes a model of the path of a version.
    """

    def __init__(
        self,
        base_paths: Mapping[str, str],
        say: Callable[[str], None],
        load: Callable[[str], LoadedSavedModel],
    ) -> None:
        self._base_paths = dict(base_paths)
        self._say, self._load = say, load
        self._versions: dict[str, dict[int, ServedVersion]]
        self._versions = {name: {} for name in base_paths}

    async def poll(self) -> None:
        """Looks once for new versions, and loads and unloads what is due."""
        for name, base in self._base_paths.items():
            try:
                found = await asyncio.to_thread(versions, base)
            except Exception as error:  # whatever a file system may raise
                self._say(f"{name}: cannot look into {base}: {error}")
                continue
            if found and found[-1] not in self._versions[name]:
                await self._publish(ServedVersion(name, found[-1]))

    async def watch(self, every_seconds: float) -> None:
        """Polls until it is cancelled."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.poll()

    async def _publish(self, version: ServedVersion) -> None:
        name, number = version.name, version.number
        known = self._versions[name]
        known[number] = version
        path = posixpath.join(self._base_paths[name], str(number))
        try:
            version.model = await asyncio.to_thread(self._load, path)
        except Exception as error:  # a broken version must not end the server
            version.error = " ".join(str(error).split())[:300]
            version.state = State.END
            self._say(f"{name}: version {number} cannot be loaded: {version.error}")
            return
        old = self.available().get(name)
        version.state = State.AVAILABLE
        self._say(f"{name}: version {number} is served.")
        if old is not None:
            old.state = State.UNLOADING
            while old.in_flight:
                await asyncio.sleep(_DRAIN_SECONDS)
            old.model, old.state = None, State.END
            self._say(f"{name}: version {old.number} is unloaded.")

    @contextlib.contextmanager
    def using(
        self, name: str, number: int | None = None
    ) -> Iterator[tuple[ServedVersion, LoadedSavedModel]]:
        """A version that is not unloaded inside the `with`.

        Args:
            name: of the model.
            number: of the version; None: the newest that is available.

        Raises:
            RequestError: there is no such model or version, or not yet.
        """
        version = self._find(name, number, {State.AVAILABLE})[0]
        assert version.model is not None  # noqa: S101  an available one has it
        version.in_flight += 1
        try:
            yield version, version.model
        finally:
            version.in_flight -= 1

    def status(self, name: str, number: int | None = None) -> list[ServedVersion]:
        """The versions of a model, the newest first.

        Raises:
            RequestError: there is no such model or version.
        """
        return self._find(name, number, set(State))

    def available(self) -> dict[str, ServedVersion]:
        """The version of each model that answers now."""
        return {
            name: version
            for name, known in self._versions.items()
            for version in known.values()
            if version.state == State.AVAILABLE
        }

    def _find(
        self, name: str, number: int | None, states: Collection[State]
    ) -> list[ServedVersion]:
        if name not in self._versions:
            raise RequestError(
                "NOT_FOUND",
                f"Received the model {name[:100]!r}. Expected one of "
                f"{sorted(self._versions)}.",
            )
        known = self._versions[name].values()
        served = {v.number: v for v in known if v.state in states}
        found = [v for n, v in sorted(served.items()) if number in (None, n)]
        if found:
            return found[::-1]
        if number is None and any(v.state == State.LOADING for v in known):
            raise RequestError("UNAVAILABLE", f"The model {name} is being loaded.")
        raise RequestError(
            "NOT_FOUND",
            f"Received version {number or 'any'} of the model {name}. Expected one of "
            f"the versions that are served, {list(served)}.",
        )
