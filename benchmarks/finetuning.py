"""Measures the speed of fine-tuning on SST-2, alternating with other projects.

    python -m benchmarks.finetuning --data_dir=data --vocab_file=vocab.txt --preset=mini

Every subject trains a classifier of the same size, with dropout 0.1 and AdamW with
clipping to a global norm of 1, on the same sentences, tokenized beforehand. Ours packs
several sentences into a row; KerasHub's BertTextClassifier, trained with `fit`, has
rows of a fixed length; Hugging Face's BertForSequenceClassification, if `torch` and
`transformers` are installed, pads each batch to its longest sentence. A first pass over
all batches is not measured, so that everything is compiled. Prints medians of the
rounds.
"""

import dataclasses
import importlib.util
import itertools
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
from bert_tf.optim.optimizers import AdamW
from bert_tf.tasks.classification import BertClassifier, ClassificationObjective
from bert_tf.training.hardware import POLICIES
from bert_tf.training.trainer import Trainer
from data_pipelines.datasets import catalog
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.finetuning import batches as finetuning
from data_pipelines.finetuning.classification import ClassificationEncoding
from data_pipelines.finetuning.encoding import encode_all
from data_pipelines.programs import cli
from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

_LONGEST = 128

# Function that trains on all sentences once.
Subject = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class FinetuningBenchmarkOptions:
    """Options of the benchmark."""

    data_dir: str = cli.option(cli.REQUIRED, "Folder that contains glue/SST-2.")
    vocab_file: str = cli.option(cli.REQUIRED, "An uncased vocabulary.")
    preset: str = cli.option("mini", f"One of {', '.join(configs.PRESETS)}.")
    batch_size: int = cli.option(32, "Sentences per step.")
    num_batches: int = cli.option(24, "Steps per round.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "Precision of matrix products."
    )
    rounds: int = cli.option(5, "Number of rounds; the median is printed.")
    peers: bool = cli.option(True, "Also measure other projects.")


@dataclasses.dataclass(frozen=True)
class Sentences:
    """The same sentences in the formats of the subjects.

    Attributes:
        features: sequences.
        batches: indices of the sentences of each step.
        vocabulary: vocabulary of the pieces.
    """

    features: Features
    batches: list[np.ndarray]
    vocabulary: Vocabulary

    def padded(self, batch: np.ndarray, length: int | None) -> dict[str, np.ndarray]:
        """Returns rows of one length (None: of the longest), truncated if needed."""
        rows = tf.gather(self.features["token_ids"], batch)[:, : length or _LONGEST]
        token_ids = rows.to_tensor(shape=[None, length]).numpy()
        lengths = rows.row_lengths().numpy()
        return {
            "token_ids": token_ids,
            "segment_ids": np.zeros_like(token_ids),
            "padding_mask": np.arange(token_ids.shape[1]) < lengths[:, None],
        }

    def labels(self, batch: np.ndarray) -> np.ndarray:
        """Returns the classes of a batch."""
        return self.features["label"].numpy()[batch]


def sst2(options: FinetuningBenchmarkOptions) -> Sentences:
    """Draws random sentences of the training set."""
    vocabulary = Vocabulary.from_file(options.vocab_file)
    encoding = ClassificationEncoding(
        WordPieceTokenizer(vocabulary), _LONGEST, ("0", "1")
    )
    dataset = catalog.find("glue/sst2")
    examples = catalog.read(dataset, "train", options.data_dir, ReadLog("train"))
    features = encode_all(encoding, examples)
    drawn = np.random.default_rng(0).choice(
        finetuning.num_groups(features), options.num_batches * options.batch_size
    )
    return Sentences(features, np.split(drawn, options.num_batches), vocabulary)


def ours(
    options: FinetuningBenchmarkOptions,
    config: BertConfig,
    sentences: Sentences,
    packed: bool = True,
) -> Subject:
    """Returns a function that runs steps of `Trainer`, on packed or padded rows."""
    model = BertClassifier(config, num_outputs=2, dtype=POLICIES[options.dtype])
    trainer = Trainer(
        model, AdamW(1e-5, bias_correction=True), ClassificationObjective()
    )
    row_length = finetuning.row_length_of(sentences.features, _LONGEST)

    def pack(chosen: tf.Tensor) -> dict[str, tf.Tensor]:
        return finetuning.pack_batch(
            {n: tf.gather(values, chosen) for n, values in sentences.features.items()},
            sentences.vocabulary,
            row_length=row_length,
            pad_to_bucket=True,
        )

    if packed:
        # Packing is part of the work, in parallel to the step as in training.
        batches = tf.data.Dataset.from_tensor_slices(np.stack(sentences.batches))
        batches = batches.map(pack, num_parallel_calls=2).prefetch(2)
    else:
        rows = [
            {**sentences.padded(b, _LONGEST), "label": sentences.labels(b)}
            for b in sentences.batches
        ]
        stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        batches = tf.data.Dataset.from_tensor_slices(stacked)
    batches = without_tuning(batches)

    def run() -> None:
        for batch in batches:
            metrics = trainer.train_step(batch)
        float(metrics["loss"])

    return run


