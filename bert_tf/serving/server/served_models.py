"""Served models, each in its newest version: found, loaded, replaced, drained."""

import asyncio
import contextlib
import dataclasses
import enum
import gc
import time
from collections.abc import Callable, Collection, Iterator, Mapping

from bert_tf.serving.server.errors import RequestError
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.versions import Files, files_of, version_folders

# The interval between checks whether an old version has answered all its requests.
_DRAIN_SECONDS = 0.02
# TF Serving's number of retries for a version that fails to load, and their interval.
_MAX_RETRIES = 5
_RETRY_SECONDS = 60.0


class State(enum.IntEnum):
    """The state of a version, with the values of TF Serving's ModelVersionStatus."""

    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class Attempt:
    """An attempt to load a version.

    Attributes:
        files: the files of the version when the attempt began.
        error: why it failed; "" while it has not.
        retries: the number of earlier failed attempts with the same files.
        time: its end, in seconds of a monotonic clock.
    """

    files: Files
    error: str = ""
    retries: int = 0
    time: float = 0.0


@dataclasses.dataclass
class ServedVersion:
    """A version of a model.

    Attributes:
        attempt: the last attempt to load it. An available version has a failed one if
            its files were replaced by files that cannot be loaded.
        model: the model, while it is available or unloading.
        in_flight: the number of requests that it is answering.
    """

    name: str
    number: int
    attempt: Attempt
    state: State = State.LOADING
    model: LoadedSavedModel | None = None
    in_flight: int = 0

    @property
    def error(self) -> str:
        """The reason why its files cannot be loaded; "" if they can."""
        return self.attempt.error

    def is_due(self, files: Files, is_settled: bool) -> bool:
        """True if it should be loaded, or loaded again.

        Args:
            files: its current files.
            is_settled: whether the files were the same at the last poll.
        """
        if self.state == State.END and not self.error:
            return True
        attempt = self.attempt
        if files != attempt.files:
            return is_settled
        is_retried = bool(attempt.error) and attempt.retries < _MAX_RETRIES
        return is_retried and time.monotonic() >= attempt.time + _RETRY_SECONDS


@dataclasses.dataclass
class _Folder:
    """The contents of a base path at the last poll.

    Attributes:
        files: the files of each version, by number.
        problem: the last problem that was printed; "" if there is none.
    """

    base: str
    files: dict[int, Files] = dataclasses.field(default_factory=dict)
    problem: str = ""


