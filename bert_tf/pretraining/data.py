"""The data of a pre-training run: its phases and its held-out batches."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from bert_tf.models.config import BertConfig
from bert_tf.models.size import pretraining_step_flops
from bert_tf.training.loop import Phase
from bert_tf.training.seeds import data_seed
from data_pipelines.pretraining.batches import (
    evaluation_batches,
    streams_of,
    training_batches,
)
from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.pair_counts import count_pairs
from data_pipelines.pretraining.record_folder import lost_records, record_files
from data_pipelines.pretraining.row_options import RowOptions, SentenceTask
from data_pipelines.tokenizers.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Records:
    """A folder that `create_pretraining_data` has written.

    Attributes:
        folder, manifest: the folder, and its manifest.
        skip_corrupt: whether records that cannot be read are left out.
    """

    folder: str
    manifest: dict[str, Any]
    skip_corrupt: bool

    def files(self, split: str) -> list[str]:
        """Returns the files of a split, "train" or "heldout"."""
        return record_files(self.folder, split, self.skip_corrupt)


def damaged_files(folder: str) -> list[str]:
    """Returns a line for each file with records that cannot be read."""
    return [
        f"{path} is damaged: {lost:,} of {count:,} records cannot be read"
        for split in ("train", "heldout")
        for path, (lost, count) in lost_records(folder, split).items()
    ]


def possible_sentences(
    records: Records, vocabulary: Vocabulary, rows: RowOptions, is_chosen: bool
) -> SentenceTask:
    """Returns the sentence task of the rows, or none if the text does not allow it.

    If many pairs have no next sentence, a warning gives their number; if most have
    none, `full_sentences` replaces a task that the user did not choose.

    Args:
        records: the text.
        vocabulary: the vocabulary of the records.
        rows: the rows, with the task.
        is_chosen: whether the user chose the task.

    Raises:
        ValueError: the user chose it, and there is no pair to learn it from.
    """
    files = records.files("train")
    documents = documents_from_records(files, skip_corrupt=records.skip_corrupt)
    counts = count_pairs(documents, vocabulary, rows)
    if counts.finding is None:
        if (
            rows.sentences == "next_sentence"
            and records.manifest["heldout_counts"].get("documents") == 1
        ):
            logging.warning(
                "Only one document is held out: all of its sentence pairs are in "
                "order, so their accuracy means little."
            )
        return rows.sentences
    if is_chosen and counts.is_impossible:
        raise ValueError(
            f"Received sentences={rows.sentences}, but {counts.finding}. Expected text "
            "of documents with several sentences: leave the option out, or choose "
            "--sentences=full_sentences."
        )
    if is_chosen or not counts.is_unfit:
        logging.warning(
            "sentences=%s: %s. --sentences=full_sentences may suit this text better.",
            *(rows.sentences, counts.finding),
        )
        return rows.sentences
    logging.warning(
        "Rows are full_sentences, without the sentence task %s: %s.",
        *(rows.sentences, counts.finding),
    )
    return "full_sentences"


def training_phases(
    records: Records,
    vocabulary: Vocabulary,
    phases: Sequence[tuple[int, RowOptions]],
    config: BertConfig,
    *,
    batch_size: int,
    seed: int,
) -> list[Phase]:
    """Makes the phases of a run.

    Args:
        records: the text.
        vocabulary: the vocabulary of the records.
        phases: the last step and the rows of each phase.
        config: the config of the model, which gives the operations of a step.
        batch_size: rows in a batch.
        seed: the seed of the run.

    Raises:
        ValueError: the files cannot be divided evenly among the replicas.
    """
    files = records.files("train")
    documents = documents_from_records(
        files, seed=seed, skip_corrupt=records.skip_corrupt
    )
    num_streams = streams_of(batch_size, len(files))
    num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if num_streams % num_replicas:
        raise ValueError(
            f"Received batch_size={batch_size} and {len(files)} record files "
            f"for {num_replicas} replicas. Expected multiples of {num_replicas}, so "
            "that each replica has files of its own: see --num_shards of "
            "create_pretraining_data."
        )

    def phase(number: int, end_step: int, rows: RowOptions) -> Phase:
        def batches(replica: int, num_replicas: int, attempt: int) -> tf.data.Dataset:
            return training_batches(
                documents,
                vocabulary,
                rows,
                batch_size=batch_size,
                seed=data_seed(seed, phase=number, attempt=attempt),
                num_streams=num_streams,
                replica=(replica, num_replicas),
            )

        length = rows.sequence_length
        flops = pretraining_step_flops(config, batch_size, length, rows.max_predictions)
        return Phase(end_step, batches, {"tokens": batch_size * length, "flops": flops})

    return [phase(number, *values) for number, values in enumerate(phases)]


def heldout_batches(
    records: Records,
    vocabulary: Vocabulary,
    rows: RowOptions,
    *,
    batch_size: int,
    seed: int,
    num_batches: int,
) -> tf.data.Dataset | None:
    """Returns the same held-out batches for each evaluation; None without any.

    A warning says if documents were to be held out and none was, as may happen when
    there are few documents.
    """
    manifest = records.manifest
    if not manifest["holdout_fraction"]:
        return None
    if not manifest["heldout_counts"].get("parts"):
        logging.warning(
            "None of %s documents was held out with holdout_fraction=%s: the model is "
            "trained without held-out figures. For some, raise --holdout_fraction or "
            "divide the text into more documents (--separator=blank_line), with "
            "another output_dir.",
            *(manifest["counts"]["documents"], manifest["holdout_fraction"]),
        )
        return None
    documents = documents_from_records(
        records.files("heldout"), skip_corrupt=records.skip_corrupt
    )
    batches = evaluation_batches(
        documents, vocabulary, rows, batch_size=batch_size, seed=seed
    )
    return batches.take(num_batches).cache()
