"""Figures of pre-trained models on text that they have not seen.

All members of the family get the same question: which token is at one masked position
of a row, all the rest of which they may read.
"""

import math
import time
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.models.masked_lm import weighted_sums
from bert_tf.models.objective import Objective, means_of
from bert_tf.models.objectives import OBJECTIVES
from data_pipelines.pretraining.batches import evaluation_batches
from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.record_folder import (
    check_vocabulary,
    read_manifest,
    record_files,
)
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.rows.features import MODEL_INPUTS
from data_pipelines.tokenizers.vocabulary import Vocabulary

# The file that `evaluate` writes.
METRICS = "metrics.json"

# Number of batches that are timed.
_TIMED_BATCHES = 20
# The names of perplexities, by the loss of which each is the exponential.
_PERPLEXITIES = {
    "mlm_loss": "perplexity",
    "forward_loss": "perplexity",
    "backward_loss": "backward_perplexity",
}


def cloze_batches(
    records_dir: str,
    vocabulary: Vocabulary,
    *,
    sequence_length: int = 128,
    batch_size: int = 32,
    num_batches: int = 100,
    seed: int = 0,
) -> tf.data.Dataset:
    """Makes held-out rows of whole sentences, each with one masked token.

    The arguments are those of `heldout_scores`.

    Raises:
        ValueError: the records are of another vocabulary, or nothing is held out.
    """
    rows = RowOptions(
        sequence_length,
        sentences="full_sentences",
        # The rate alone might give more.
        mlm_rate=1 / sequence_length,
        max_predictions=1,
        mask_rate=1.0,
        random_rate=0.0,
    )
    return _batches(records_dir, vocabulary, rows, batch_size, seed).take(num_batches)


def heldout_scores(
    loaded: LoadedModel,
    records_dir: str,
    *,
    sequence_length: int = 128,
    batch_size: int = 32,
    num_batches: int = 100,
    seed: int = 0,
) -> dict[str, float]:
    """Evaluates a pre-trained model on held-out records.

    Args:
        loaded: a pre-trained model with a language-model head.
        records_dir: a folder of `create_pretraining_data`, made with its vocabulary.
        sequence_length: tokens in a row.
        batch_size: rows in a batch.
        num_batches: the maximum number of batches.
        seed: the seed of the masks.

    Returns:
        `cloze_accuracy`, the share of the masked positions where the likeliest token is
        right, and `cloze_loss` (nats), see `cloze_batches`. A causal model reads only
        the tokens before the position; ELMo's two predictions are multiplied. For
        language models also `perplexity`, of each token given those before it in its
        row, and for ELMo `backward_perplexity`. `rows_per_second` is the speed of the
        encoder.

    Raises:
        ValueError: the model has no such head, the records are not for it, or a figure
            is NaN or infinite.
    """
    description, vocabulary = loaded.description, loaded.vocabulary
    description.require_language_model_head()
    batches = cloze_batches(
        records_dir,
        vocabulary,
        sequence_length=sequence_length,
        batch_size=batch_size,
        num_batches=num_batches,
        seed=seed,
    )
    model = loaded.model
    ahead = 1 if model.encoder.config.causal else 0

    @tf.function(autograph=False)
    def sums_of(batch: dict[str, tf.Tensor]) -> dict[str, tuple]:
        positions = tf.maximum(batch["mlm_positions"] - ahead, 0)
        inputs = {**_inputs(batch), "mlm_positions": positions}
        logits = model(inputs)["mlm"][:, :, : len(vocabulary)]
        weights = batch["mlm_weights"]
        loss, right = weighted_sums(logits, batch["mlm_ids"], weights)
        count = tf.reduce_sum(weights)
        return {"cloze_accuracy": (right, count), "cloze_loss": (loss, count)}

    scores = means_of(sums_of(batch) for batch in batches)
    objective = OBJECTIVES[description.objective]
    if objective.unmasked is not None:
        rows = RowOptions(
            sequence_length,
            sentences="full_sentences",
            masking=objective.unmasked,
            max_predictions=sequence_length - 1,
        )
        unmasked = _batches(records_dir, vocabulary, rows, batch_size, seed)
        scores |= _perplexities(
            model, objective.loss(False), unmasked.take(num_batches)
        )
    wrong = [f"{name}={x}" for name, x in scores.items() if not math.isfinite(x)]
    if wrong or not scores:
        raise ValueError(
            f"Received {', '.join(wrong) or 'no row'} of the held-out records. Expected"
            " finite numbers, of rows with text: use a checkpoint from before the "
            "training diverged, or other records."
        )
    scores["rows_per_second"] = _rows_per_second(model.encoder, batches)
    return scores


def _rows_per_second(encoder: Any, batches: tf.data.Dataset) -> float:
    """Measures the speed of an encoder, without heads: the median over some batches."""
    run = tf.function(
        lambda batch: encoder(_inputs(batch))["sequence_output"], autograph=False
    )
    times: list[float] = []
    timed = list(batches.take(_TIMED_BATCHES + 1))
    for batch in timed:
        began = time.perf_counter()
        run(batch).numpy()
        times.append(time.perf_counter() - began)
    # The first includes the tracing.
    ordered = sorted(times[1:] or times)
    return len(timed[0]["token_ids"]) / ordered[len(ordered) // 2]


def _perplexities(
    model: Any, loss: Objective, batches: tf.data.Dataset
) -> dict[str, float]:
    @tf.function(autograph=False)
    def sums_of(batch: dict[str, tf.Tensor]) -> dict[str, tuple]:
        sums, weights = loss.sums(model(batch), batch), loss.weights(batch)
        return {name: (sums[name], weights[name]) for name in loss.losses}

    losses = means_of(sums_of(batch) for batch in batches)
    # For a large loss, NumPy's exponential is infinite; Python's raises.
    with np.errstate(over="ignore"):
        return {_PERPLEXITIES[n]: float(np.exp(loss)) for n, loss in losses.items()}


def _batches(
    records_dir: str,
    vocabulary: Vocabulary,
    rows: RowOptions,
    batch_size: int,
    seed: int,
) -> tf.data.Dataset:
    check_vocabulary(read_manifest(records_dir), vocabulary)
    documents = documents_from_records(record_files(records_dir, "heldout"))
    return evaluation_batches(
        documents, vocabulary, rows, batch_size=batch_size, seed=seed
    )


def _inputs(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: batch[name] for name in MODEL_INPUTS}
