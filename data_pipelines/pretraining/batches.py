"""The pre-training pipeline, from documents to masked batches.

    records -> parts of documents -> groups of parts
        -> sentence_rows -> packing -> masking (new in each epoch)
        -> rows -> a block of rows from each stream -> batches

Every random choice depends only on the seed, the epoch, the stream and the position of
the group: runs are reproducible, and an iterator can be saved in the middle of an
epoch. A *stream* has its own files and an equal part of each batch; a replica has whole
streams, so the batches do not depend on the number of replicas.
"""

import math

import tensorflow as tf

from data_pipelines.pretraining.documents import Documents, one_epoch
from data_pipelines.pretraining.masking import mask_tokens
from data_pipelines.pretraining.randomness import (
    as_seed,
    fold_in,
    permutation,
    shuffled,
    split,
)
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.sentence_rows import sentence_rows
from data_pipelines.rows import batching, features
from data_pipelines.rows.ids import id_check
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Number of parts from which rows are made at a time, also the pool of other documents
# for random second segments. A larger number needs more memory.
PARTS_PER_GROUP = 64
# Size of the shuffle buffer of all streams, in rows. It is part of the checkpoint of an
# iterator, at about 12 bytes per token.
SHUFFLE_ROWS = 4096


def training_batches(
    documents: Documents,
    vocabulary: Vocabulary,
    rows: RowOptions,
    *,
    batch_size: int,
    seed: int,
    num_epochs: int | None = None,
    num_streams: int = 1,
    replica: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Creates training batches.

    A batch is a dict of the features of `features.row_features`, each `(batch, ...)`.
    The part `{"token_ids": [11, 12, 13, 14], "sentence_lengths": [2, 2],
    "document_id": 5}` may become the row

        token_ids   CLS 11 12 SEP 13 MASK SEP PAD     sentence_label 0
        segment_ids   0  0  0   0  1    1   1   0     row_weight 1
        mlm_positions 5, mlm_ids 14, mlm_weights 1

    Args:
        documents: from `documents_from_records`.
        vocabulary: vocabulary with which the documents were tokenized.
        rows: options of the rows.
        batch_size: rows per batch, over all replicas.
        seed: the same seed gives bit-identical batches.
        num_epochs: number of passes over the documents; None for an infinite dataset.
        num_streams: see `streams_of`.
        replica: index of this replica, and number of replicas.

    Returns:
        A dataset of this replica's part of each batch, whose iterator can be saved by
        `tf.train.Checkpoint`.

    Raises:
        ValueError: an option is invalid, or the documents give no rows.
    """
    number, num_replicas = replica
    if batch_size % num_streams or num_streams % num_replicas:
        raise ValueError(
            f"Received batch_size={batch_size}, num_streams={num_streams} and "
            f"{num_replicas} replicas. Expected the same number of rows from each "
            "stream, and of streams for each replica: change the batch size."
        )
    num_rows, num_own = batch_size // num_streams, num_streams // num_replicas
    window = max(1, SHUFFLE_ROWS // num_streams)

    def rows_of(stream: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
        stream_seed = fold_in(fold_in(as_seed(seed), epoch), stream)
        row_seed, order_seed = split(stream_seed, 2)
        parts = documents(epoch, stream, num_streams)
        return shuffled(_rows(parts, vocabulary, rows, row_seed), window, order_seed)

    @tf.autograph.experimental.do_not_convert
    def blocks_of(stream: tf.Tensor) -> tf.data.Dataset:
        last = tf.int64.max if num_epochs is None else num_epochs
        epochs = tf.data.Dataset.range(last)
        made = epochs.flat_map(lambda epoch: rows_of(stream, epoch))
        return made.batch(num_rows, drop_remainder=True)

    _require_rows(documents)
    streams = tf.data.Dataset.range(number * num_own, (number + 1) * num_own)
    blocks = streams.interleave(blocks_of, cycle_length=num_own, block_length=1)
    batches = blocks if num_own == 1 else _joined_blocks(blocks, num_own)
    return batching.with_options(batches.prefetch(tf.data.AUTOTUNE))


def streams_of(batch_size: int, num_files: int) -> int:
    """Returns the largest number of streams that divides batch size and files evenly.

    It does not depend on the number of replicas, which must be a divisor of it.
    """
    return math.gcd(batch_size, num_files)


def evaluation_batches(
    documents: Documents,
    vocabulary: Vocabulary,
    rows: RowOptions,
    *,
    batch_size: int,
    seed: int = 0,
) -> tf.data.Dataset:
    """Creates batches of all rows of one epoch, the same in each call.

    For arguments and rows see `training_batches`. The last batch is padded with rows
    whose `row_weight` and `mlm_weights` are 0.
    """
    _require_rows(documents)
    made = _rows(one_epoch(documents), vocabulary, rows, as_seed(seed))
    return batching.evaluation_batches(made, batch_size=batch_size)


def as_fit_inputs(
    batch: dict[str, tf.Tensor],
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Converts a batch to inputs, labels and label weights for `Model.fit`.

    `{"token_ids": t, "mlm_ids": m, "mlm_weights": w, ...}` becomes
    `({"token_ids": t, ...}, {"mlm": m, "sentence": s}, {"mlm": w, "sentence": r})`.
    """
    inputs = {name: batch[name] for name in (*features.MODEL_INPUTS, "mlm_positions")}
    labels = {"mlm": batch["mlm_ids"], "sentence": batch["sentence_label"]}
    weights = {"mlm": batch["mlm_weights"], "sentence": batch["row_weight"]}
    return inputs, labels, weights


def _rows(
    parts: tf.data.Dataset, vocabulary: Vocabulary, options: RowOptions, seed: tf.Tensor
) -> tf.data.Dataset:
    """Creates the rows of one epoch."""
    specs = features.row_features(options.sequence_length, options.max_predictions)

    @tf.autograph.experimental.do_not_convert
    def rows_of(number: tf.Tensor, group: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        pair_seed, order_seed, mask_seed = split(fold_in(seed, number), 3)
        ids = group["token_ids"].values
        with tf.control_dependencies([id_check("token_ids", ids, len(vocabulary))]):
            group = {
                **group,
                "token_ids": group["token_ids"].with_values(tf.identity(ids)),
            }
        rows = sentence_rows(group, pair_seed, vocabulary, options)
        rows |= mask_tokens(
            rows["token_ids"], rows["padding_mask"], mask_seed, vocabulary, options
        )
        num_rows = tf.size(rows["sentence_label"])
        rows["row_weight"] = tf.ones([num_rows], tf.float32)
        # Rows of a part are adjacent; the shuffle buffer after this mixes groups.
        order = permutation(num_rows, order_seed)
        return {
            name: tf.ensure_shape(tf.gather(rows[name], order), [None, *spec.shape])
            for name, spec in specs.items()
        }

    groups = parts.ragged_batch(PARTS_PER_GROUP).enumerate()
    return groups.map(
        rows_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).unbatch()


def _joined_blocks(blocks: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """Concatenates every `count` blocks of rows."""

    @tf.autograph.experimental.do_not_convert
    def join(stacked: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: tf.reshape(values, [count * values.shape[1], *values.shape[2:]])
            for name, values in stacked.items()
        }

    return blocks.batch(count, drop_remainder=True).map(join)


@tf.autograph.experimental.do_not_convert
def _require_rows(documents: Documents) -> None:
    """Raises ValueError if the documents give no rows, instead of searching forever."""
    parts = one_epoch(documents)
    for _ in parts.filter(lambda part: tf.size(part["token_ids"]) > 1).take(1):
        return  # Two tokens always give a row.
    raise ValueError(
        "The documents do not give a single row. Expected texts with sentences of "
        "several tokens: check the counts of data_pipelines.create_pretraining_data "
        "in manifest.json."
    )
