"""Tokenizes texts into parts of documents: whole sentences as ids, of bounded size."""

import tensorflow as tf

from data_pipelines.corpus.layout import Layout
from data_pipelines.rows.windows import windows
from data_pipelines.tokenizers.tokenizer import Tokenizer

# Limits that bound the memory for any document: a novel is split into parts, and text
# without full stops into sentences that fit into the longest row.
MAX_PART_SENTENCES = 256
MAX_PART_TOKENS = 16_384
MAX_SENTENCE_TOKENS = 512


def tokenize_documents(
    texts: tf.Tensor,
    document_ids: tf.Tensor,
    tokenizer: Tokenizer,
    layout: Layout | None = None,
) -> dict[str, tf.Tensor]:
    """Tokenizes texts into parts of documents, in the TensorFlow graph.

    `["One. Two three."]` of the document 5 becomes `{"token_ids": [[id of one, .,
    two, three, .]], "sentence_lengths": [[2, 3]], "document_id": [5], "text": [0]}`.

    A part ends after every `MAX_PART_SENTENCES` sentences of a text, or (not counting
    the last sentence) `MAX_PART_TOKENS` tokens. Sentences longer than
    `MAX_SENTENCE_TOKENS` are split; those without tokens are dropped.

    Args:
        texts: string `(texts,)`.
        document_ids: int64 `(texts,)`.
        tokenizer: tokenizer of the texts.
        layout: layout with which the texts were read.

    Returns:
        `token_ids` int32 `(parts, (tokens))` and `sentence_lengths` int32
        `(parts, (sentences))` ragged; `document_id` int64 `(parts,)`; and `text` int64
        `(parts,)`, the index of the text of each part.
    """
    sentences = (layout or Layout()).sentences_of(texts)  # (texts, (sentences))
    pieces = tokenizer.tokenize_words(sentences.values)  # (sentences, (pieces))
    text = sentences.value_rowids()  # (sentences,)
    lengths = tf.cast(pieces.row_lengths(), tf.int32)
    sentence, _, lengths = windows(lengths, MAX_SENTENCE_TOKENS, MAX_SENTENCE_TOKENS)
    text = tf.boolean_mask(tf.gather(text, sentence), lengths > 0)
    lengths = tf.cast(tf.boolean_mask(lengths, lengths > 0), tf.int64)
    places = tf.range(tf.size(lengths, tf.int64))

    # The index of each sentence in its text, and the index of its first token.
    opens_text = tf.concat([[-1], text[:-1]], 0) < text
    text_first = tf.gather(
        tf.boolean_mask(places, opens_text),
        tf.cumsum(tf.cast(opens_text, tf.int64)) - 1,
    )
    sentence = places - text_first
    tokens_before = tf.cumsum(lengths, exclusive=True)
    token = tokens_before - tf.gather(tokens_before, text_first)
    block = tf.stack([text, sentence // MAX_PART_SENTENCES, token // MAX_PART_TOKENS])
    opens_part = tf.reduce_any(
        tf.pad(block[:, :-1], [[0, 0], [1, 0]], constant_values=-1) != block, axis=0
    )
    part = tf.cumsum(tf.cast(opens_part, tf.int64)) - 1  # (sentences,)

    text = tf.boolean_mask(text, opens_part)  # (parts,)
    num_parts = tf.size(text, tf.int64)
    num_tokens = tf.math.unsorted_segment_sum(lengths, part, num_parts)
    return {
        "token_ids": tf.RaggedTensor.from_row_lengths(
            pieces.values, num_tokens, validate=False
        ),
        "sentence_lengths": tf.RaggedTensor.from_value_rowids(
            tf.cast(lengths, tf.int32), part, num_parts, validate=False
        ),
        "document_id": tf.gather(document_ids, text),
        "text": text,
    }
