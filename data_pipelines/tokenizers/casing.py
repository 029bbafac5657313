"""The casing of the texts that a tokenizer cuts, and its options in every program."""

import dataclasses
from typing import Literal

from data_pipelines.programs import cli

TokenizerKind = Literal["wordpiece", "byte_bpe"]


@dataclasses.dataclass(frozen=True)
class CasingOptions:
    """Options of the casing with which a vocabulary is learned, or was by others."""

    lower_case: bool | None = cli.option(
        None,
        "Whether texts are lower-cased. Needed to learn a vocabulary, and for one of "
        "others: tokenization.json beside a learned one says it. Default: true for "
        "WordPiece; byte-level BPE changes nothing.",
    )
    strip_accents: bool | None = cli.option(
        None, "Whether accents are removed, likewise. Default: as lower_case."
    )


def check_casing(
    kind: TokenizerKind, lower_case: bool | None, strip_accents: bool | None
) -> None:
    """Raises ValueError if byte-level BPE is to change texts."""
    if kind == "byte_bpe" and (lower_case or strip_accents):
        raise ValueError(
            f"Received lower_case={lower_case} and strip_accents={strip_accents} for a "
            "vocabulary of byte-level BPE, which spells texts as they are. Expected "
            "neither: leave the options out."
        )
