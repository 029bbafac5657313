"""Measures a trained system: held-out text, similarity, tasks, size, speed."""

import posixpath
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import open_safetensors
from bert_tf.comparison.outcome import TaskScore
from bert_tf.finetuning.results import read_results, summaries
from bert_tf.ngram import model_file
from bert_tf.ngram.scoring import score_cloze, score_text
from bert_tf.prediction.predictor import Predictor
from bert_tf.pretraining.heldout import cloze_batches
from bert_tf.word_vectors import quality
from bert_tf.word_vectors.keyed_vectors import load_vectors
from data_pipelines.pretraining.documents import stored_texts
from data_pipelines.pretraining.record_folder import read_manifest, record_files

# Number of texts of the development set for which the speed is measured.
_TIMED_TEXTS = 256


def ngram_scores(
    ngram_file: str, records_dir: str, sequence_length: int
) -> dict[str, float]:
    """Returns `cloze_accuracy`, `cloze_loss` and `perplexity` of an n-gram model."""
    loaded = model_file.load(ngram_file)
    batches = cloze_batches(
        records_dir, loaded.vocabulary, sequence_length=sequence_length
    )
    cloze = score_cloze(loaded.model, loaded.vocabulary, batches.as_numpy_iterator())
    texts = stored_texts(record_files(records_dir, "heldout"))
    num_bytes = read_manifest(records_dir)["heldout_counts"]["bytes"]
    return {
        "cloze_accuracy": cloze.mlm_accuracy,
        "cloze_loss": cloze.mlm_loss,
        "perplexity": score_text(loaded.model, texts, num_bytes).perplexity,
    }


def similarities(
    vectors_file: str, pairs_files: Sequence[str], questions_file: str | None
) -> dict[str, float]:
    """Returns rank correlations by the name of the file, and accuracy on analogies."""
    vectors = load_vectors(vectors_file)
    found = {}
    for path in pairs_files:
        name = posixpath.basename(path).removesuffix(".txt")
        found[name] = quality.similarity(vectors, path).value
    if questions_file:
        found["analogies"] = quality.analogies(vectors, questions_file).value
    return found


def task_score(task_dir: str) -> TaskScore:
    """Returns the score of a finished fine-tuning."""
    results = read_results(task_dir)
    metric = model_dir.load_description(task_dir)[2].metrics[0]
    best, *_ = summaries(results, metric)
    return TaskScore(metric, best.mean, best.deviation, best.num_runs)


def size(path: str) -> tuple[int, int]:
    """Returns the number of weights in a file (numbers, for n-grams), and its bytes."""
    if path.endswith(".npz"):
        with tf.io.gfile.GFile(path, "rb") as file, np.load(file) as arrays:
            count = sum(array.size for array in arrays.values())
    else:
        shapes = open_safetensors(path).shapes
        count = sum(int(np.prod(shape)) for shape in shapes.values())
    return count, tf.io.gfile.stat(path).length


def texts_per_second(task_dir: str, examples: Sequence[Any]) -> float:
    """Measures the texts a second of a fine-tuned model: the median of three times."""
    predictor = Predictor.of(model_dir.load(task_dir), batch_size=32)
    examples = list(examples[:_TIMED_TEXTS])
    times = []
    for _ in range(4):
        began = time.perf_counter()
        list(predictor.answers(examples))
        times.append(time.perf_counter() - began)
    # The first time includes the tracing.
    return len(examples) / statistics.median(times[1:])
