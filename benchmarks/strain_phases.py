"""Phases of `benchmarks.serving_strain`; each returns a summary line."""

import asyncio
import collections
import dataclasses
import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks.strain_clients import (
    MODEL,
    RestClient,
    Server,
    Tally,
    ask_grpc,
    cancel,
    deaf,
    hang_up,
    slow_writer,
)
from bert_tf.serving.client import RestClient as StatusClient

# Time limit for loading a version, or closing connections.
_WAIT_SECONDS = 60.0
MIB = 2**20
# Maximum growth of memory in MiB from the first third of the new versions to the last:
# less than one version needs.
_MOST_GROWTH = 64


@dataclasses.dataclass
class Strain:
    """State of the stress test.

    Attributes:
        base: folder of the model versions.
        server: address of the server.
        process: process of the server.
        seconds: duration of a phase without a natural end.
        faults: problems found.
    """

    base: Path
    server: Server
    process: psutil.Process
    seconds: float
    faults: list[str] = dataclasses.field(default_factory=list)

    async def until(self, what: str, holds: Callable[[], bool]) -> bool:
        """Waits for a condition; records a problem if it takes too long."""
        end = time.monotonic() + _WAIT_SECONDS
        while not await asyncio.to_thread(holds):
            if time.monotonic() > end:
                self.faults.append(f"not within {_WAIT_SECONDS:g} s: {what}")
                return False
            await asyncio.sleep(0.05)
        return True

    async def until_served(self, number: int) -> bool:
        """Waits until a version is available."""
        return await self.until(
            f"version {number} is served",
            lambda: self.states().get(number) == "AVAILABLE",
        )

    def states(self) -> dict[int, str]:
        """Returns the states of the versions."""
        url = f"http://{self.server.host}:{self.server.rest_port}"
        try:
            return StatusClient(url, MODEL).status()
        except (RuntimeError, OSError):
            return {}


def counts_text(counter: collections.Counter) -> str:
    """Formats counts for a message."""
    return ", ".join(f"{count:,} × {what}" for what, count in sorted(counter.items()))


async def nothing_else(strain: Strain) -> str:
    """Waits, with honest clients only."""
    await asyncio.sleep(strain.seconds)
    return ""


async def slow(strain: Strain, count: int) -> str:
    """Runs `count` slow clients of each of three kinds."""
    server = strain.server
    begin = time.monotonic()
    waiting = {
        "slow heads": (slow_writer(server, has_head=False) for _ in range(count)),
        "slow bodies": (slow_writer(server, has_head=True) for _ in range(count)),
        "deaf readers": (deaf(server) for _ in range(count)),
    }
    found = await asyncio.gather(*(asyncio.gather(*c) for c in waiting.values()))
    words = []
    for kind, ended in zip(waiting, found, strict=True):
        words.append(f"{ended.count(True)} of {count} {kind}")
        if held := ended.count(False):
            strain.faults.append(f"slow clients: {held} {kind} are held")
    seconds = time.monotonic() - begin
    return f"{', '.join(words)} ended by the server within {seconds:.0f} s"


async def disconnects(strain: Strain) -> str:
    """Runs sixteen clients that do not wait for their responses."""
    end = time.monotonic() + strain.seconds
    counts = collections.Counter()

    async def by_rest() -> None:
        while time.monotonic() < end:
            await hang_up(strain.server)
            counts["connections"] += 1

    async def by_grpc() -> None:
        async with strain.server.calls() as call:
            while time.monotonic() < end:
                await cancel(call())
                counts["calls"] += 1

    await asyncio.gather(*(f() for f in (by_rest, by_grpc) for _ in range(8)))
    return f"{counts['connections']:,} connections and {counts['calls']:,} calls ended"


