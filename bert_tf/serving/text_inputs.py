"""Turns texts into rows of token ids, in graph, for the pre-trained signatures."""

import tensorflow as tf

from bert_tf.serving.signatures import power_of_two, row_length
from bert_tf.tasks.endpoints import Rows
from data_pipelines.rows.packing import filled_rows, join
from data_pipelines.rows.ragged import rows_and_places
from data_pipelines.rows.row_packing import pack_rows
from data_pipelines.tokenizers.tokenizer import Tokenizer
from data_pipelines.tokenizers.vocabulary import MASK, Vocabulary

_SPACES_AT_END = r"[\s\v\x{85}\p{Z}]+$"


def cut_texts(
    texts: tf.Tensor, tokenizer: Tokenizer
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Tokenizes string (texts,), with `[MASK]` as the mask token.

    No other text becomes a control token, since the tokenizer produces none.

    Returns:
        Ragged int32 (texts, (pieces)): token ids, and the byte offsets in the text at
        which each piece starts and ends.
    """
    parts = tf.strings.split(texts, MASK)
    # Each part but the first of a text follows a mask and all parts before it.
    firsts, lasts = parts.row_starts(), parts.row_limits() - 1
    text, place = rows_and_places(tf.cast(parts.row_lengths(), tf.int32))
    follows = tf.cast(place > 0, tf.int32)
    after = tf.strings.length(parts.values) + len(MASK)
    before = tf.cumsum(after, exclusive=True)
    before -= tf.gather(tf.gather(tf.pad(before, [[0, 1]]), firsts), text)
    ends_text = tf.cast(tf.range(tf.size(text)), tf.int64) == tf.gather(lasts, text)
    # The space before a mask belongs to the mask, as the space before a word belongs to
    # the word.
    stripped = tf.strings.regex_replace(parts.values, _SPACES_AT_END, "")
    values = tf.where(ends_text, parts.values, stripped)
    ids, starts, ends = tokenizer.tokenize_with_offsets(values, place == 0)

    # A mask is put before each part that follows one.
    counts = tf.cast(ids.row_lengths(), tf.int32)
    first = tf.cumsum(counts + follows, exclusive=True) + follows
    part, number = rows_and_places(counts)
    target = (tf.gather(first, part) + number)[:, tf.newaxis]
    masks = tf.boolean_mask(tf.stack([first - 1, before], 1), follows > 0)
    total = tf.reduce_sum(counts + follows)
    limits = tf.pad(tf.cumsum(counts + follows), [[1, 0]])
    splits = tf.cast(tf.gather(limits, parts.row_splits), tf.int64)

    def joined(of_masks: tf.Tensor | int, of_pieces: tf.Tensor) -> tf.RaggedTensor:
        flat = tf.zeros([total], tf.int32)
        of_masks = tf.broadcast_to(of_masks, tf.shape(masks)[:1])
        flat = tf.tensor_scatter_nd_update(flat, masks[:, :1], of_masks)
        flat = tf.tensor_scatter_nd_update(flat, target, of_pieces)
        return tf.RaggedTensor.from_row_splits(flat, splits, validate=False)

    moved = tf.gather(before, part)
    return (
        joined(tokenizer.vocabulary.mask_id, ids.values),
        joined(masks[:, 1] - len(MASK), starts.values + moved),
        joined(masks[:, 1], ends.values + moved),
    )


def pack_texts(
    ids: tf.RaggedTensor,
    vocabulary: Vocabulary,
    max_length: int,
    rows: Rows,
    *,
    share_rows: bool = True,
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Makes `[CLS] text [SEP]` of each text, and rows of them.

    Args:
        ids: ragged int32 (texts, (pieces)).
        vocabulary: the vocabulary of the ids.
        max_length: the maximum number of tokens of a row; longer texts are truncated.
        rows: see `Rows`; "compiled" may append empty texts.
        share_rows: whether "longest" packs short texts into one row, see
            `row_packing.pack_rows`, so that nothing is computed for padding.

    Returns:
        The inputs of an encoder, (rows, tokens); and whether each text was truncated,
        bool (texts,).
    """
    room = max_length - 2
    truncated = ids.row_lengths() > room
    ids = ids[:, :room]
    if rows == "compiled":
        count = tf.cast(ids.nrows(), tf.int32)
        missing = power_of_two(count) - count
        empty = tf.RaggedTensor.from_row_lengths(
            tf.zeros([0], tf.int32), tf.zeros([missing], tf.int64)
        )
        ids = tf.concat([ids, empty], axis=0)
    ids, _ = join(ids, None, vocabulary)
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    width = row_length(lengths, max_length, rows)
    if rows == "longest" and share_rows:
        packed = pack_rows(ids, lengths, row_length=width, vocabulary=vocabulary)
        return {**packed, "lengths": lengths}, truncated
    token_ids = filled_rows(ids, width, vocabulary.pad_id)
    inputs = {
        "token_ids": token_ids,
        "segment_ids": tf.zeros_like(token_ids),
        "padding_mask": tf.sequence_mask(lengths, width),
    }
    return inputs, truncated
