"""Options of pre-training rows."""

import dataclasses
from typing import Literal, get_args

from data_pipelines.programs import cli

SentenceTask = Literal["next_sentence", "sentence_order", "full_sentences"]
# Units of masking, and the predicted tokens of objectives without masking.
MaskingUnit = Literal["token", "whole_word", "span"]
Unmasked = Literal["next_token", "every_token"]
Masking = Literal[MaskingUnit, Unmasked]


@dataclasses.dataclass(frozen=True)
class RowOptions:
    """Options of how rows are built and masked; the defaults are those of BERT.

    Attributes:
        sequence_length: tokens per row, including special tokens.
        sentences: sentence task of the rows, see `sentence_rows`.
        masking: tokens to predict, see `masking.mask_tokens`.
        mlm_rate: share of the tokens to predict.
        max_predictions: maximum number of tokens to predict per row.
        mask_rate: share of the predicted tokens replaced by `[MASK]`.
        random_rate: share of the predicted tokens replaced by random ones.
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
                f"random_rate={self.random_rate}. Expected rates from 0 to 1, and the "
                "sum of the last two at most 1."
            )
