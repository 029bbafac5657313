"""The development server under strain: what is lost, and what honest clients notice.

    python -m benchmarks.serving_strain --minutes=60

A tiny classifier is served by a process of its own. Honest clients of REST and gRPC ask
it all the time, 50 times a second at most each, while others send heads and bodies a
byte a second, read no answers, hang up, or come in bursts beyond the queue; while new
versions come every two seconds, and broken ones, half-copied ones and removals. At the
end, honest clients alone ask for `--minutes`, and the memory of the server, which
should stay, is told by its slope. A request is lost if there was no answer in time, or
none of 200, 429, 503 with words; then, or if a connection is held open, the exit code
is 1. Everything shares the cores of this machine, clients too.
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
from benchmarks.strain_phases import MIB, Strain, told
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
# After which nobody need wait any longer: twice the server's limit, and a little.
_PATIENCE_SECONDS = 15.0


@dataclasses.dataclass(frozen=True)
class StrainOptions:
    """Options of the benchmark."""

    minutes: float = cli.option(60.0, "Of the last phase.")
    seconds: float = cli.option(20.0, "Of each other phase that has no end of its own.")
    num_clients: int = cli.option(8, "Honest ones, of REST and gRPC by turns.")
    num_slow: int = cli.option(60, "Slow heads, slow bodies and deaf readers, each.")
    burst: int = cli.option(600, "Requests at once, of REST and gRPC each.")
    num_exchanges: int = cli.option(30, "New versions.")


def main(options: StrainOptions) -> int:
    """Prints a row for each phase; 1 if anything was lost."""
    # A file for each of the connections of a burst, here and there.
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
                strain.faults.append("the server has died")
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
        raise ValueError(f"The server has ended: {log.read_text()[-500:]}")
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
    # Clients that are gone are known to be.
    await strain.until("all connections are closed", lambda: _is_idle(strain))
    times = np.array(tally.seconds or [np.nan]) * 1e3
    refused, lost = told(tally.refused), told(tally.lost)
    if tally.lost:
        strain.faults.append(f"{name}: honest clients were told {lost}")
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
    """True if the server has no connections."""
    ports = (strain.server.rest_port, strain.server.grpc_port)
    ended = (psutil.CONN_LISTEN, psutil.CONN_NONE)
    connections = strain.process.net_connections("tcp")
    return not [
        c for c in connections if c.laddr.port in ports and c.status not in ended
    ]


if __name__ == "__main__":
    cli.run(StrainOptions, main, __doc__)
