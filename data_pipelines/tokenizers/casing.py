"""The options of a vocabulary's casing, the same in every program that has them."""

import dataclasses

from data_pipelines.programs import cli


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
