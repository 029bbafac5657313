"""Made-up documents whose ids tell where they stand, for several tests."""

from string import ascii_lowercase

import numpy as np
import tensorflow as tf

from data_pipelines.rows import features
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

FIRST_ID = 10
IDS_PER_DOCUMENT = 2_500


def vocabulary(size: int) -> Vocabulary:
    words = [f"w{i}" for i in range(len(SPECIAL_TOKENS), size)]
    return Vocabulary((*SPECIAL_TOKENS, *words))


def documents(
    number: int, sentences: int = 40, longest: int = 30, seed: int = 0
) -> list[list[list[int]]]:
    """Document d has the ids FIRST_ID + d * IDS_PER_DOCUMENT and the following."""
    generator = np.random.default_rng(seed)
    made = []
    for document in range(number):
        token = FIRST_ID + document * IDS_PER_DOCUMENT
        made.append([])
        for length in generator.integers(1, longest + 1, sentences):
            made[-1].append(list(range(token, token + length)))
            token += int(length)
    return made


def document_of(token_id: int) -> int:
    return (token_id - FIRST_ID) // IDS_PER_DOCUMENT


def group(made: list[list[list[int]]], ids: list[int] | None = None) -> dict:
    flat = [[token for sentence in document for token in sentence] for document in made]
    lengths = [[len(sentence) for sentence in document] for document in made]
    return {
        "token_ids": tf.ragged.constant(flat, tf.int32, ragged_rank=1),
        "sentence_lengths": tf.ragged.constant(lengths, tf.int32, ragged_rank=1),
        "document_id": tf.constant(
            list(range(len(made))) if ids is None else ids, tf.int64
        ),
    }


def write_records(path: str, made: list[list[list[int]]], first_id: int = 0) -> str:
    with tf.io.TFRecordWriter(path) as writer:
        for number, document in enumerate(made):
            writer.write(
                features.part_to_example(
                    [token for sentence in document for token in sentence],
                    [len(sentence) for sentence in document],
                    first_id + number,
                )
            )
    return path


LETTERS = Vocabulary(
    (*SPECIAL_TOKENS, ".", *ascii_lowercase, *(f"##{a}" for a in ascii_lowercase))
)


def text(seed: int, sentences: int) -> str:
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(sentences):
        words = [
            "".join(generator.choice(list("abcdefgh"), generator.integers(1, 5)))
            for _ in range(generator.integers(3, 9))
        ]
        made.append(" ".join(words).capitalize() + ".")
    return " ".join(made)