def keras_hub_fit(
    options: FinetuningBenchmarkOptions,
    config: BertConfig,
    sentences: Sentences,
    length: int,
) -> Subject:
    """Returns a function that trains KerasHub's classifier with `fit`."""
    import keras_hub

    backbone = keras_hub_backbone(config, options.dtype)
    model = keras_hub.models.BertTextClassifier(
        backbone, num_classes=2, preprocessor=None
    )
    compile_for_fit(model, 1e-5)
    rows = [sentences.padded(batch, length) for batch in sentences.batches]
    labels = np.stack([sentences.labels(batch) for batch in sentences.batches])
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    dataset = without_tuning(
        tf.data.Dataset.from_tensor_slices((stacked, labels)).prefetch(2)
    )
    return lambda: model.fit(dataset, epochs=1, verbose=0)


def hugging_face(
    options: FinetuningBenchmarkOptions, config: BertConfig, sentences: Sentences
) -> Subject:
    """Returns a function that trains Hugging Face's classifier on padded batches."""
    import torch
    import transformers

    model: Any = transformers.BertForSequenceClassification(
        hugging_face_config(config)
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, weight_decay=0.01)
    rows = [sentences.padded(batch, None) for batch in sentences.batches]
    labels = [sentences.labels(batch) for batch in sentences.batches]

    def run() -> None:
        for row, label in zip(rows, labels, strict=True):
            with torch.autocast(
                "cpu", torch.bfloat16, enabled=options.dtype == "bfloat16"
            ):
                loss = model(
                    input_ids=torch.from_numpy(row["token_ids"]).long(),
                    attention_mask=torch.from_numpy(row["padding_mask"]).long(),
                    labels=torch.from_numpy(label).long(),
                ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return run


def main(options: FinetuningBenchmarkOptions) -> None:
    """Prints examples/s of each subject."""
    sentences = sst2(options)
    config = configs.preset(options.preset, len(sentences.vocabulary))
    padded = f"bert_tf, rows of {_LONGEST}"
    subjects: dict[str, Subject] = {
        "bert_tf, packed": ours(options, config, sentences),
        padded: ours(options, config, sentences, packed=False),
    }
    versions = [f"tensorflow {tf.__version__}", f"keras {keras.__version__}"]
    if options.peers:
        import keras_hub

        versions.append(f"keras-hub {keras_hub.__version__}")
        for length in (128, 64):
            subjects[f"KerasHub, fit, {length}"] = keras_hub_fit(
                options, config, sentences, length
            )
        if all(map(importlib.util.find_spec, ("torch", "transformers"))):
            import torch
            import transformers

            versions += [f"torch {torch.__version__}"]
            versions += [f"transformers {transformers.__version__}"]
            subjects["Hugging Face, longest"] = hugging_face(options, config, sentences)
    print(f"{processor()}, {os.cpu_count()} cores")
    print(f"Python {platform.python_version()}, {', '.join(versions)}")
    chosen = np.concatenate(sentences.batches)
    lengths = tf.gather(sentences.features["token_ids"].row_lengths(), chosen)
    count = len(chosen)
    print(
        f"{options.preset}, {options.dtype}, {count} sentences of "
        f"{float(np.mean(lengths)):.1f} tokens, {options.batch_size} per step"
    )
    for run in subjects.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for _, (name, run) in itertools.product(range(options.rounds), subjects.items()):
        start = time.perf_counter()
        run()
        seconds[name].append(time.perf_counter() - start)
    first = statistics.median(seconds["bert_tf, packed"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(
            f"{name:24} {count / median:8,.0f} examples/s  (best "
            f"{count / min(values):,.0f})  {median / first:5.2f} x our time"
        )


if __name__ == "__main__":
    cli.run(FinetuningBenchmarkOptions, main, __doc__)