async def bursts(strain: Strain, count: int) -> str:
    """Sends bursts of `count` concurrent REST and gRPC requests each."""
    tally = Tally()
    end = time.monotonic() + strain.seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        async with strain.server.calls() as call:
            clients = [RestClient(strain.server) for _ in range(count)]
            asked = itertools.chain(
                (client.ask() for client in clients),
                (ask_grpc(call()) for _ in range(count)),
            )
            patience = strain.server.patience
            await asyncio.gather(*(tally.count(a, patience) for a in asked))
            for client in clients:
                client.close()
    if tally.lost:
        strain.faults.append(f"bursts: {counts_text(tally.lost)} instead of a refusal")
    answered = f"{len(tally.seconds):,} answered, refused {counts_text(tally.refused)}"
    return f"{number} × {2 * count:,}: {answered}, lost {counts_text(tally.lost) or 0}"


async def exchanges(strain: Strain, count: int) -> str:
    """Publishes `count` new versions, one every two seconds or more."""
    begin, memory = time.monotonic(), []
    for _ in range(count):
        newest = max(_numbers(strain.base))
        await asyncio.to_thread(_publish, strain.base, newest, newest + 1)
        if not await strain.until_served(newest + 1):
            break
        for number in _numbers(strain.base)[:-2]:
            shutil.rmtree(strain.base / str(number))
        memory.append(strain.process.memory_info().rss / MIB)
        await asyncio.sleep(max(0.0, 2.0 - (time.monotonic() - begin) % 2.0))
    seconds = (time.monotonic() - begin) / max(1, len(memory))
    third = max(1, len(memory) // 3)
    first, last = (np.median(part) for part in (memory[:third], memory[-third:]))
    if last > first + _MOST_GROWTH:
        strain.faults.append("new versions: the memory of old ones is held")
    return (
        f"{len(memory)} new versions, one every {seconds:.1f} s; {first:,.0f} MiB "
        f"during the first third, {last:,.0f} MiB during the last"
    )


async def broken(strain: Strain) -> str:
    """Publishes versions that are incomplete, broken, or removed again."""
    base, newest = strain.base, max(_numbers(strain.base))
    good, half = base / str(newest), base / str(newest + 1)
    # Copied file by file, the graph first.
    half.mkdir()
    shutil.copy(good / "saved_model.pb", half)
    await strain.until("it has failed", lambda: _has_ended(strain, newest + 1))
    shutil.copytree(good, half, dirs_exist_ok=True)
    await strain.until_served(newest + 1)
    _publish(base, newest, newest + 2, is_whole=False)
    await strain.until("it has failed", lambda: _has_ended(strain, newest + 2))
    shutil.rmtree(base / str(newest + 2))
    shutil.rmtree(half)
    await strain.until_served(newest)
    return "half-copied, then whole: served; broken: not; removed: the one before"


async def honest_alone(strain: Strain, minutes: float) -> str:
    """Waits with honest clients only, and measures the memory of the server."""
    samples = []
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < minutes * 60:
        samples.append((passed / 3600, strain.process.memory_info().rss / MIB))
        await asyncio.sleep(min(5.0, minutes * 6))
    # The first tenth is warm-up.
    hours, memory = np.array(samples)[len(samples) // 10 :].T
    slope = np.polyfit(hours, memory, 1)[0] if len(hours) > 1 else np.nan
    return (
        f"{minutes:g} minutes; {samples[0][1]:,.0f} MiB, after warm-up "
        f"{memory[0]:,.0f} MiB, at the end {memory[-1]:,.0f} MiB: {slope:+.1f} MiB per "
        "hour"
    )


def _numbers(base: Path) -> list[int]:
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdigit())


def _publish(base: Path, source: int, number: int, *, is_whole: bool = True) -> None:
    """Copies a version to a new one, which appears atomically."""
    copy = shutil.copytree(base / str(source), base / "copy")
    if not is_whole:
        (copy / "saved_model.pb").write_bytes(b"broken")
    copy.rename(base / str(number))


def _has_ended(strain: Strain, number: int) -> bool:
    return strain.states().get(number) == "END"
