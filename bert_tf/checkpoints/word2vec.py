"""Reads vectors of words, or of pieces, as an encoder without blocks.

Its output for a word does not depend on the context: the comparison of a head on this
encoder with one on BERT shows how much context is worth.
"""

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.foreign import ENCODER_ALONE, has_accents, is_lower_cased
from bert_tf.checkpoints.model_dir import Checkpoint
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.checkpoints.unrecognised import kind_of_file
from bert_tf.models.config import BertConfig
from bert_tf.word_vectors.keyed_vectors import load_vectors
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKEN_TABLE = "encoder/embeddings/token_table"


def is_there(source: str) -> bool:
    """True if a source is a file, but not a file of another kind of model."""
    is_file = tf.io.gfile.exists(source) and not tf.io.gfile.isdir(source)
    return is_file and kind_of_file(source) is None


def read(path: str) -> Checkpoint:
    """Reads a file in word2vec's format; see `bert_tf.word_vectors.keyed_vectors`.

    The vocabulary is the special tokens, whose vectors are 0 if they are not in the
    file, and the words. Other words are `[UNK]`.

    Raises:
        FileNotFoundError, ValueError, ModuleNotFoundError: as for `load_vectors`;
            or a word occurs twice.
    """
    vectors = load_vectors(path)
    words = [word for word in vectors.index_to_key if word not in SPECIAL_TOKENS]
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *words))
    table = np.zeros((len(vocabulary), vectors.vector_size), np.float32)
    for index, token in enumerate(vocabulary.tokens):
        if token in vectors:
            table[index] = vectors[token]
    lower_case = is_lower_cased(vocabulary)
    vocabulary = vocabulary.with_casing(
        lower_case, lower_case and not has_accents(vocabulary)
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=vectors.vector_size,
        num_hidden_layers=0,
        type_vocab_size=0,
        position_embeddings="none",
        embedding_norm=False,
        pooler=False,
    )
    weights = Tensors.of({TOKEN_TABLE: table})
    return Checkpoint(config, vocabulary, ENCODER_ALONE, weights)