class ServedModels:
    """The models of a server.

    A new version is loaded beside the old one and replaces it when it is ready; the old
    one is unloaded when it has answered its requests. An available version whose files
    were replaced is reloaded in the same way. A version that cannot be loaded changes
    nothing: it is loaded again after its files have changed and settled, and retried a
    few times if they have not, since the cause may lie elsewhere. If the folder of a
    version is removed, the next lower version replaces it or, as in TF Serving, none if
    there is none. If the base path itself is missing, nothing is unloaded.

    Args:
        base_paths: a folder for each model, by name, with a folder for each version.
        report: prints events.
        load: loads a model from the path of a version.
    """

    def __init__(
        self,
        base_paths: Mapping[str, str],
        report: Callable[[str], None],
        load: Callable[[str], LoadedSavedModel],
    ) -> None:
        self._folders = {name: _Folder(base) for name, base in base_paths.items()}
        self._report, self._load = report, load
        # Loading two at once would need more memory without being faster.
        self._loading = asyncio.Lock()
        self._versions: dict[str, dict[int, ServedVersion]]
        self._versions = {name: {} for name in base_paths}

    async def poll(self) -> None:
        """Checks once for new, changed and removed versions.

        Returns when the versions that were replaced have answered their requests.
        """
        await asyncio.gather(*map(self._poll, self._folders))

    async def watch(self, every_seconds: float) -> None:
        """Polls until it is cancelled, each model independently."""

        async def watch_one(name: str) -> None:
            while True:
                await asyncio.sleep(every_seconds)
                await self._poll(name)

        await asyncio.gather(*map(watch_one, self._folders))

    async def _poll(self, name: str) -> None:
        folder = self._folders[name]
        old, problem = None, ""
        try:
            old = await self._update(name, folder)
            if old is None and not folder.files and name not in self.available():
                problem = (
                    f"{folder.base} has no folder whose name is a number. Expected "
                    f"{folder.base}/1, as bert_tf.export writes it."
                )
        except Exception as error:  # whatever a file system may raise
            problem = f"cannot read {folder.base}: {error}"
        if problem not in ("", folder.problem):
            self._report(f"{name}: {problem}")
        folder.problem = problem
        if old is not None:
            while old.in_flight:
                await asyncio.sleep(_DRAIN_SECONDS)
            old.model, old.state = None, State.END
            # Graphs have reference cycles, which would hold their memory for long.
            await asyncio.to_thread(gc.collect)
            if self._versions[name][old.number] is old:
                self._report(f"{name}: version {old.number} is unloaded.")

    async def _update(self, name: str, folder: _Folder) -> ServedVersion | None:
        """Serves the newest version that can be loaded.

        Returns:
            The version that is no longer served, if there is one.
        """
        paths = await asyncio.to_thread(version_folders, folder.base)
        before, folder.files = folder.files, {}
        current = self.available().get(name)
        if current is not None and current.number not in paths:
            if current.number in before:
                return None  # It may be in the process of being replaced.
            if not paths:
                current.state = State.UNLOADING
                return current
        for number in sorted(paths, reverse=True):
            files = await asyncio.to_thread(files_of, paths[number])
            folder.files[number] = files
            known = self._versions[name].get(number)
            is_due = known is None or known.is_due(files, files == before.get(number))
            if is_due and await self._serve(name, number, paths[number], files):
                return current
            if current is not None and current.number == number:
                break
        return None

    async def _serve(self, name: str, number: int, path: str, files: Files) -> bool:
        """Loads a version and replaces the available one; returns False on failure."""
        known, current = self._versions[name].get(number), self.available().get(name)
        is_replaced = known is not None and known is current
        new = ServedVersion(name, number, Attempt(files))
        if not is_replaced:
            self._versions[name][number] = new
        try:
            async with self._loading:
                new.model = await asyncio.to_thread(self._load, path)
        except Exception as error:  # a corrupt version must not stop the server
            message = " ".join(str(error).split())[:300]
            if known is None or message != known.error:
                self._report(f"{name}: version {number} cannot be loaded: {message}")
            is_same = known is not None and files == known.attempt.files
            retries = known.attempt.retries + 1 if known is not None and is_same else 0
            attempt = Attempt(files, message, retries, time.monotonic())
            new.attempt, new.state = attempt, State.END
            if current is not None and is_replaced:
                current.attempt = attempt
            return False
        # There is no await here: a request finds exactly one available version.
        self._versions[name][number] = new
        new.state = State.AVAILABLE
        if current is not None:
            current.state = State.UNLOADING
        ending = ", from other files." if is_replaced else "."
        self._report(f"{name}: version {number} is served{ending}")
        return True

    @contextlib.contextmanager
    def using(
        self, name: str, number: int | None = None
    ) -> Iterator[tuple[ServedVersion, LoadedSavedModel]]:
        """Finds a version, which is not unloaded inside the `with`.

        Args:
            name: the name of the model.
            number: the version; None: the newest that is available.

        Raises:
            RequestError: there is no such model or version, or it is still loading.
        """
        version = self._find(name, number, {State.AVAILABLE})[0]
        assert version.model is not None  # noqa: S101  true for available versions
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
        """The version of each model that answers requests."""
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
            f"Received version {'any' if number is None else number} of the model "
            f"{name}. Expected one of the versions that are served, {list(served)}.",
        )
