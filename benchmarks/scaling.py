"""Measures the cost of distributing a step: one process, and several on the same cores.

    python -m benchmarks.scaling --records_dir=records --vocab_file=vocab.txt

Each worker has one core, the single process as many cores as all workers: the
difference is the cost of summing gradients and waiting for the slowest worker. Prints
medians over steps.
"""

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile

import tensorflow as tf

from benchmarks.machine import processor
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.programs import cli

# Number of steps that are not measured: tracing, caches.
_WARM_UP = 10


@dataclasses.dataclass(frozen=True)
class ScalingOptions:
    """Options of the benchmark."""

    records_dir: str = cli.option(
        cli.REQUIRED, "Record folder of create_pretraining_data."
    )
    vocab_file: str = cli.option(cli.REQUIRED, "Vocabulary of the records.")
    preset: str = cli.option("mini", "Size of the model.")
    batch_size: int = cli.option(32, "Rows per step, over all workers.")
    sequence_length: int = cli.option(128, "Tokens per row.")
    num_steps: int = cli.option(60, "Steps per run.")
    num_workers: int = cli.option(2, "Number of workers, with one core each.")
    num_repeats: int = cli.option(3, "Runs per configuration, alternating.")


def tokens_per_second(options: ScalingOptions, num_workers: int, folder: str) -> float:
    """Returns the median rate of one run."""
    command = [
        *(sys.executable, "-m", "bert_tf.pretrain", f"--output_dir={folder}"),
        f"--records_dir={options.records_dir}",
        f"--vocab_file={options.vocab_file}",
        f"--preset={options.preset}",
        f"--batch_size={options.batch_size}",
        f"--sequence_length={options.sequence_length}",
        f"--num_train_steps={options.num_steps}",
        *("--num_warmup_steps=5", "--log_every=1", "--dtype=float32"),
        *("--eval_every=1000000", "--num_eval_batches=1", "--checkpoint_every=1000000"),
    ]
    ports = []
    for _ in range(num_workers):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    workers = []
    for index in range(num_workers):
        environment, cores = dict(os.environ), set(range(options.num_workers))
        if num_workers > 1:
            cluster = {
                "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
                "task": {"type": "worker", "index": index},
            }
            environment["TF_CONFIG"] = json.dumps(cluster)
            cores = {index}
        workers.append(
            subprocess.Popen(
                command + ["--strategy=multi_worker"] * (num_workers > 1),
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
            )
        )
    codes = [worker.wait() for worker in workers]
    if any(codes):
        raise RuntimeError(f"{' '.join(command)} failed.")
    records = read_metrics(os.path.join(folder, METRICS))
    rates = [r["tokens_per_second"] for r in records if r["split"] == "train"]
    return statistics.median(rates[_WARM_UP:])


def main(options: ScalingOptions) -> None:
    """Prints a row per number of workers."""
    print(f"{processor()}, {os.cpu_count()} cores, tensorflow {tf.__version__}")
    print(f"{options.preset}, {options.batch_size} rows of {options.sequence_length}")
    rates: dict[int, list[float]] = {1: [], options.num_workers: []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(options.num_repeats):
            for count in rates:
                path = os.path.join(folder, f"{repeat}_{count}")
                rates[count].append(tokens_per_second(options, count, path))
    print("| processes | cores each | tokens/s | of one process |\n|---|---|---|---|")
    one = statistics.median(rates[1])
    for count, found in rates.items():
        rate = statistics.median(found)
        cores = options.num_workers // count
        print(f"| {count} | {cores} | {rate:,.0f} | {rate / one:.0%} |")


if __name__ == "__main__":
    cli.run(ScalingOptions, main, __doc__)
