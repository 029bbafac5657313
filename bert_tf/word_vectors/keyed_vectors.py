"""Reads and writes vectors of words or pieces in word2vec's text and binary formats."""

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
    """Reads the vectors of the pieces of a vocabulary.

    The file is binary if it ends in `.bin`, else text, compressed if it ends in `.gz`.
    Its keys are pieces as in the vocabulary, including `##`.

    Returns:
        float32 `(pieces, width)`, by id, and bool `(pieces,)`: whether the file has the
        piece; otherwise the vector is 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has another format, or no piece of the vocabulary.
        ImportError: the extra `word_vectors` is not installed.
    """
    keyed = load_vectors(path)
    vectors = np.zeros((len(vocabulary), keyed.vector_size), np.float32)
    is_found = np.array([token in keyed for token in vocabulary.tokens])
    if not is_found.any():
        raise ValueError(
            f"{path} has none of the {len(vocabulary):,} pieces; its keys are, for "
            f"example, {keyed.index_to_key[:3]}. Expected vectors of these pieces: "
            "learn them from records with this vocabulary."
        )
    vectors[is_found] = keyed[[t for t in vocabulary.tokens if t in keyed]]
    return vectors, is_found


def load_vectors(path: str) -> "KeyedVectors":
    """Reads a local or remote file in word2vec's format as gensim's vectors.

    Raises:
        FileNotFoundError, ValueError, ImportError: as for `read_token_vectors`; or a
            value is not finite.
    """
    if not exists(path):
        raise FileNotFoundError(
            f"No vectors at {path!r}. Expected a file in word2vec's format, as "
            "bert_tf.learn_vectors writes it."
        )
    with extra("word_vectors"):
        from gensim.models import KeyedVectors
    with tempfile.TemporaryDirectory() as folder:
        # The path may be remote; gensim needs a local one.
        local = os.path.join(folder, posixpath.basename(path))
        tf.io.gfile.copy(path, local)
        is_binary = path.endswith(BINARY)
        try:
            with np.errstate(over="ignore"):
                found = KeyedVectors.load_word2vec_format(local, binary=is_binary)
        except (ValueError, EOFError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path} is not in word2vec's format ({error}). Expected binary "
                f"vectors in a file that ends in {BINARY}, else text."
            ) from None
    _require_finite(found, path)
    # Makes the cosine with a vector of length 0 equal to 0; in gensim it is NaN.
    found.fill_norms()
    found.norms[found.norms == 0] = 1
    return found


def _require_finite(vectors: "KeyedVectors", path: str) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors.vectors).all(axis=1))
    if bad.size:
        words = [vectors.index_to_key[index] for index in bad[:3]]
        raise ValueError(
            f"{path}: {bad.size:,} of {len(vectors):,} vectors have values that are "
            f"NaN or infinite, such as those of {words}. Expected finite numbers: "
            "learn or download the vectors again."
        )


def to_word2vec_format(vectors: "KeyedVectors", path: str) -> bytes:
    """The content of a file of this name: binary if it ends in `.bin`, else text.

    Raises:
        ValueError: a value is not finite.
    """
    _require_finite(vectors, path)
    with tempfile.TemporaryDirectory() as folder:
        local = os.path.join(folder, posixpath.basename(path))
        vectors.save_word2vec_format(local, binary=path.endswith(BINARY))
        with open(local, "rb") as file:
            return file.read()
