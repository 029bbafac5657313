"""Packs sequences into batches, in the same way for all kinds.

Training keeps its sequences in memory as ids: QQP, the largest dataset of the paper,
needs 50 MB. Evaluation and prediction stream.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from data_pipelines.finetuning.encoding import Encoding, chunks_of, traced_once
from data_pipelines.rows import batching, row_packing
from data_pipelines.rows.features import MODEL_INPUTS, Features
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Rounds of the cipher that shuffles: enough even for very few examples.
_SHUFFLE_ROUNDS = 8
# Rows are as long as the longest sequence, rounded up to a multiple of this.
_ROW_MULTIPLE = 8

PACKED_INPUTS = (*MODEL_INPUTS, "positions", "sequence_ids", "first_tokens")


def num_groups(features: Features, group_size: int = 1) -> int:
    """Returns the number of examples, each of one or several sequences."""
    return int(features["token_ids"].nrows()) // group_size


def row_length_of(features: Features, max_length: int) -> int:
    """Returns the length of rows for these sequences that minimizes attention cost."""
    longest = int(tf.reduce_max(features["token_ids"].row_lengths()))
    rounded = -(-max(longest, 1) // _ROW_MULTIPLE) * _ROW_MULTIPLE
    return min(rounded, max_length)


def training_batches(
    features: Features,
    vocabulary: Vocabulary,
    *,
    batch_size: int,
    row_length: int,
    seed: int,
    group_size: int = 1,
    shard_index: int = 0,
    num_shards: int = 1,
) -> tf.data.Dataset:
    """Creates batches of shuffled examples, packed into as few rows as possible.

    Every epoch contains each example once, in a new order. The examples of a batch
    depend only on its number, the seed and the number of examples.

    Args:
        features: from `encode_all`.
        vocabulary: vocabulary of the tokenizer.
        batch_size: examples per batch, over all workers.
        row_length: tokens per row.
        seed: seed of the order.
        group_size: sequences per example.
        shard_index, num_shards: worker `shard_index` of `num_shards` gets every
            `num_shards`-th example of each batch.

    Returns:
        An infinite dataset of the dicts of `pack_batch`, whose iterator can be saved.
    """
    total = num_groups(features, group_size)

    @tf.autograph.experimental.do_not_convert
    def batch_of(number: tf.Tensor) -> dict[str, tf.Tensor]:
        first = number * batch_size
        wanted = tf.range(first + shard_index, first + batch_size, num_shards)
        epoch, place = wanted // total, wanted % total
        # A new order for each epoch, without a list of all examples. The raw op is
        # used because its wrapper does not accept one key per index.
        keys = tf.stack([tf.fill(tf.shape(epoch), tf.constant(seed, tf.int64)), epoch])
        drawn = tf.raw_ops.RandomIndexShuffle(
            index=place,
            seed=tf.pad(tf.transpose(keys), [[0, 0], [1, 0]]),  # (examples, 3)
            max_index=tf.constant(total - 1, tf.int64),
            rounds=_SHUFFLE_ROUNDS,
        )
        sequences = drawn[:, tf.newaxis] * group_size
        sequences += tf.range(group_size, dtype=tf.int64)
        chosen = tf.reshape(sequences, [-1])
        return pack_batch(
            {name: tf.gather(values, chosen) for name, values in features.items()},
            vocabulary,
            row_length=row_length,
            pad_to_bucket=True,
        )

    numbers = tf.data.Dataset.range(tf.int64.max)
    batches = numbers.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE)
    return batching.with_options(batches.prefetch(tf.data.AUTOTUNE))


def batches_in_order(
    features: Features,
    vocabulary: Vocabulary,
    *,
    batch_size: int,
    row_length: int,
    group_size: int = 1,
) -> tf.data.Dataset:
    """Batches of all examples once, in their order; the last one may be smaller.

    For the arguments and the batches see `training_batches`.
    """
    total, size = num_groups(features, group_size), batch_size * group_size

    @tf.autograph.experimental.do_not_convert
    def batch_of(first: tf.Tensor) -> dict[str, tf.Tensor]:
        some = {name: values[first : first + size] for name, values in features.items()}
        return pack_batch(some, vocabulary, row_length=row_length, pad_to_bucket=True)

    firsts = tf.data.Dataset.range(0, total * group_size, size)
    batches = firsts.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE)
    return batching.with_options(batches.prefetch(tf.data.AUTOTUNE))


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some examples and their packed sequences, in order.

    `origin` maps sequences to examples, see `Encoding.encode`.
    """

    examples: list[Any]
    batches: list[dict[str, tf.Tensor]]
    origin: Features


