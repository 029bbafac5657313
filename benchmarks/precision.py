"""Cost of reduced-precision weights: a served classifier in each precision.

    python -m benchmarks.precision --model_dir=models/sst2 --data_dir=data

Each precision is exported, and answers the development set of the model's data set:
size of the weights, accuracy, how many labels change, and the time of an answer to one
text and to 32. Medians over all texts, the precisions in turn.
"""

import dataclasses
import itertools
import os
import pathlib
import platform
import statistics
import tempfile
import time
from typing import Any, get_args

import numpy as np
import tensorflow as tf

from benchmarks.machine import processor
from bert_tf.checkpoints import model_dir
from bert_tf.serving import saved_model
from bert_tf.serving.stored_weights import Precision
from data_pipelines.datasets import catalog
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.programs import cli

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class PrecisionBenchmarkOptions:
    """Options of the benchmark."""

    model_dir: str = cli.option(cli.REQUIRED, "A fine-tuned classifier of texts.")
    data_dir: str = cli.option(cli.REQUIRED, "The folder that holds its data set.")
    num_timed: int = cli.option(200, "Texts that are timed alone.")


def main(options: PrecisionBenchmarkOptions) -> None:
    """Prints a row for each precision."""
    _, _, description = model_dir.load_description(options.model_dir)
    if description.kind != "classification" or description.pairs:
        raise ValueError(
            f"{options.model_dir} is a model of the kind {description.kind}. Expected "
            "a classifier of single texts."
        )
    dataset = catalog.find(str(description.dataset))
    examples = list(catalog.read(dataset, "dev", options.data_dir, ReadLog("dev")))
    texts = np.array([example.first for example in examples], object)
    labels = np.array([example.label for example in examples], object)
    with tempfile.TemporaryDirectory() as folder:
        models = {}
        for precision in get_args(Precision):
            path = saved_model.export(
                options.model_dir,
                precision,
                precision=precision,
                saved_models_dir=folder,
            )
            files = pathlib.Path(path, "variables").iterdir()
            size = sum(file.stat().st_size for file in files)
            models[precision] = tf.saved_model.load(path), size
        signatures = {
            name: model.signatures["classify_texts"]
            for name, (model, _) in models.items()
        }
        found = {name: _labels(s, texts) for name, s in signatures.items()}
        alone = _times(signatures, [texts[n : n + 1] for n in range(options.num_timed)])
        groups = [texts[n : n + _BATCH] for n in range(0, len(texts) - _BATCH, _BATCH)]
        together = _times(signatures, groups)
    print(
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}; {dataset.name}, {len(texts)} texts\n\n"
        f"| weights | size | accuracy | labels that change | 1 text | "
        f"{_BATCH} texts |\n"
        "|---|---|---|---|---|---|"
    )
    for name, (_, size) in models.items():
        accuracy = np.mean(found[name] == labels)
        changed = np.sum(found[name] != found["float32"])
        print(
            f"| {name} | {size / 1e6:.1f} MB | {accuracy:.4f} | {changed} | "
            f"{alone[name] * 1e3:.1f} ms | {together[name] * 1e3:.1f} ms |"
        )


def _labels(signature: Any, texts: np.ndarray) -> np.ndarray:
    parts = [
        signature(texts=tf.constant(texts[n : n + _BATCH]))["label"].numpy()
        for n in range(0, len(texts), _BATCH)
    ]
    return np.char.decode(np.concatenate(parts).astype(bytes), "utf-8").astype(object)


def _times(signatures: dict[str, Any], batches: list[np.ndarray]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in signatures}
    for batch, (name, signature) in itertools.product(batches, signatures.items()):
        begin = time.perf_counter()
        signature(texts=tf.constant(batch))
        times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


if __name__ == "__main__":
    cli.run(PrecisionBenchmarkOptions, main, __doc__)
