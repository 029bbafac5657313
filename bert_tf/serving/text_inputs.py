"""Turns texts into rows of token ids, in graph, for the pre-trained signatures."""

import tensorflow as tf

from bert_tf.serving.signatures import power_of_two, row_length
from bert_tf.tasks.endpoints import Rows
from data_pipelines.rows.packing import filled_rows
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
    # Each part but the first follows a mask and all parts before it.
    after = tf.strings.length(parts.values) + len(MASK)
    before = tf.cumsum(after, exclusive=True)
    first = tf.gather(tf.concat([before, [0]], 0), parts.row_starts())
    before = (before - tf.repeat(first, parts.row_lengths()))[:, tf.newaxis]
    size = [tf.size(parts.values, tf.int64)]
    opens_text, ends_text = (
        tf.scatter_nd(places[:, tf.newaxis], tf.ones_like(places), size) > 0
        for places in (parts.row_starts(), parts.row_limits() - 1)
    )
    # The space before a mask belongs to the mask, as the space before a word belongs to
    # the word.
    stripped = tf.strings.regex_replace(parts.values, _SPACES_AT_END, "")
    values = tf.where(ends_text, parts.values, stripped)
    ids, starts, ends = tokenizer.tokenize_with_offsets(values, opens_text)
    masks = tf.fill(tf.shape(before), tokenizer.vocabulary.mask_id)

    def joined(of_masks: tf.Tensor, of_pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        # A mask is put before each part, and then the first mask is removed.
        values = tf.concat([of_masks, of_pieces], axis=1)
        return parts.with_values(values).merge_dims(1, 2)[:, 1:]

    return (
        joined(masks, ids),
        joined(before - len(MASK), starts + before),
        joined(before, ends + before),
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
    ones = tf.ones([ids.nrows(), 1], tf.int32)
    ids = tf.concat([ones * vocabulary.cls_id, ids, ones * vocabulary.sep_id], axis=1)
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
