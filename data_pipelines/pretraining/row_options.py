"""Options of the rows of pre-training."""

import dataclasses
from typing import Literal, get_args

from data_pipelines.programs import cli

SentenceTask = Literal["next_sentence", "sentence_order", "full_sentences"]
# What is masked as a whole, or what is predicted where nothing is masked.
MaskingUnit = Literal["token", "whole_word", "span"]
Unmasked = Literal["next_token", "every_token"]
Masking = Literal[MaskingUnit, Unmasked]


@dataclasses.dataclass(frozen=True)
class RowOptions:
    """Options that decide how rows are made and masked; the defaults are BERT's.

    Attributes:
        sequence_length: tokens of a row, special ones included.
        sentences: how sentences are put together, see `sentence_rows`.
        masking: which tokens are predicted, see `masking.mask_tokens`.
        mlm_rate: share of the tokens to predict.
        max_predictions: the most tokens of a row to predict.
        mask_rate: share of these to replace by `[MASK]`.
        random_rate: share of these to replace by a random token.
    """

    sequence_length: int
    sentences: SentenceTask = "next_sentence"
    masking: Masking = "token"
    mlm_rate: float = 0.15
    max_predictions: int = 20
    mask_rate: float = 0.8
    random_rate: float = 0.1

    def __post_init__(self) -> None:
        for name, allowed in (("sentences", SentenceTask), ("masking", Masking)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(
                    f"Received {name}={getattr(self, name)!r}. Expected one of "
                    f"{list(get_args(allowed))}."
                )
        cli.require_positive(max_predictions=self.max_predictions)
        rates = self.mlm_rate, self.mask_rate, self.random_rate
        if not all(0 <= rate <= 1 for rate in (*rates, sum(rates[1:]))):
            raise ValueError(
                f"Received mlm_rate={self.mlm_rate}, mask_rate={self.mask_rate} and "
                f"random_rate={self.random_rate}. Expected rates between 0 and 1, the "
                "last two together as well."
            )
