"""Bits per byte of masked words, a loss that does not depend on the vocabulary.

All models guess the same words of the same rows. All pieces of a word are masked, and
its bits are the sum over its pieces, so that vocabularies of any size compare.
"""

import dataclasses
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.prediction.answers import ADVICE
from data_pipelines.files.finite import require_finite

# Letters and digits: no tokenizer joins two of these words in one piece.
_WORD = re.compile(r"[^\W_]+")
_PERCENT_MASKED = 15
# Rows of this size fit 64 tokens, the shortest rows that a side trains on.
_ROW_BYTES = 240
_ROWS_OF_DOCUMENT = 20
# A word with an unknown piece costs as much as its bytes without any model.
_BITS_OF_UNKNOWN_BYTE = 8.0


@dataclasses.dataclass(frozen=True)
class Row:
    """A piece of a document, and the words in it that are masked.

    Attributes:
        text: the text.
        words: the first byte and the end, exclusive, of each masked word.
    """

    text: str
    words: tuple[tuple[int, int], ...]


def heldout_rows(documents: Sequence[str]) -> list[Row]:
    """Cuts the beginning of each document into rows, and chooses the words to mask.

    A word is chosen by the number of its document and its own number in it, so that
    all models get the same.
    """
    return [
        row
        for number, document in enumerate(documents)
        for row in _rows_of(number, document)
        if row.words
    ]


def _rows_of(document_number: int, document: str) -> Iterator[Row]:
    number, line, num_rows = 0, "", 0
    # Words behind the last full row are left out.
    for part in document.split():
        longer = f"{line} {part}" if line else part
        if len(longer.encode()) <= _ROW_BYTES:
            line = longer
            continue
        words = []
        for match in _WORD.finditer(line):
            if zlib.crc32(f"{document_number} {number}".encode()) % 100 < (
                _PERCENT_MASKED
            ):
                start = len(line[: match.start()].encode())
                words.append((start, start + len(match.group().encode())))
            number += 1
        yield Row(line, tuple(words))
        line, num_rows = part, num_rows + 1
        if num_rows == _ROWS_OF_DOCUMENT:
            return


@dataclasses.dataclass(frozen=True)
class HeldoutScores:
    """The figures of a model on held-out words.

    Attributes:
        bits_per_byte: the mean over the bytes of the masked words.
        word_accuracy: the share of the words of which the likeliest pieces are right.
        piece_accuracy: the share of the pieces of which the likeliest is right.
        num_words: the number of masked words.
        unknown_words: the number of those with a piece that the vocabulary lacks.
    """

    bits_per_byte: float
    word_accuracy: float
    piece_accuracy: float
    num_words: int
    unknown_words: int


def heldout_scores(
    loaded: LoadedModel, rows: Sequence[Row], batch_size: int = 64
) -> HeldoutScores:
    """Lets a masked language model guess the words.

    Raises:
        ValueError: the model is causal or has no head, a row is longer than it can
            read, or a figure is not finite.
    """
    loaded.description.require_language_model_head()
    config, vocabulary = loaded.model.encoder.config, loaded.vocabulary
    if config.causal:
        raise ValueError(
            "Received a causal model. Expected one that reads both sides of a masked "
            "word."
        )

    @tf.function(reduce_retracing=True, autograph=False)
    def predictions(ids: tf.RaggedTensor, positions: tf.RaggedTensor) -> tuple:
        rows, places = ids.to_tensor(), positions.to_tensor()
        is_asked = tf.sequence_mask(positions.row_lengths())
        labels = tf.gather(rows, places, batch_dims=1)
        is_place = tf.range(tf.shape(rows)[1]) == places[:, :, tf.newaxis]
        masked = tf.reduce_any(is_place & is_asked[:, :, tf.newaxis], axis=1)
        inputs = {
            "token_ids": tf.where(masked, vocabulary.mask_id, rows),
            "segment_ids": tf.zeros_like(rows),
            "padding_mask": tf.sequence_mask(ids.row_lengths(), tf.shape(rows)[1]),
            "mlm_positions": places,
        }
        logits = loaded.model(inputs)["mlm"][:, :, : len(vocabulary)]
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        right = tf.argmax(logits, -1, tf.int32) == labels
        return tuple(
            tf.boolean_mask(x, is_asked) for x in (loss / np.log(2), right, labels)
        )

    bits, lengths, right_words, right_pieces, unknown = [], [], [], [], 0
    for first in range(0, len(rows), batch_size):
        batch = rows[first : first + batch_size]
        ids, places, words = _masked(loaded, batch)
        found, right, labels = (x.numpy() for x in predictions(ids, places))
        sizes = [end - start for row in batch for start, end in row.words]
        # A word whose characters the tokenizer deletes has no piece.
        is_unknown = np.ones(len(sizes), bool)
        is_unknown[words] = False
        np.logical_or.at(is_unknown, words, labels == vocabulary.unk_id)
        of_words, all_right = np.zeros(len(sizes)), ~is_unknown
        np.add.at(of_words, words, found)
        np.logical_and.at(all_right, words, right)
        of_words[is_unknown] = _BITS_OF_UNKNOWN_BYTE * np.array(sizes)[is_unknown]
        bits.append(of_words)
        lengths += sizes
        right_words.append(all_right)
        right_pieces.append(right)
        unknown += int(is_unknown.sum())
    total = np.concatenate(bits).sum() / sum(lengths)
    require_finite(total, "The loss of held-out words", ADVICE)
    return HeldoutScores(
        float(total),
        float(np.concatenate(right_words).mean()),
        float(np.concatenate(right_pieces).mean()),
        len(lengths),
        unknown,
    )


def _masked(
    loaded: LoadedModel, rows: Sequence[Row]
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, np.ndarray]:
    """Tokenizes rows, and finds the pieces of the masked words.

    Returns:
        The ids with special tokens, ragged int32 (rows, (tokens)); the positions of
        masked tokens, ragged int32 (rows, (masked)); and the word of each of these,
        int (masked of all rows,), counted over all rows.
    """
    vocabulary = loaded.vocabulary
    found = loaded.tokenizer.tokenize_with_offsets(tf.constant([r.text for r in rows]))
    ids, starts, ends = (values.to_list() for values in found)
    framed, positions, words = [], [], []
    number = 0
    for row, pieces, begins, stops in zip(rows, ids, starts, ends, strict=True):
        framed.append([vocabulary.cls_id, *pieces, vocabulary.sep_id])
        masked = []
        for first, end in row.words:
            for place, (start, stop) in enumerate(zip(begins, stops, strict=True)):
                if start < end and stop > first:
                    masked.append(place + 1)
                    words.append(number)
            number += 1
        positions.append(masked)
    longest = max(map(len, framed))
    most = loaded.model.encoder.config.max_sequence_length
    if longest > most:
        raise ValueError(
            f"Received a row of {longest} tokens, more than the {most} that the model "
            "can read. Expected a model of longer rows."
        )
    return (
        tf.ragged.constant(framed, tf.int32),
        tf.ragged.constant(positions, tf.int32, ragged_rank=1),
        np.array(words, np.int64),
    )
