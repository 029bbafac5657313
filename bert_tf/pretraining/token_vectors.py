"""The vectors that the token table of a new model starts from."""

import numpy as np

from bert_tf.models.config import BertConfig
from bert_tf.word_vectors.keyed_vectors import read_token_vectors, to_word2vec_format
from bert_tf.word_vectors.texts import Pieces
from bert_tf.word_vectors.word2vec import learn_word2vec
from data_pipelines.files.atomic import new_file
from data_pipelines.files.paths import exists
from data_pipelines.programs.extras import extra
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Where a run keeps the vectors that it has learned.
LEARNED = "token_vectors.bin"
# The share of a budget in which they are learned, and the most passes over the text.
_SHARE_OF_BUDGET = 1 / 12
_NUM_EPOCHS = 3


def initial_vectors(
    path: str, vocabulary: Vocabulary, config: BertConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Reads vectors for the token table of a model.

    Returns:
        The vectors, float32 (tokens, width), and whether the file has one for each
        token, bool (tokens,).

    Raises:
        ValueError: the vectors are not as wide as the table.
    """
    vectors, is_found = read_token_vectors(path, vocabulary)
    expected = table_width(config)
    if vectors.shape[1] != expected:
        raise ValueError(
            f"{path} has vectors of {vectors.shape[1]} numbers. Expected {expected}, "
            "the width of the model's token table: learn them with "
            f"--vector_size={expected}."
        )
    return vectors, is_found


def require_gensim() -> None:
    """Raises ImportError if vectors cannot be learned here."""
    try:
        with extra("word_vectors"):
            import gensim  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{error} Or start without: --nolearn_vectors.") from None


def learn_token_vectors(
    path: str,
    records_dir: str,
    vocabulary: Vocabulary,
    width: int,
    *,
    budget: float,
    seed: int,
) -> None:
    """Learns skip-gram vectors of the pieces into a file, unless it is there.

    Args:
        path: the file, in word2vec's binary format.
        records_dir: the text, tokenized.
        vocabulary: its vocabulary.
        width: the width of the vectors.
        budget: the seconds of the whole run, of which a twelfth is for the vectors;
            infinite: the text is read three times.
        seed: random seed of the initial vectors and of the negatives.

    Raises:
        ValueError: no piece occurs five times.
        ImportError: the extra `word_vectors` is not installed.
    """
    if exists(path):
        return
    with new_file(path) as file:
        vectors = learn_word2vec(
            Pieces(records_dir, vocabulary),
            vector_size=width,
            num_epochs=_NUM_EPOCHS,
            max_seconds=_SHARE_OF_BUDGET * budget,
            seed=seed,
        )
        file.write(to_word2vec_format(vectors, path))


def table_width(config: BertConfig) -> int:
    """The width of the token table of a model."""
    return config.embedding_size or config.hidden_size
