"""Counts the sentence pairs of a text, to check which sentence task it allows."""

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipelines.pretraining.documents import Documents, one_epoch
from data_pipelines.pretraining.randomness import as_seed, fold_in
from data_pipelines.pretraining.row_options import RowOptions, SentenceTask
from data_pipelines.pretraining.sentence_rows import sentence_rows
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Size of the sample: groups of parts, each group processed at a time.
_NUM_GROUPS = 32
_PARTS_PER_GROUP = 64
# In ordinary text with rows of 64 tokens or more, up to a quarter of the pairs are
# single sentences: the last of documents, and in short rows. In rows of 32, a half are.
_MANY = 1 / 3
_MOST = 3 / 4


@dataclasses.dataclass(frozen=True)
class PairCounts:
    """Counts of the sentence pairs in a sample of a text.

    Attributes:
        task: the sentence task of the pairs.
        row_tokens: tokens per row.
        pairs: number of pairs.
        single: number of pairs made of a single sentence without a successor.
        documents: number of different documents.
    """

    task: SentenceTask
    row_tokens: int
    pairs: int
    single: int
    documents: int

    @property
    def is_impossible(self) -> bool:
        """True if the task cannot be learned, because all pairs have one label."""
        if self.task == "full_sentences" or not self.pairs:
            return False
        return self.single == self.pairs or self._has_no_other

    @property
    def is_unfit(self) -> bool:
        """True if the task is impossible, or most pairs are single sentences."""
        return self.is_impossible or self._share > _MOST

    @property
    def finding(self) -> str | None:
        """Problem of the pairs, with numbers; None if there is none."""
        if self.task == "full_sentences":
            return None
        if self._has_no_other:
            return (
                "the text is a single document, so no second sentence can be from "
                "another one (--separator=blank_line may split it)"
            )
        if self._share <= _MANY:
            return None
        consequence = {
            "next_sentence": "so their second sentence is always random",
            "sentence_order": "so they are two halves of it",
        }[self.task]
        return (
            f"{self.single:,} of {self.pairs:,} sentence pairs ({self._share:.0%}) are "
            f"made of a single sentence without a successor, {consequence}: many "
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
    """Counts the pairs from the first 2,048 parts; the result is the same in each call.

    Args:
        documents: from `documents_from_records`, which mixes the parts.
        vocabulary: vocabulary with which the documents were tokenized.
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
