"""Measures time and memory of converting a model into each format, and back.

    python -m benchmarks.conversion --preset=large

The model has random weights and the original's architecture. Every conversion runs in
its own process, whose peak memory is printed.
"""

import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from typing import Literal

import keras
import psutil
import tensorflow as tf

from benchmarks.machine import processor
from bert_tf.checkpoints import formats, model_dir
from bert_tf.models import config
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary


@dataclasses.dataclass(frozen=True)
class ConversionOptions:
    """Options of the benchmark."""

    preset: Literal["tiny", "mini", "small", "medium", "base", "large"] = cli.option(
        "large", "Size of the model."
    )
    vocab_size: int = cli.option(30_522, "Number of pieces of the vocabulary.")
    formats: tuple[str, ...] = cli.option(
        formats.WRITTEN, "Formats to convert to and from."
    )


def measure(source: str, target: str, output_format: str) -> tuple[float, float]:
    """Returns seconds and peak memory in GiB of one conversion."""
    command = [
        *(sys.executable, "-m", "bert_tf.convert", f"--source={source}"),
        *(f"--output_dir={target}", f"--output_format={output_format}"),
        # The format of KerasHub cannot contain the heads.
        *(["--encoder_only"] if output_format == "keras_hub" else []),
    ]
    begin, most = time.monotonic(), 0
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        process = psutil.Process(program.pid)
        while program.poll() is None:
            try:
                most = max(most, process.memory_info().rss)
            except psutil.NoSuchProcess:
                break
            time.sleep(0.02)
    if program.returncode:
        raise RuntimeError(f"{' '.join(command)} failed.")
    return time.monotonic() - begin, most / 2**30


def main(options: ConversionOptions) -> None:
    """Prints a row per conversion."""
    print(f"{processor()}, {os.cpu_count()} cores, tensorflow {tf.__version__}")
    pieces = (f"w{number}" for number in range(options.vocab_size))
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *pieces)[: options.vocab_size])
    description = model_dir.Description(
        model_dir.PRETRAINING, sentence_task="next_sentence"
    )
    with tempfile.TemporaryDirectory() as folder:
        ours = os.path.join(folder, "ours")
        keras.utils.set_random_seed(0)
        model = model_dir.make_model(
            config.preset(options.preset, options.vocab_size), description
        )
        model_dir.save(ours, model, vocabulary, description, {})
        print("| conversion | seconds | GiB |\n|---|---|---|", flush=True)
        for name in options.formats:
            theirs, back = (os.path.join(folder, f"{name}_{i}") for i in range(2))
            for source, target, output_format in (
                (ours, theirs, name),
                (theirs, back, "bert_tf"),
            ):
                seconds, memory = measure(source, target, output_format)
                label = f"bert_tf to {name}" if source == ours else f"{name} to bert_tf"
                print(f"| {label} | {seconds:.0f} | {memory:.1f} |", flush=True)


if __name__ == "__main__":
    cli.run(ConversionOptions, main, __doc__)
