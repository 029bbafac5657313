"""Models by name, each in its newest version: found, loaded, replaced, drained."""

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

# Between two checks whether an old version has answered all of its requests.
_DRAIN_SECONDS = 0.02
# A version that fails is loaded again as often as TF Serving does, and as late.
_MAX_RETRIES = 5
_RETRY_SECONDS = 60.0


class State(enum.IntEnum):
    """State of a version, with the numbers of TF Serving's ModelVersionStatus."""

    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class Attempt:
    """An attempt to load a version.

    Attributes:
        files: of the version before it.
        error: why it failed; "" while it has not.
        retries: that failed before with the same files.
        time: of its end, in seconds of a monotonic clock.
    """

    files: Files
    error: str = ""
    retries: int = 0
    time: float = 0.0


@dataclasses.dataclass
class ServedVersion:
    """A version of a model.

    Attributes:
        attempt: the last one. That of an available version has failed where its files
            were replaced by some that cannot be loaded.
        model: while it is available or unloading.
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
        """True if it is to be loaded, or loaded again.

        Args:
            files: that it has now.
            is_settled: whether it had the same when they were last looked at.
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
    """A base path as it was when it was last looked into.

    Attributes:
        files: of versions, by number.
        trouble: that was said: why there was nothing to see; "" if there was.
    """

    base: str
    files: dict[int, Files] = dataclasses.field(default_factory=dict)
    trouble: str = ""


class ServedModels:
    """The models of a server.

    A new version is loaded beside the old one, and takes its place when it is ready;
    the old one is let go when it has answered its requests. So is an available version
    whose files were replaced. A version that cannot be loaded changes nothing: it is
    loaded again when its files have changed and change no more, and a few times later
    if they have not, for the fault may lie elsewhere. One whose folder was removed
    gives way to the next lower one or, as in TF Serving, to none if there is none. A
    base path that is not there removes nothing.

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
        self._folders = {name: _Folder(base) for name, base in base_paths.items()}
        self._say, self._load = say, load
        # Two at once would need more memory, and are not faster.
        self._loading = asyncio.Lock()
        self._versions: dict[str, dict[int, ServedVersion]]
        self._versions = {name: {} for name in base_paths}

    async def poll(self) -> None:
        """Looks once for versions that came, changed or went.

        Ends when those that were replaced have answered their requests.
        """
        await asyncio.gather(*map(self._poll, self._folders))

    async def watch(self, every_seconds: float) -> None:
        """Polls until it is cancelled; no model waits for another."""

        async def watch_one(name: str) -> None:
            while True:
                await asyncio.sleep(every_seconds)
                await self._poll(name)

        await asyncio.gather(*map(watch_one, self._folders))

    async def _poll(self, name: str) -> None:
        folder = self._folders[name]
        old, trouble = None, ""
        try:
            old = await self._update(name, folder)
            if old is None and not folder.files and name not in self.available():
                trouble = (
                    f"no folder in {folder.base} has a number for a name. Expected "
                    f"{folder.base}/1, as bert_tf.export writes it."
                )
        except Exception as error:  # whatever a file system may raise
            trouble = f"cannot look into {folder.base}: {error}"
        if trouble not in ("", folder.trouble):
            self._say(f"{name}: {trouble}")
        folder.trouble = trouble
        if old is not None:
            while old.in_flight:
                await asyncio.sleep(_DRAIN_SECONDS)
            old.model, old.state = None, State.END
            # A graph is full of circles: else its memory would be held for long.
            await asyncio.to_thread(gc.collect)
            if self._versions[name][old.number] is old:
                self._say(f"{name}: version {old.number} is unloaded.")

    async def _update(self, name: str, folder: _Folder) -> ServedVersion | None:
        """Serves the newest version that can be loaded.

        Returns:
            The one that is no longer served, if there is one.
        """
        paths = await asyncio.to_thread(version_folders, folder.base)
        before, folder.files = folder.files, {}
        current = self.available().get(name)
        if current is not None and current.number not in paths:
            if current.number in before:
                return None  # In a moment it may be there again, written anew.
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
        """Loads a version in the place of the one that is available, if it can be."""
        known, current = self._versions[name].get(number), self.available().get(name)
        is_replaced = known is not None and known is current
        new = ServedVersion(name, number, Attempt(files))
        if not is_replaced:
            self._versions[name][number] = new
        try:
            async with self._loading:
                new.model = await asyncio.to_thread(self._load, path)
        except Exception as error:  # a broken version must not end the server
            message = " ".join(str(error).split())[:300]
            if known is None or message != known.error:
                self._say(f"{name}: version {number} cannot be loaded: {message}")
            is_same = known is not None and files == known.attempt.files
            retries = known.attempt.retries + 1 if known is not None and is_same else 0
            attempt = Attempt(files, message, retries, time.monotonic())
            new.attempt, new.state = attempt, State.END
            if current is not None and is_replaced:
                current.attempt = attempt
            return False
        # No request finds both, or none.
        self._versions[name][number] = new
        new.state = State.AVAILABLE
        if current is not None:
            current.state = State.UNLOADING
        ending = ", from other files." if is_replaced else "."
        self._say(f"{name}: version {number} is served{ending}")
        return True

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
            f"Received version {'any' if number is None else number} of the model "
            f"{name}. Expected one of the versions that are served, {list(served)}.",
        )
