"""What a model starts from: vocabulary, records and word vectors of the text."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from bert_tf.comparison import programs
from bert_tf.learn_vectors import LearnVectorsOptions
from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions
from data_pipelines.learn_vocabulary import LearnVocabularyOptions

_NUM_EPOCHS = 3


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Paths of a vocabulary file, a folder of records, and a file of vectors."""

    vocabulary: str
    records: str
    vectors: str


def prepare(
    files: Sequence[str], folder: str, vocab_size: int, vector_size: int, log: str
) -> Prepared:
    """Makes vocabulary, records and vectors of the pieces, unless they are there.

    Args:
        files: the text.
        folder: gets all of them; vectors of several widths lie beside each other.
        vocab_size: the number of pieces.
        vector_size: the width of the vectors.
        log: the file to which the programs' output is added.

    Raises:
        ValueError: a program failed.
    """
    os.makedirs(folder, exist_ok=True)
    paths = Prepared(
        os.path.join(folder, "vocab.txt"),
        os.path.join(folder, "records"),
        os.path.join(folder, f"vectors_{vector_size}.bin"),
    )
    if not os.path.exists(paths.vocabulary):
        learn = LearnVocabularyOptions(
            input_files=tuple(files), vocab_size=vocab_size, vocab_file=paths.vocabulary
        )
        run_logged("data_pipelines.learn_vocabulary", learn, log)
    if not os.path.exists(paths.records):
        create = CreatePretrainingDataOptions(
            input_files=tuple(files),
            vocab_file=paths.vocabulary,
            output_dir=paths.records,
            holdout_fraction=0.01,
        )
        run_logged("data_pipelines.create_pretraining_data", create, log)
    if not os.path.exists(paths.vectors):
        vectors = LearnVectorsOptions(
            records_dir=paths.records,
            vocab_file=paths.vocabulary,
            vector_size=vector_size,
            num_epochs=_NUM_EPOCHS,
            vectors_file=paths.vectors,
        )
        run_logged("bert_tf.learn_vectors", vectors, log)
    return paths


def run_logged(module: str, options: Any, log: str) -> float:
    """Runs a program, and adds its output to a file; returns its seconds.

    Raises:
        ValueError: it failed; its last line and the file are named.
    """
    try:
        return programs.run(module, options, log)
    except programs.Failed as error:
        raise ValueError(f"{module} failed: {error} (all of it: {log})") from None
