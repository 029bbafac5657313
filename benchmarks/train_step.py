"""Measures the speed of a pre-training step, alternating with other projects.

    python -m benchmarks.train_step --preset=mini --batch_size=32 --dtype=bfloat16

The workload: rows of 128 tokens, 20 masked positions, the sentence task, dropout 0.1,
AdamW with clipping of the global norm to 1, vocabulary 30,522, random batches. The
peers run the same rounds alternately in one process: KerasHub's BertMaskedLM with `fit`
(without the sentence task, which it lacks) and, if `torch` and `transformers` are
installed, Hugging Face's BertForPreTraining. Prints medians of the rounds.
"""

import dataclasses
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from benchmarks.machine import processor
from benchmarks.peers import (
    compile_for_fit,
    hugging_face_config,
    keras_hub_backbone,
    without_tuning,
)
from bert_tf.models import config as configs
from bert_tf.models.config import BertConfig
from bert_tf.models.masked_lm import BertPretrainer, PretrainingObjective
from bert_tf.models.size import pretraining_step_flops
from bert_tf.optim.optimizers import AdamW
from bert_tf.training.hardware import POLICIES, peak_flops_per_second
from bert_tf.training.trainer import Trainer
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class TrainStepBenchmarkOptions:
    """Options of the benchmark."""

    preset: str = cli.option("mini", f"One of {', '.join(configs.PRESETS)}.")
    batch_size: int = cli.option(32, "Rows per step.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "Precision of matrix products."
    )
    rounds: int = cli.option(5, "Number of rounds; the median is printed.")
    steps: int = cli.option(8, "Steps per round.")
    vocab_size: int = cli.option(30522, "Number of pieces of the vocabulary.")
    sequence_length: int = cli.option(128, "Tokens per row.")
    max_predictions: int = cli.option(20, "Masked tokens per row.")
    peers: bool = cli.option(True, "Also measure other projects.")
    jit_compile: tuple[str, ...] = cli.option(
        ("auto",), "XLA modes in which to measure this project: auto, on, off."
    )
    profile_dir: str | None = cli.option(
        None, "Folder for a TensorBoard profile of one additional round."
    )


