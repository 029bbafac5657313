"""Text to a vocabulary and to records: how long it takes, and how much memory.

    python -m benchmarks.corpus --input_files='books/*.txt.gz,enwiki/*.jsonl.gz'

Both programs run on the text and on the text several times over, with one process and
with two. Each run is a process of its own, of which the start is a part. `pip install
psutil` first: it is no dependency of the project.
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
        cli.REQUIRED, "Files of text, or patterns of names."
    )
    vocab_size: int = cli.option(30522, "Pieces of the vocabulary.")
    num_times: int = cli.option(10, "How often the large text is the small one.")
    num_processes: tuple[str, ...] = cli.option(("1", "2"), "Of each run.")


def main(options: CorpusBenchmarkOptions) -> None:
    """Prints a row for each run."""
    sources = [
        os.path.abspath(s) for s in documents.expand_sources(options.input_files)
    ]
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {sys.version.split()[0]}, "
        f"TensorFlow {tf.__version__}\n"
        "memory: the most that all processes together hold, each page counted once\n"
        "\n| program | text | processes | seconds | MB/s | memory |\n"
        "|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, options.num_times):
            patterns = [_copy(sources, os.path.join(folder, f"text{times}"), times)]
            for num_processes in options.num_processes:
                _measure(options, folder, patterns, num_processes)


def _copy(sources: list[str], folder: str, times: int) -> str:
    """A pattern for the sources so often, each time by other names."""
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
