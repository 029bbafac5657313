"""What a trained system is worth: guesses, similarities, tasks, size and speed."""

import dataclasses
import posixpath
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import open_safetensors
from bert_tf.comparison import programs
from bert_tf.comparison.systems import System
from bert_tf.comparison.training import LOG, MODEL, NGRAM, VECTORS, Text
from bert_tf.finetuning.results import read_results, summaries
from bert_tf.ngram import model_file
from bert_tf.ngram.scoring import score_cloze, score_text
from bert_tf.prediction.predictor import Predictor
from bert_tf.pretraining.heldout import METRICS, cloze_batches
from bert_tf.word_vectors import quality
from bert_tf.word_vectors.token_vectors import load_vectors
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.pretraining import batches as pretraining
from data_pipelines.pretraining.record_folder import read_manifest, record_files

# Texts of the development set whose time is taken.
_TIMED_TEXTS = 256


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """What fine-tuning came to.

    Attributes:
        metric: the dataset's first.
        mean, deviation: over the seeds, on the development set.
        num_runs: how many there are.
    """

    metric: str
    mean: float
    deviation: float
    num_runs: int


def heldout(
    system: System, text: Text, folder: str, sequence_length: int
) -> dict[str, float]:
    """`cloze_accuracy` and, of language models, `perplexity`; see `heldout`.

    None of static vectors, which guess nothing.
    """
    if system.verb == "word_vectors":
        return {}
    output_dir = posixpath.join(folder, "heldout")
    path = posixpath.join(output_dir, METRICS)
    if not tf.io.gfile.exists(path):
        if system.verb == "ngram":
            tf.io.gfile.makedirs(output_dir)
            scores = _ngram_scores(text, folder, sequence_length)
            write_json(path, scores)
        else:
            programs.run(
                "bert_tf.evaluate",
                {
                    "model_dir": posixpath.join(folder, MODEL),
                    "records_dir": text.records_dir,
                    "sequence_length": sequence_length,
                    "batch_size": 32,
                    "output_dir": output_dir,
                },
                posixpath.join(folder, LOG),
            )
    return read_json(path)


def _ngram_scores(text: Text, folder: str, sequence_length: int) -> dict[str, float]:
    loaded = model_file.load(posixpath.join(folder, NGRAM))
    batches = cloze_batches(
        text.records_dir, loaded.vocabulary, sequence_length=sequence_length
    )
    cloze = score_cloze(loaded.model, loaded.vocabulary, batches.as_numpy_iterator())
    texts = pretraining.stored_texts(record_files(text.records_dir, "heldout"))
    num_bytes = read_manifest(text.records_dir)["heldout_counts"]["bytes"]
    return {
        "cloze_accuracy": cloze.mlm_accuracy,
        "cloze_loss": cloze.mlm_loss,
        "perplexity": score_text(loaded.model, texts, num_bytes).perplexity,
    }


def similarities(
    system: System, folder: str, pairs_files: Sequence[str], questions_file: str | None
) -> dict[str, float]:
    """Of static vectors: rank correlations by the name of the file; analogies."""
    if system.verb != "word_vectors":
        return {}
    vectors = load_vectors(posixpath.join(folder, VECTORS))
    found = {
        posixpath.basename(path).removesuffix(".txt"): quality.similarity(
            vectors, path
        ).spearman
        for path in pairs_files
    }
    if questions_file:
        found["analogies"] = quality.analogies(vectors, questions_file).accuracy
    return found


def task(
    system: System, folder: str, dataset: str, options: dict[str, Any], num_seeds: int
) -> TaskScore | None:
    """Fine-tunes on a dataset, or goes on with it; None of what can not be."""
    if system.finetuning is None:
        return None
    output_dir = task_dir(folder, dataset)
    programs.run(
        "bert_tf.finetune",
        {
            "model_dir": posixpath.join(folder, MODEL),
            "output_dir": output_dir,
            "num_seeds": num_seeds,
            **options,
            **system.finetuning,
        },
        posixpath.join(folder, LOG),
    )
    results = read_results(output_dir)
    metric = model_dir.load_description(output_dir)[2].metrics[0]
    best, *_ = summaries(results, metric)
    return TaskScore(metric, best.mean, best.deviation, best.num_runs)


def task_dir(folder: str, dataset: str) -> str:
    """Where the model of a dataset is."""
    return posixpath.join(folder, dataset.replace("/", "_"))


def size(system: System, folder: str) -> tuple[int, int]:
    """Numbers that were learned, and bytes of their file."""
    if system.verb == "ngram":
        path = posixpath.join(folder, NGRAM)
        with tf.io.gfile.GFile(path, "rb") as file, np.load(file) as arrays:
            return sum(a.size for a in arrays.values()), tf.io.gfile.stat(path).length
    path = posixpath.join(folder, MODEL, model_dir.WEIGHTS)
    shapes = open_safetensors(path).shapes
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    return count, tf.io.gfile.stat(path).length


def texts_per_second(model_folder: str, examples: Sequence[Any]) -> float:
    """How fast a fine-tuned model answers: the median of three times."""
    predictor = Predictor.of(model_dir.load(model_folder), batch_size=32)
    examples = list(examples[:_TIMED_TEXTS])
    times = []
    for _ in range(4):
        began = time.perf_counter()
        list(predictor.answers(examples))
        times.append(time.perf_counter() - began)
    # The first includes the tracing.
    return len(examples) / statistics.median(times[1:])
