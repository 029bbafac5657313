"""Measures time and memory of learning a vocabulary and writing records from text.

    python -m benchmarks.corpus --input_files='books/*.txt.gz,enwiki/*.jsonl.gz'

Both programs run on the text and on several copies of it, with one process and with
two. Each run is a new process, including its start. `pip install psutil` first: it is
not a dependency of the project.
"""

import dataclasses
import os
import sys
import tempfile

import tensorflow as tf

from benchmarks.machine import measure, processor
from data_pipelines.corpus import documents
from data_pipelines.pretraining.record_folder import read_manifest
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class CorpusBenchmarkOptions:
    """Options of the benchmark."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text files, or patterns such as 'corpus/*.txt'."
    )
    vocab_size: int = cli.option(30522, "Number of pieces of the vocabulary.")
    num_times: int = cli.option(10, "Number of copies in the large text.")
    num_processes: tuple[str, ...] = cli.option(
        ("1", "2"), "Numbers of processes to measure."
    )


def main(options: CorpusBenchmarkOptions) -> None:
    """Prints a row for each run."""
    sources = [
        os.path.abspath(s) for s in documents.expand_sources(options.input_files)
    ]
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {sys.version.split()[0]}, "
        f"TensorFlow {tf.__version__}\n"
        "memory: peak of all processes together, shared pages counted once\n"
        "\n| program | text | processes | seconds | MB/s | memory |\n"
        "|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, options.num_times):
            patterns = [_copy(sources, os.path.join(folder, f"text{times}"), times)]
            for num_processes in options.num_processes:
                _measure(options, folder, patterns, num_processes)


def _copy(sources: list[str], folder: str, times: int) -> str:
    """Links the sources several times under new names; returns a pattern for them."""
    os.makedirs(folder)
    for time in range(times):
        for number, source in enumerate(sources):
            name = f"{time}_{number}_{os.path.basename(source)}"
            os.symlink(source, os.path.join(folder, name))
    return f"{folder}/*"


def _measure(
    options: CorpusBenchmarkOptions,
    folder: str,
    patterns: list[str],
    num_processes: str,
) -> None:
    common = [f"--input_files={','.join(patterns)}", f"--num_processes={num_processes}"]
    made = tempfile.mkdtemp(dir=folder)
    vocab_file = os.path.join(made, "vocab.txt")
    programs = {
        "learn_vocabulary": [
            f"--vocab_file={vocab_file}",
            f"--vocab_size={options.vocab_size}",
        ],
        "create_pretraining_data": [
            f"--vocab_file={vocab_file}",
            f"--output_dir={made}/records",
        ],
    }
    found = {
        name: measure([sys.executable, "-m", f"data_pipelines.{name}", *common, *own])
        for name, own in programs.items()
    }
    manifest = read_manifest(f"{made}/records")
    megabytes = manifest["counts"]["bytes"] / 1e6
    for name, (seconds, memory) in found.items():
        print(
            f"| {name} | {megabytes:,.0f} MB | {num_processes} | {seconds:,.0f} | "
            f"{megabytes / seconds:.1f} | {memory / 1e6:,.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    cli.run(CorpusBenchmarkOptions, main, __doc__)
