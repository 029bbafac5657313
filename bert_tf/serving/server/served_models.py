"""Models by name, each in its newest version: found, loaded, replaced, drained."""

import contextlib
import dataclasses
import enum
import posixpath
import threading
from collections.abc import Callable, Collection, Iterator, Mapping

from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.versions import versions


class State(enum.IntEnum):
    """State of a version, with the numbers of TF Serving's ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass
class ServedVersion:
    """A version of a model.

    Attributes:
        name: of the model.
        number: of the version.
        state: of the version.
        error: why it could not be loaded; "" if it could.
        model: while it is available or unloading.
        in_flight: requests that it is answering.
    """

    name: str
    number: int
    state: State = State.START
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
        say: Callable[[str], None] = print,
        load: Callable[[str], LoadedSavedModel] = LoadedSavedModel,
    ) -> None:
        self._base_paths = dict(base_paths)
        self._say, self._load = say, load
        self._versions: dict[str, dict[int, ServedVersion]] = {
            name: {} for name in base_paths
        }
        self._changed = threading.Condition()
        self._stopped = threading.Event()

    def poll(self) -> None:
        """Looks once for new versions, and loads and unloads what is due."""
        for name, base in self._base_paths.items():
            try:
                newest = max(versions(base), default=None)
            except Exception as error:  # whatever a file system may raise
                self._say(f"{name}: cannot look into {base}: {error}")
                continue
            if newest is not None and newest not in self._versions[name]:
                self._publish(ServedVersion(name, newest, State.LOADING))

    def watch(self, every_seconds: float) -> None:
        """Polls until `stop`."""
        while not self._stopped.wait(every_seconds):
            self.poll()

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopped.set()

    def _publish(self, version: ServedVersion) -> None:
        name, number = version.name, version.number
        with self._changed:
            self._versions[name][number] = version
        try:
            model = self._load(posixpath.join(self._base_paths[name], str(number)))
        except Exception as error:  # a broken version must not end the server
            text = " ".join(str(error).split())[:300]
            self._say(f"{name}: version {number} cannot be loaded: {text}")
            with self._changed:
                version.state, version.error = State.END, text
            return
        with self._changed:
            known = self._versions[name].values()
            old = [v for v in known if v.state == State.AVAILABLE]
            version.model, version.state = model, State.AVAILABLE
            for other in old:
                other.state = State.UNLOADING
        self._say(f"{name}: version {number} is served.")
        for other in old:
            self._drain(other)

    def _drain(self, version: ServedVersion) -> None:
        with self._changed:
            self._changed.wait_for(lambda: version.in_flight == 0)
            version.model, version.state = None, State.END
        self._say(f"{version.name}: version {version.number} is unloaded.")

    @contextlib.contextmanager
    def using(
        self, name: str, number: int | None = None
    ) -> Iterator[tuple[ServedVersion, LoadedSavedModel]]:
        """A version that is not unloaded inside the `with`; see `acquire`."""
        version, model = self.acquire(name, number)
        try:
            yield version, model
        finally:
            self.release(version)

    def acquire(
        self, name: str, number: int | None = None
    ) -> tuple[ServedVersion, LoadedSavedModel]:
        """A version that is not unloaded until `release`.

        Args:
            name: of the model.
            number: of the version; None: the newest that is available.

        Raises:
            RequestError: there is no such model or version, or not yet.
        """
        with self._changed:
            version = self._find(name, number, {State.AVAILABLE})[0]
            assert version.model is not None  # noqa: S101  an available one has it
            version.in_flight += 1
            return version, version.model

    def release(self, version: ServedVersion) -> None:
        """Lets an acquired version go."""
        with self._changed:
            version.in_flight -= 1
            self._changed.notify_all()

    def status(self, name: str, number: int | None = None) -> list[ServedVersion]:
        """The versions of a model, the newest first.

        Raises:
            RequestError: there is no such model or version.
        """
        with self._changed:
            return self._find(name, number, set(State))

    def available(self) -> dict[str, ServedVersion]:
        """The version of each model that answers now."""
        with self._changed:
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
