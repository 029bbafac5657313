"""Casing of texts before tokenization, and its options in every program."""

import dataclasses
from typing import Literal

from data_pipelines.programs import cli

# The kinds of a vocabulary, and those that can be learned here.
TokenizerKind = Literal["wordpiece", "byte_bpe", "sentencepiece"]
LearnedKind = Literal["wordpiece", "byte_bpe"]


@dataclasses.dataclass(frozen=True)
class CasingOptions:
    """Options of the casing of a vocabulary."""

    lower_case: bool | None = cli.option(
        None,
        "Lower-case texts. Set it to learn a vocabulary, or for one without "
        "tokenization.json, where it is stored. Default: true for WordPiece; "
        "others keep the case.",
    )
    strip_accents: bool | None = cli.option(
        None, "Remove accents from texts. Default: as lower_case."
    )


def check_casing(
    kind: TokenizerKind, lower_case: bool | None, strip_accents: bool | None
) -> None:
    """Raises ValueError if casing options are set for a kind that keeps the case."""
    if kind != "wordpiece" and (lower_case or strip_accents):
        name = {"byte_bpe": "byte-level BPE", "sentencepiece": "SentencePiece"}[kind]
        raise ValueError(
            f"Received lower_case={lower_case} and strip_accents={strip_accents} for a "
            f"vocabulary of {name}, which keeps texts unchanged. Expected neither: "
            "omit the options."
        )
