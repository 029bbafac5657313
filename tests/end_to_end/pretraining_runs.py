"""Runs of pre-training that several tests make: options, commands, what they leave."""

import dataclasses
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from bert_tf.checkpoints import model_dir
from bert_tf.pretrain import PretrainOptions
from bert_tf.training.run_log import read_metrics

VOCAB_SIZE = 100
ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Prepared:
    text: str
    vocab_file: str
    records_dir: str
    config_file: str


def options(prepared: Prepared, output_dir: pathlib.Path, **changes) -> PretrainOptions:
    values = {
        "output_dir": str(output_dir),
        "records_dir": prepared.records_dir,
        "vocab_file": prepared.vocab_file,
        "config_file": prepared.config_file,
        "sequence_length": 32,
        "batch_size": 8,
        "num_train_steps": 20,
        "num_warmup_steps": 2,
        "learning_rate": 1e-3,
        "eval_every": 10,
        "num_eval_batches": 2,
        "checkpoint_every": 5,
        "log_every": 1,
        # Compiling takes longer than such a run.
        "jit_compile": "off",
    }
    return PretrainOptions(**(values | changes))


def command(options: Any, verb: str = "pretrain") -> list[str]:
    """The program with these options."""
    flags = []
    for name, value in dataclasses.asdict(options).items():
        if isinstance(value, (tuple, list)):
            value = ",".join(value)
        if value not in (None, ""):
            flags.append(f"--{name}={value}")
    return [sys.executable, "-m", f"bert_tf.{verb}", *flags]


def weights(output_dir: pathlib.Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(output_dir / model_dir.WEIGHTS)


def assert_same_weights(one: pathlib.Path, other: pathlib.Path, atol: float = 0.0):
    expected, found = weights(one), weights(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=atol, err_msg=name)


def curve(output_dir: pathlib.Path) -> list[tuple]:
    """The metrics that do not depend on the clock."""
    clocks = ("time", "tokens_per_second", "matmul_share")
    return [
        tuple(sorted((k, v) for k, v in record.items() if k not in clocks))
        for record in read_metrics(str(output_dir / "metrics.jsonl"))
    ]


def finish(
    program: list[str], returncode: int = 0, **arguments: Any
) -> subprocess.CompletedProcess:
    """Runs the program to its end, which is to be this one."""
    done = subprocess.run(
        program, cwd=ROOT, capture_output=True, text=True, **arguments
    )
    assert done.returncode == returncode, done.stderr
    return done


def run_until(
    program: list[str], output_dir: pathlib.Path, step: int, number: int
) -> subprocess.Popen:
    """Runs the program and sends it a signal once it has logged a step."""
    log = pathlib.Path(f"{output_dir}.log")
    with log.open("w") as file:
        process = subprocess.Popen(program, cwd=ROOT, stdout=file, stderr=file)
    try:
        wait_for_step(step, output_dir, {log: process})
        process.send_signal(number)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    ended = process.returncode in (-number, 128 + number)
    assert ended, f"{process.returncode} for a signal: {log.read_text()}"
    return process


def wait_for_step(
    step: int,
    output_dir: pathlib.Path,
    processes: Mapping[pathlib.Path, subprocess.Popen],
) -> None:
    """Waits until a run has logged a step; its processes, by their logs, must run."""
    deadline = time.monotonic() + 120
    while not any(
        record["step"] >= step
        for record in read_metrics(str(output_dir / "metrics.jsonl"))
    ):
        for log, process in processes.items():
            code = process.poll()
            assert code is None, f"{code} before step {step}: {log.read_text()}"
            assert time.monotonic() < deadline, f"No step {step}: {log.read_text()}"
        time.sleep(0.01)
