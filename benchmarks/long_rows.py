"""Measures time and memory of long rows through an encoder of ModernBERT's size.

    python -m benchmarks.long_rows --lengths=1024,2048,4096,8192

The encoder has random weights and the sizes of ModernBERT base: 22 layers of 768, one
in three of which is global. Each length runs in a process of its own, whose peak memory
is printed, beside the times of the encoder and of one layer of local and of global
attention.
"""

import concurrent.futures
import dataclasses
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.machine import instruction_sets, processor
from bert_tf.checkpoints.hugging_face.model_types.modernbert import MODERNBERT
from bert_tf.layers.attention import SelfAttention
from bert_tf.layers.long_rows import LongRowMask
from bert_tf.models.config import BertConfig
from bert_tf.models.encoder import BertEncoder
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class LongRowsOptions:
    """Options of the benchmark."""

    lengths: tuple[str, ...] = cli.option(
        ("1024", "2048", "4096", "8192"), "Numbers of tokens of a row."
    )
    repeats: int = cli.option(3, "Calls whose median is printed.")


def base_config() -> BertConfig:
    """Returns the config of ModernBERT base."""
    return MODERNBERT.config({}, tied=True)


def measured(length: int, repeats: int) -> dict[str, float]:
    """Returns the seconds of the encoder and of its attentions, and the peak memory."""
    config = base_config()
    encoder = BertEncoder(config)
    batch = {
        "token_ids": tf.random.uniform([1, length], 0, config.vocab_size, tf.int32),
        "padding_mask": tf.ones([1, length], tf.bool),
    }
    run = tf.function(lambda rows: encoder(rows)["sequence_output"], autograph=False)
    found = {"encoder": _median(lambda: run(batch), repeats)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found["peak_gib"] = peak / 2**30

    attention = SelfAttention(768, 12, 0.0, 0.02, rotary=True, use_bias=False)
    attention.build((None, None, 768))
    x = tf.random.normal([1, length, 768])
    positions = tf.range(length)[None]
    for name, window in (("local", config.local_attention), ("global", None)):

        @tf.function(autograph=False)
        def layer(rows: tf.Tensor, window: int | None = window) -> tf.Tensor:
            mask = LongRowMask(batch["padding_mask"], None, window)
            return attention(rows, attention_mask=mask, positions=positions)

        found[name] = _median(lambda layer=layer: layer(x), repeats)
    return found


def _median(run: Callable[[], Any], repeats: int) -> float:
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run().numpy()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main(options: LongRowsOptions) -> None:
    """Prints a row for each length."""
    print(
        f"{processor()}, {os.cpu_count()} cores ({', '.join(instruction_sets())}), "
        f"tensorflow {tf.__version__}"
    )
    context = multiprocessing.get_context("spawn")
    print("| tokens | encoder, s | peak, GiB | local layer, ms | global layer, ms |")
    print("|---|---|---|---|---|", flush=True)
    for length in options.lengths:
        # A new process for each, whose peak is its own.
        with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
            found = pool.submit(measured, int(length), options.repeats).result()
        print(
            f"| {int(length):,} | {found['encoder']:.2f} | {found['peak_gib']:.2f} | "
            f"{1000 * found['local']:.0f} | {1000 * found['global']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    cli.run(LongRowsOptions, main, __doc__)
