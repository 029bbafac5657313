"""Sequences to packed batches, the same for all kinds.

Training keeps its sequences in memory, as ids: QQP, the largest set of the paper, needs
50 MB. Evaluation and prediction stream.
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

# Of the cipher that makes the order: enough for the smallest numbers of examples.
_SHUFFLE_ROUNDS = 8
# Rows are as long as the longest sequence, rounded up to a multiple of this.
_ROW_MULTIPLE = 8

PACKED_INPUTS = (*MODEL_INPUTS, "positions", "sequence_ids", "first_tokens")


def num_groups(features: Features, group_size: int = 1) -> int:
    """The number of examples (of one or several sequences) to draw from."""
    return int(features["token_ids"].nrows()) // group_size


def row_length_of(features: Features, max_length: int) -> int:
    """Tokens of the rows that hold these sequences with the least attention to pay."""
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
    """Batches of examples, packed into as few rows as hold them.

    Every epoch has each example once, in an order of its own. Which examples a batch
    has follows from its number, the seed and the number of examples alone.

    Args:
        features: from `encode_all`.
        vocabulary: that of the tokenizer.
        batch_size: examples of a batch, of all workers together.
        row_length: tokens of a row.
        seed: of the order.
        group_size: sequences of an example.
        shard_index, num_shards: worker `shard_index` of `num_shards` gets every
            `num_shards`-th example of each batch.

    Returns:
        An endless dataset of dicts as `pack_batch` makes them, whose iterator can be
        saved.
    """
    total = num_groups(features, group_size)

    @tf.autograph.experimental.do_not_convert
    def batch_of(number: tf.Tensor) -> dict[str, tf.Tensor]:
        first = number * batch_size
        wanted = tf.range(first + shard_index, first + batch_size, num_shards)
        epoch, place = wanted // total, wanted % total
        # An order of its own for each epoch, without a list of all examples. The op
        # itself: its wrapper cannot take a key for each index.
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
    """Some examples, ready for a model: their packed sequences, in their order.

    `origin` says where each sequence comes from, see `Encoding.encode`.
    """

    examples: list[Any]
    batches: list[dict[str, tf.Tensor]]
    origin: Features


def evaluation_chunks(
    encoding: Encoding,
    examples: Iterable[Any],
    batches_of: Callable[[dict[str, Any]], tuple[list[dict[str, tf.Tensor]], Features]],
) -> Iterator[Chunk]:
    """Every example once, in order, as they are read: there may be endlessly many.

    `batches_of` of `batch_maker` is given the texts alone, no labels.
    """
    for some in chunks_of(examples):
        columns = encoding.columns(some)
        texts = {n: v for n, v in columns.items() if v.dtype == tf.string}
        yield Chunk(some, *batches_of(texts))


def batch_maker(
    encoding: Encoding, batch_size: int
) -> Callable[[dict[str, Any]], tuple[list[dict[str, tf.Tensor]], Features]]:
    """A function from columns to packed batches and their origin, traced once.

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
        # One batch, an empty one, if there is no text.
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
    """Sequences as the models take them, in graph.

    Args:
        features: of `encoding.encode`.
        vocabulary: that of the tokenizer.
        row_length: tokens of a row, an int or an int32 scalar.
        pad_to_bucket: see `row_packing.pack_rows`; ragged features are then as wide as
            a row.

    Returns:
        The rows of `row_packing.pack_rows`; `lengths` int32 `(sequences,)`; all other
        features as they are, ragged ones filled up with -1.
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
    """A batch as `Model.fit` takes it: inputs and labels.

    `Model.compile` with `jit_compile=False`: the number of rows varies, and XLA would
    compile the whole step again for each.
    """
    return {n: batch[n] for n in (*PACKED_INPUTS, "lengths")}, batch[label]
