"""Counts what pairs of sentences a text gives, to know which task it allows."""

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipelines.pretraining.documents import Documents, one_epoch
from data_pipelines.pretraining.randomness import as_seed, fold_in
from data_pipelines.pretraining.row_options import RowOptions, SentenceTask
from data_pipelines.pretraining.sentence_rows import sentence_rows
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Parts that are looked at, and of which rows are made at once.
_NUM_GROUPS = 32
_PARTS_PER_GROUP = 64
# Of ordinary text in rows of 64 tokens or more up to a quarter of the pairs are single
# sentences: the last of documents, and in short rows. In rows of 32 it is a half.
_MANY = 1 / 3
_MOST = 3 / 4


@dataclasses.dataclass(frozen=True)
class PairCounts:
    """Counts of the pairs that a sample of a text gives.

    Attributes:
        task: the sentence task that the pairs are for.
        row_tokens: tokens of a row.
        pairs: number of pairs.
        single: number of those made of a single sentence, which nothing follows.
        documents: number of different documents.
    """

    task: SentenceTask
    row_tokens: int
    pairs: int
    single: int
    documents: int

    @property
    def is_impossible(self) -> bool:
        """True if the task has nothing to learn from: all pairs are of one kind."""
        if self.task == "full_sentences" or not self.pairs:
            return False
        return self.single == self.pairs or self._has_no_other

    @property
    def is_unfit(self) -> bool:
        """True if the task is impossible, or most pairs are single sentences."""
        return self.is_impossible or self._share > _MOST

    @property
    def finding(self) -> str | None:
        """The fault of the pairs, with its numbers; None if there is none."""
        if self.task == "full_sentences":
            return None
        if self._has_no_other:
            return (
                "the text is a single document, so that no second sentence can be from "
                "another one (--separator=blank_line may divide it)"
            )
        if self._share <= _MANY:
            return None
        consequence = {
            "next_sentence": "so that their second one is always a random one",
            "sentence_order": "so that their parts are two halves of it",
        }[self.task]
        return (
            f"{self.single:,} of {self.pairs:,} sentence pairs ({self._share:.0%}) are "
            f"made of a single sentence, which nothing follows, {consequence}: many "
            f"documents have one sentence, or sentences fill rows of {self.row_tokens} "
            "tokens"
        )

    @property
    def _share(self) -> float:
        return self.single / max(self.pairs, 1)

    @property
    def _has_no_other(self) -> bool:
        return self.task == "next_sentence" and self.documents == 1


def count_pairs(
    documents: Documents, vocabulary: Vocabulary, rows: RowOptions
) -> PairCounts:
    """Counts the pairs that the first 2,048 parts give; the same in each call.

    Args:
        documents: from `documents_from_records`, which mixes the parts.
        vocabulary: the one the documents were tokenized with.
        rows: options of the rows.
    """
    pairs = single = 0
    ids: set[int] = set()
    if rows.sentences != "full_sentences":
        groups = one_epoch(documents).ragged_batch(_PARTS_PER_GROUP).take(_NUM_GROUPS)

        @tf.autograph.experimental.do_not_convert
        def counts(number: tf.Tensor, group: dict[str, tf.Tensor]) -> tuple:
            made = sentence_rows(group, fold_in(as_seed(0), number), vocabulary, rows)
            return made["is_single"], group["document_id"]

        for is_single, document_ids in groups.enumerate().map(counts):
            pairs += int(tf.size(is_single))
            single += int(np.count_nonzero(is_single))
            ids.update(document_ids.numpy().tolist())
    return PairCounts(rows.sentences, rows.sequence_length, pairs, single, len(ids))
