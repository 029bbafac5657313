"""Models by name, each in its newest version: found, loaded, replaced, drained."""

import contextlib
import dataclasses
import enum
import posixpath
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.versions import versions


class State(enum.IntEnum):
    """Of a version; the numbers are those of TF Serving's ModelVersionStatus."""

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
    the old one is let go when it has answered what it was asked. A version that cannot
    be loaded changes nothing.

    Args:
        base_paths: of each model, by its name: a folder with a folder for each version.
        say: is told what happens.
        load: makes a model of the path of a version.
    """

    def __init__(
        self,
        base_paths: Mapping[str, str],
        say: Callable[[str], None] = print,
        load: Callable[[str], LoadedSavedModel] = LoadedSavedModel,
    ) -> None:
        self.base_paths = dict(base_paths)
        self._say, self._load = say, load
        self._versions: dict[str, dict[int, ServedVersion]] = {
            name: {} for name in base_paths
        }
        self._changed = threading.Condition()
        self._stopped = threading.Event()

    def poll(self) -> None:
        """Looks once for new versions, and loads and unloads what is due."""
        for name, base in self.base_paths.items():
            try:
                numbers = versions(base)
            except Exception as error:  # whatever a file system may raise
                self._say(f"{name}: cannot look into {base}: {error}")
                continue
            if numbers and numbers[-1] not in self._versions[name]:
                self._publish(name, numbers[-1], posixpath.join(base, str(numbers[-1])))

    def watch(self, every_seconds: float) -> None:
        """Polls until `stop`."""
        while not self._stopped.wait(every_seconds):
            self.poll()

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopped.set()

    def _publish(self, name: str, number: int, path: str) -> None:
        version = ServedVersion(name, number, State.LOADING)
        with self._changed:
            self._versions[name][number] = version
        try:
            model = self._load(path)
        except Exception as error:  # a broken version must not end the server
            text = " ".join(str(error).split())[:300]
            self._say(f"{name}: version {number} cannot be loaded: {text}")
            with self._changed:
                version.state, version.error = State.END, text
            return
        with self._changed:
            old = [
                v for v in self._versions[name].values() if v.state == State.AVAILABLE
            ]
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
        """A version that is not unloaded inside the `with`.

        Args:
            name: of the model.
            number: of the version; None: the newest that is available.

        Raises:
            RequestError: there is no such model or version, or not yet.
        """
        version, model = self.acquire(name, number)
        try:
            yield version, model
        finally:
            self.release(version)

    def acquire(
        self, name: str, number: int | None = None
    ) -> tuple[ServedVersion, LoadedSavedModel]:
        """As `using`, until `release` is called."""
        with self._changed:
            version = self._available(name, number)
            assert version.model is not None  # noqa: S101  an available one has it
            version.in_flight += 1
            return version, version.model

    def release(self, version: ServedVersion) -> None:
        """An acquired version is not used any more."""
        with self._changed:
            version.in_flight -= 1
            self._changed.notify_all()

    def _available(self, name: str, number: int | None) -> ServedVersion:
        known = self._known(name)
        available = [v for v in known.values() if v.state == State.AVAILABLE]
        chosen = [v for v in available if number in (None, v.number)]
        if chosen:
            return max(chosen, key=lambda version: version.number)
        if number is None and any(v.state == State.LOADING for v in known.values()):
            raise RequestError("UNAVAILABLE", f"The model {name} is being loaded.")
        numbers = [version.number for version in available]
        raise RequestError(
            "NOT_FOUND",
            f"Received version {number or 'any'} of the model {name}. Expected one of "
            f"the versions that are served, {numbers}.",
        )

    def _known(self, name: str) -> dict[int, ServedVersion]:
        if name not in self._versions:
            raise RequestError(
                "NOT_FOUND",
                f"Received the model {name[:100]!r}. Expected one of "
                f"{sorted(self._versions)}.",
            )
        return self._versions[name]

    def status(self, name: str, number: int | None = None) -> list[ServedVersion]:
        """The versions of a model, the newest first.

        Raises:
            RequestError: there is no such model or version.
        """
        with self._changed:
            known = self._known(name)
            chosen = [v for v in known.values() if number in (None, v.number)]
        if not chosen:
            raise RequestError(
                "NOT_FOUND",
                f"Received version {number or 'any'} of the model {name}. Expected one "
                f"of {sorted(known)}.",
            )
        return sorted(chosen, key=lambda version: -version.number)

    def available(self) -> dict[str, ServedVersion]:
        """The version of each model that answers now."""
        found: dict[str, Any] = {}
        with self._changed:
            for name, known in self._versions.items():
                for version in known.values():
                    if version.state == State.AVAILABLE:
                        found[name] = version
        return found