def random_batch(options: TrainStepBenchmarkOptions) -> dict[str, np.ndarray]:
    """Creates a batch in the format of the pipeline, of random tokens, with padding."""
    random = np.random.default_rng(0)
    rows, length = options.batch_size, options.sequence_length
    lengths = random.integers(int(length * 0.8), length + 1, rows)
    shape = (rows, options.max_predictions)
    return {
        "token_ids": random.integers(5, options.vocab_size, (rows, length), np.int32),
        "segment_ids": np.repeat([[0, 1]], length // 2, 1).repeat(rows, 0).astype("i4"),
        "padding_mask": np.arange(length)[None] < lengths[:, None],
        "mlm_positions": np.sort(random.integers(1, length // 2, shape, np.int32)),
        "mlm_ids": random.integers(5, options.vocab_size, shape, np.int32),
        "mlm_weights": np.ones(shape, np.float32),
        "sentence_label": random.integers(0, 2, rows, np.int32),
        "row_weight": np.ones(rows, np.float32),
    }


def ours(
    options: TrainStepBenchmarkOptions, config: BertConfig, jit_compile: Any
) -> Callable[[int], None]:
    """Returns a function that runs steps of `Trainer`."""
    model = BertPretrainer(config, dtype=POLICIES[options.dtype])
    trainer = Trainer(
        model,
        AdamW(1e-4),
        PretrainingObjective(),
        jit_compile=jit_compile,
    )
    batch = {name: tf.constant(x) for name, x in random_batch(options).items()}

    def run(steps: int) -> None:
        for _ in range(steps):
            metrics = trainer.train_step(batch)
        float(metrics["loss"])

    return run


def keras_hub_fit(
    options: TrainStepBenchmarkOptions, config: BertConfig
) -> Callable[[int], None]:
    """Returns a function that trains KerasHub's model with `fit`."""
    import keras_hub

    backbone = keras_hub_backbone(config, options.dtype)
    model = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    compile_for_fit(model, 1e-4)
    batch = random_batch(options)
    inputs = {
        "token_ids": batch["token_ids"],
        "segment_ids": batch["segment_ids"],
        "padding_mask": batch["padding_mask"],
        "mask_positions": batch["mlm_positions"],
    }
    dataset = tf.data.Dataset.from_tensors(
        (inputs, batch["mlm_ids"], batch["mlm_weights"])
    )
    dataset = dataset.cache().repeat().prefetch(2)
    dataset = without_tuning(dataset)

    def run(steps: int) -> None:
        model.fit(dataset, steps_per_epoch=steps, epochs=1, verbose=0)

    return run


def hugging_face(
    options: TrainStepBenchmarkOptions, config: BertConfig
) -> Callable[[int], None]:
    """Returns a function that trains Hugging Face's model in PyTorch."""
    import torch
    import transformers

    model = transformers.BertForPreTraining(hugging_face_config(config))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=0.01)
    batch = {name: torch.from_numpy(x) for name, x in random_batch(options).items()}
    labels = torch.full(batch["token_ids"].shape, -100)
    labels.scatter_(1, batch["mlm_positions"].long(), batch["mlm_ids"].long())

    def run(steps: int) -> None:
        for _ in range(steps):
            with torch.autocast(
                "cpu", torch.bfloat16, enabled=options.dtype == "bfloat16"
            ):
                loss = model(
                    input_ids=batch["token_ids"],
                    token_type_ids=batch["segment_ids"],
                    attention_mask=batch["padding_mask"].long(),
                    labels=labels,
                    next_sentence_label=batch["sentence_label"].long(),
                ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        float(loss)

    return run


def main(options: TrainStepBenchmarkOptions) -> None:
    """Prints tokens/s of each subject, and the share of the machine's matmul rate."""
    config = configs.preset(options.preset, options.vocab_size)
    subjects: dict[str, Callable[[int], None]] = {
        f"bert_tf, {mode}": ours(options, config, mode) for mode in options.jit_compile
    }
    versions = [f"tensorflow {tf.__version__}", f"keras {keras.__version__}"]
    if options.peers:
        import keras_hub

        versions.append(f"keras-hub {keras_hub.__version__}")
        subjects["KerasHub BertMaskedLM, fit"] = keras_hub_fit(options, config)
        if importlib.util.find_spec("torch") and importlib.util.find_spec(
            "transformers"
        ):
            subjects["Hugging Face, PyTorch"] = hugging_face(options, config)
    print(f"{processor()}, {os.cpu_count()} cores")
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    print(
        f"{options.preset}, {options.batch_size} x {options.sequence_length}, "
        f"{options.dtype}, vocabulary {options.vocab_size:,}"
    )
    for run in subjects.values():
        run(2)
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    peaks = []
    for _ in range(options.rounds):
        peaks.append(peak_flops_per_second(options.dtype))
        for name, run in subjects.items():
            start = time.perf_counter()
            run(options.steps)
            seconds[name].append((time.perf_counter() - start) / options.steps)
    peak = statistics.median(peaks)
    flops = pretraining_step_flops(
        config, options.batch_size, options.sequence_length, options.max_predictions
    )
    tokens = options.batch_size * options.sequence_length
    print(f"matrix product of 1024 x 1024: {peak / 1e9:.0f} GFLOP/s")
    first = statistics.median(next(iter(seconds.values())))
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"{name:28} {tokens / median:8,.0f} tokens/s  {median:7.3f} s a step  "
            f"(best {min(values):.3f})  {flops / median / peak:4.0%} of the matmul rate"
            f"  {median / first:5.2f} x the first's time"
        )
    if options.profile_dir:
        with tf.profiler.experimental.Profile(options.profile_dir):
            next(iter(subjects.values()))(options.steps)


if __name__ == "__main__":
    cli.run(TrainStepBenchmarkOptions, main, __doc__)