def evaluation_chunks(
    encoding: Encoding,
    examples: Iterable[Any],
    batches_of: Callable[[dict[str, Any]], tuple[list[dict[str, tf.Tensor]], Features]],
) -> Iterator[Chunk]:
    """Streams every example once, in order; the input may be infinite.

    `batches_of`, from `batch_maker`, receives the texts without the labels.
    """
    for some in chunks_of(examples):
        columns = encoding.columns(some)
        texts = {n: v for n, v in columns.items() if v.dtype == tf.string}
        yield Chunk(some, *batches_of(texts))


def batch_maker(
    encoding: Encoding, batch_size: int
) -> Callable[[dict[str, Any]], tuple[list[dict[str, tf.Tensor]], Features]]:
    """Returns a function from columns to packed batches and origin, traced once.

    A batch has `batch_size` examples; the last one may be smaller.
    """
    encode = traced_once(encoding.encode)
    vocabulary = encoding.tokenizer.vocabulary
    size = batch_size * encoding.group_size

    @traced_once
    def pack(features: Features, first: tf.Tensor, row_length: tf.Tensor) -> Any:
        part = {name: values[first : first + size] for name, values in features.items()}
        return pack_batch(part, vocabulary, row_length=row_length)

    def batches_of(
        columns: dict[str, Any],
    ) -> tuple[list[dict[str, tf.Tensor]], Features]:
        features, origin = encode(columns)
        row_length = tf.constant(row_length_of(features, encoding.max_length))
        # Without texts there is one empty batch.
        firsts = range(0, max(1, int(features["token_ids"].nrows())), size)
        return [pack(features, tf.constant(f), row_length) for f in firsts], origin

    return batches_of


def pack_batch(
    features: Features,
    vocabulary: Vocabulary,
    *,
    row_length: int | tf.Tensor,
    pad_to_bucket: bool = False,
) -> dict[str, tf.Tensor]:
    """Packs sequences into model inputs, in the TensorFlow graph.

    Args:
        features: from `encoding.encode`.
        vocabulary: vocabulary of the tokenizer.
        row_length: tokens per row, an int or an int32 scalar.
        pad_to_bucket: see `row_packing.pack_rows`; ragged features are then padded to
            the length of a row.

    Returns:
        The rows of `row_packing.pack_rows`; `lengths` int32 `(sequences,)`; all other
        features unchanged, ragged ones padded with -1.
    """
    token_ids = features["token_ids"]
    batch = row_packing.pack_rows(
        token_ids,
        features["second_starts"],
        row_length=row_length,
        vocabulary=vocabulary,
        pad_to_bucket=pad_to_bucket,
    )
    batch["lengths"] = tf.cast(token_ids.row_lengths(), tf.int32)
    for name, values in features.items():
        if not isinstance(values, tf.RaggedTensor):
            batch[name] = values
        elif name != "token_ids":
            width = row_length if pad_to_bucket else values.bounding_shape(axis=1)
            batch[name] = filled_rows(values, width, missing=-1)
    return batch


def as_fit_inputs(
    batch: dict[str, tf.Tensor], label: str = "label"
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Converts a batch to inputs and labels for `Model.fit`.

    Use `jit_compile=False` in `Model.compile`: XLA would recompile the whole step for
    every new number of rows.
    """
    return {n: batch[n] for n in (*PACKED_INPUTS, "lengths")}, batch[label]
