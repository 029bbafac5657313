"""Compares our tokenizer with Hugging Face tokenizers on one thread.

    python -m benchmarks.tokenizer --vocab_file=vocab.txt [--text_file=text.txt]

The vocabulary determines WordPiece or byte-level BPE. Both get the same lines and the
same vocabulary, with one thread each, alternating in one process; prints medians. `pip
install tokenizers` first: it is not a dependency of the project.
"""

import dataclasses
import gzip
import os
import platform
import pydoc_data.topics
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text

from benchmarks.machine import processor
from data_pipelines.programs import cli
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class TokenizerBenchmarkOptions(CasingOptions):
    """Options of the benchmark."""

    vocab_file: str = cli.option(
        cli.REQUIRED, "Vocabulary file, with one piece per line."
    )
    text_file: str | None = cli.option(
        None, "Text file, plain or .gz. Default: Python's help texts."
    )
    repeats: int = cli.option(7, "Number of runs; the median is printed.")
    batch_lines: int = cli.option(1024, "Lines per call.")


def benchmark(options: TokenizerBenchmarkOptions) -> None:
    """Prints MB/s of each tokenizer, and their ratio."""
    # The library reads these when it creates its thread pool, so set them first.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tokenizers

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")

    source, text = _read_text(options.text_file)
    lines = [line for line in text.split("\n") if line.strip()]
    size = sum(len(line.encode()) for line in lines)
    batches = [
        lines[start : start + options.batch_lines]
        for start in range(0, len(lines), options.batch_lines)
    ]

    vocabulary = Vocabulary.from_file(
        options.vocab_file, options.lower_case, options.strip_accents
    )
    ours = make_tokenizer(vocabulary)
    specification = [tf.TensorSpec([None], tf.string)]
    tokenize = tf.function(ours.tokenize, input_signature=specification)
    with_offsets = tf.function(
        ours.tokenize_with_offsets, input_signature=specification
    )
    theirs = _theirs(vocabulary)

    def run_ours() -> list[list[int]]:
        # From strings to NumPy arrays: the copies are included.
        ids = [tokenize(tf.constant(batch)) for batch in batches]
        return [[part.values.numpy(), part.row_splits.numpy()] for part in ids]

    def run_ours_with_offsets() -> None:
        for batch in batches:
            with_offsets(tf.constant(batch))

    def run_theirs(encode: Callable) -> int:
        return sum(
            len(encoding.ids)
            for batch in batches
            for encoding in encode(batch, add_special_tokens=False)
        )

    candidates: dict[str, Callable] = {
        "ours, tokenize": run_ours,
        "ours, with offsets": run_ours_with_offsets,
        "HF encode_batch": lambda: run_theirs(theirs.encode_batch),
        "HF encode_batch_fast": lambda: run_theirs(theirs.encode_batch_fast),
    }
    if not hasattr(theirs, "encode_batch_fast"):
        del candidates["HF encode_batch_fast"]
    seconds = {name: [] for name in candidates}
    for repeat in range(options.repeats + 1):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            # The first round traces graphs and fills caches.
            if repeat:
                seconds[name].append(time.perf_counter() - start)

    our_ids = [
        row for batch in batches for row in tokenize(tf.constant(batch)).to_list()
    ]
    their_ids = [
        encoding.ids
        for batch in batches
        for encoding in theirs.encode_batch(batch, add_special_tokens=False)
    ]
    differing = sum(
        ours != theirs for ours, theirs in zip(our_ids, their_ids, strict=True)
    )
    rates = {
        name: size / 1e6 / statistics.median(times) for name, times in seconds.items()
    }
    print(f"machine     {processor()}, one thread each")
    print(
        f"versions    Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"TF Text {tensorflow_text.__version__}, tokenizers {tokenizers.__version__}"
    )
    print(f"text        {source}: {len(lines):,} lines, {size:,} bytes")
    print(
        f"pieces      {sum(map(len, our_ids)):,} ours, {sum(map(len, their_ids)):,} "
        f"HF, {differing:,} lines differ"
    )
    for name, rate in rates.items():
        fastest, slowest = min(seconds[name]), max(seconds[name])
        print(
            f"{name:22}{rate:7.2f} MB/s   "
            f"({size / 1e6 / slowest:.2f} to {size / 1e6 / fastest:.2f})"
        )
    best = max(rate for name, rate in rates.items() if name.startswith("HF"))
    print(f"ours / best of HF     {rates['ours, tokenize'] / best:6.1f}")


def _theirs(vocabulary: Vocabulary) -> Any:
    import tokenizers

    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    if vocabulary.merges is None:
        return tokenizers.BertWordPieceTokenizer(
            ids,
            clean_text=True,
            handle_chinese_chars=True,
            strip_accents=vocabulary.strip_accents,
            lowercase=vocabulary.lower_case,
        )._tokenizer
    return tokenizers.ByteLevelBPETokenizer(
        ids, list(vocabulary.merges), add_prefix_space=vocabulary.add_prefix_space
    )._tokenizer


def _read_text(path: str | None) -> tuple[str, str]:
    if path is None:
        return "pydoc_data.topics", "\n".join(pydoc_data.topics.topics.values())
    data = Path(path).read_bytes()
    if path.endswith(".gz"):
        data = gzip.decompress(data)
    return Path(path).name, data.decode("utf-8", "ignore")


if __name__ == "__main__":
    cli.run(TokenizerBenchmarkOptions, benchmark, __doc__)
