"""Builds rows of one or two segments from parts of documents.

Other documents are drawn from the group: some dozens of adjacent parts in the records,
where parts of all documents are mixed.
"""

import tensorflow as tf

from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.sentence_pairs import (
    reached,
    running_sum,
    sentence_pairs,
)
from data_pipelines.rows.packing import pack, pair_room
from data_pipelines.rows.windows import ranges, windows
from data_pipelines.tokenizers.vocabulary import Vocabulary


def sentence_rows(
    group: dict[str, tf.Tensor],
    seed: tf.Tensor,
    vocabulary: Vocabulary,
    options: RowOptions,
    short_row_rate: float = 0.1,
) -> dict[str, tf.Tensor]:
    """Builds all rows of a group of parts of documents.

    With the sentences `[1 2] [3] [4 5]` of one document, `[6 7 8]` of another, and
    rows of 8 tokens, 5 of them not special, a group

        {"token_ids": [[1, 2, 3, 4, 5], [6, 7, 8]],
         "sentence_lengths": [[2, 1, 2], [3]], "document_id": [40, 50]}

    may become the rows (`next_sentence`)

        CLS 1 2 SEP 3 4 5 SEP       sentence_label 0
        CLS 6 7 8 SEP 4 5 SEP       sentence_label 1

    The values of `options.sentences`:

    * `next_sentence` (BERT): half of the second segments follow the first; the other
      half, with the label 1, are from another document, as is always the second segment
      of a single sentence without a successor.
    * `sentence_order` (ALBERT): the second segment follows the first; in half of the
      rows they are swapped, with the label 1.
    * `full_sentences` (RoBERTa): one segment of as many whole sentences as fit, across
      the ends of parts, which an additional `[SEP]` marks. All labels are 0.

    We differ from the original in two cases. If 10 draws find no other document, the
    original labels sentences of the same document as random; here such a row gets the
    actual next sentences. And a single sentence without a second segment is split into
    halves; only a single token gives no row.

    Args:
        group: `token_ids` int32 `(parts, (tokens))` ragged, `sentence_lengths` int32
            `(parts, (sentences))` ragged, `document_id` int64 `(parts,)`.
        seed: int32 `(2,)`. The same group and seed give the same rows.
        vocabulary: vocabulary of the ids.
        options: `sentences`, see above, and `sequence_length`.
        short_row_rate: share of the parts with shorter rows, of a length uniform
            between 2 and the maximum.

    Returns:
        `token_ids`, `segment_ids`, `padding_mask` `(rows, sequence)` as from
        `packing.pack`; `sentence_label` int32 `(rows,)`; and `is_single` bool
        `(rows,)`, whether a pair was made of a single sentence.

    Raises:
        ValueError: the rows are too short for two tokens.
    """
    sequence_length = options.sequence_length
    max_tokens = pair_room(sequence_length, vocabulary)
    if max_tokens < 2:
        raise ValueError(
            f"Received sequence_length={sequence_length}. Expected at least "
            f"{4 + vocabulary.num_separators}, for two tokens and the special tokens."
        )
    group = {**group, "token_ids": tf.cast(group["token_ids"], tf.int32)}
    if options.sentences == "full_sentences":
        first = _full_sentences(group, sequence_length - 2, vocabulary.sep_id)
        second, label = None, tf.zeros([first.nrows()], tf.int32)
        is_single = tf.zeros_like(label, tf.bool)
    else:
        first, second, label, is_single = sentence_pairs(
            group, seed, options.sentences, max_tokens, short_row_rate
        )
    rows = pack(first, second, sequence_length=sequence_length, vocabulary=vocabulary)
    return {**rows, "sentence_label": label, "is_single": is_single}


def _full_sentences(
    group: dict[str, tf.Tensor], max_tokens: int, separator_id: int
) -> tf.RaggedTensor:
    """Returns the tokens of rows, `(rows, (tokens))`, with `[SEP]` between parts."""
    lengths = group["sentence_lengths"].values
    num_parts = tf.size(group["document_id"])
    # Sentences longer than a row are split, so that no token is lost.
    sentence, _, pieces = windows(lengths, max_tokens, max_tokens)  # (pieces,)
    part = tf.gather(
        tf.cast(group["sentence_lengths"].value_rowids(), tf.int32), sentence
    )
    ends_part = tf.concat([part[1:], [num_parts]], 0) > part  # (pieces,)

    separator = tf.fill([num_parts, 1], separator_id)
    tokens = tf.concat([group["token_ids"], separator], axis=1).values
    separators = tf.cast(ends_part, tf.int32)
    offset = running_sum(pieces + separators)  # (pieces + 1,)
    # If a row ends with a part, its [SEP] is that of the row.
    end = offset[1:] - separators  # (pieces,)
    following = tf.searchsorted(end, offset[:-1] + max_tokens, side="right")
    row = reached(following, tf.stack([0, tf.size(pieces)]))
    start = tf.gather(offset, row)
    return ranges(tokens, start, tf.gather(end, tf.gather(following, row) - 1) - start)
