"""Stress test of the development server: lost requests, and effects on honest clients.

    python -m benchmarks.serving_strain --minutes=60

A tiny classifier is served by a separate process. Honest REST and gRPC clients send
requests all the time, each at most 50 per second, while other clients send headers and
bodies at a byte per second, do not read responses, hang up, or send bursts that exceed
the queue; and while new versions arrive every two seconds, as well as broken and
half-copied ones and removals. Finally only honest clients run for `--minutes`, and the
slope of the server's memory, which should not grow, is printed. A request is lost if
there is no response in time, or none with status 200, or 429 or 503 with a message;
then, or if a connection stays open, the exit code is 1. Server and clients share the
cores of this machine.
"""

import asyncio
import contextlib
import dataclasses
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf

from benchmarks import strain_phases as phases
from benchmarks.machine import processor
from benchmarks.strain_clients import MODEL, Server, honest
from benchmarks.strain_phases import MIB, Strain, counts_text
from bert_tf.checkpoints import model_dir
from bert_tf.models.config import BertConfig
from bert_tf.serving import saved_model
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

_LISTENING = r"http://(\S+):(\d+) .* \S+:(\d+) \(gRPC\)"
_WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "to", "home")
_FLAGS = (
    "--rest_api_port=0",
    "--port=0",
    "--request_timeout_seconds=5",
    "--max_connections=256",
    "--max_queued_requests=64",
)
# Time limit of clients: a little more than twice that of the server.
_PATIENCE_SECONDS = 15.0


@dataclasses.dataclass(frozen=True)
class StrainOptions:
    """Options of the benchmark."""

    minutes: float = cli.option(60.0, "Duration of the last phase in minutes.")
    seconds: float = cli.option(
        20.0, "Duration in seconds of the other phases without a natural end."
    )
    num_clients: int = cli.option(
        8, "Number of honest clients, alternately REST and gRPC."
    )
    num_slow: int = cli.option(
        60, "Number of slow clients of each kind: headers, bodies, responses."
    )
    burst: int = cli.option(600, "Concurrent requests of a burst, per API.")
    num_exchanges: int = cli.option(30, "Number of new versions.")


def main(options: StrainOptions) -> int:
    """Prints a row for each phase; returns 1 if anything was lost."""
    # Every connection of a burst needs a file descriptor in client and server.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}; {options.num_clients} honest clients\n\n"
        "| phase | answers | p50 | p99 | longest | refused | lost | strain | memory "
        "| files | threads |\n|---|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        base = _exported(Path(folder))
        with _running(base) as (server, process):
            strain = Strain(base, server, process, options.seconds)
            print(f"| at the start | | | | | | | | {_held(process)} |", flush=True)
            for name, phase in _phases(strain, options).items():
                asyncio.run(_row(strain, name, phase, options.num_clients))
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                strain.faults.append("the server died")
    print("\n".join(["", *strain.faults]) if strain.faults else "\nNothing was lost.")
    return 1 if strain.faults else 0


def _exported(folder: Path) -> Path:
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *_WORDS))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    description = model_dir.Description(
        "classification",
        head={"num_outputs": 2},
        encoding={"max_length": 64, "labels": ["negative", "positive"]},
    )
    keras.utils.set_random_seed(0)
    model = model_dir.make_model(config, description)
    model_dir.save(str(folder / "model"), model, vocabulary, description, {})
    saved = str(folder / "saved")
    return Path(
        saved_model.export(str(folder / "model"), MODEL, saved_models_dir=saved)
    ).parent


@contextlib.contextmanager
def _running(base: Path) -> Iterator[tuple[Server, psutil.Process]]:
    command = [sys.executable, "-u", "-m", "bert_tf.serve", f"--model_base_path={base}"]
    log = base.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *_FLAGS], stdout=output, stderr=output)
    try:
        while process.poll() is None:
            found = re.search(
                r"http://(\S+):(\d+) .* \S+:(\d+) \(gRPC\)", log.read_text()
            )
            if found:
                ports = int(found[2]), int(found[3])
                server = Server(found[1], *ports, patience=_PATIENCE_SECONDS)
                yield server, psutil.Process(process.pid)
                return
            time.sleep(0.1)
        raise ValueError(f"The server exited: {log.read_text()[-500:]}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _phases(
    strain: Strain, options: StrainOptions
) -> dict[str, Callable[[], Awaitable[str]]]:
    return {
        "nothing else": lambda: phases.nothing_else(strain),
        "slow clients": lambda: phases.slow(strain, options.num_slow),
        "clients that hang up": lambda: phases.disconnects(strain),
        "bursts": lambda: phases.bursts(strain, options.burst),
        "new versions": lambda: phases.exchanges(strain, options.num_exchanges),
        "broken versions": lambda: phases.broken(strain),
        "both APIs for long": lambda: phases.honest_alone(strain, options.minutes),
    }


async def _row(
    strain: Strain, name: str, phase: Callable[[], Awaitable[str]], num_clients: int
) -> None:
    async with honest(strain.server, num_clients) as tally:
        words = await phase()
    # The server must notice clients that are gone.
    await strain.until("all connections are closed", lambda: _is_idle(strain))
    times = np.array(tally.seconds or [np.nan]) * 1e3
    refused, lost = counts_text(tally.refused), counts_text(tally.lost)
    if tally.lost:
        strain.faults.append(f"{name}: honest clients received {lost}")
    p50, p99 = np.percentile(times, [50, 99])
    print(
        f"| {name} | {len(tally.seconds):,} | {p50:.0f} ms | {p99:.0f} ms | "
        f"{times.max():,.0f} ms | {refused or 0} | {lost or 0} | {words} | "
        f"{_held(strain.process)} |",
        flush=True,
    )


def _held(process: psutil.Process) -> str:
    memory = process.memory_info().rss / MIB
    return f"{memory:,.0f} MiB | {process.num_fds()} | {process.num_threads()}"


def _is_idle(strain: Strain) -> bool:
    """Returns True if the server has no open connections."""
    ports = (strain.server.rest_port, strain.server.grpc_port)
    ended = (psutil.CONN_LISTEN, psutil.CONN_NONE)
    connections = strain.process.net_connections("tcp")
    return not [
        c for c in connections if c.laddr.port in ports and c.status not in ended
    ]


if __name__ == "__main__":
    cli.run(StrainOptions, main, __doc__)
