"""Vectors by word, or by piece, in the text and binary formats of word2vec."""

import os
import posixpath
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from data_pipelines.files.paths import exists
from data_pipelines.programs.extras import extra
from data_pipelines.tokenizers.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

BINARY = ".bin"


def read_token_vectors(
    path: str, vocabulary: Vocabulary
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the vectors of the pieces that a file has.

    The file is binary if it ends in `.bin`, else text, compressed if it ends in `.gz`.
    Its keys are pieces as in the vocabulary, `##` and all.

    Returns:
        float32 `(pieces, width)`, by id, and bool `(pieces,)`: whether the file has the
        piece; where it has not, the vector is 0.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is of another format, or has no piece of the vocabulary.
        ImportError: the extra `word_vectors` is not installed.
    """
    keyed = load_vectors(path)
    vectors = np.zeros((len(vocabulary), keyed.vector_size), np.float32)
    is_found = np.array([token in keyed for token in vocabulary.tokens])
    if not is_found.any():
        raise ValueError(
            f"{path} has none of the {len(vocabulary):,} pieces, but such as "
            f"{keyed.index_to_key[:3]}. Expected vectors of these pieces: learn them "
            "from records of this vocabulary."
        )
    vectors[is_found] = keyed[[t for t in vocabulary.tokens if t in keyed]]
    return vectors, is_found


def load_vectors(path: str) -> "KeyedVectors":
    """Reads a file in word2vec's format, local or remote, as gensim's vectors.

    Raises:
        FileNotFoundError, ValueError, ImportError: as `read_token_vectors`.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"No vectors at {path!r}. Expected a file in word2vec's format: make it "
            "with bert_tf.learn_vectors."
        )
    with extra("word_vectors"):
        from gensim.models import KeyedVectors
    with tempfile.TemporaryDirectory() as folder:
        # The path may be remote; gensim wants a local one.
        local = os.path.join(folder, posixpath.basename(path))
        tf.io.gfile.copy(path, local)
        is_binary = path.endswith(BINARY)
        try:
            return KeyedVectors.load_word2vec_format(local, binary=is_binary)
        except (ValueError, EOFError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path} is not in word2vec's format ({error}). Expected binary "
                f"vectors in a file that ends in {BINARY}, else text."
            ) from None


def to_word2vec_format(vectors: "KeyedVectors", path: str) -> bytes:
    """The content of a file of this name: binary if it ends in `.bin`, else text."""
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, posixpath.basename(path))
        vectors.save_word2vec_format(local, binary=path.endswith(BINARY))
        with open(local, "rb") as file:
            return file.read()
