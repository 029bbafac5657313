"""What one vector of a text is, in models that were trained to give it."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class SentenceVector:
    """Made of the last layer (Reimers and Gurevych 2019, section 3).

    Attributes:
        pooling: "mean": over all tokens, [CLS] and [SEP] included. "cls": at [CLS].
            "pooled": the pooler's, which is of the last layer too.
        normalize: whether its length is made 1.
        max_length: tokens of a text, [CLS] and [SEP] included; the rest is cut off.
    """

    pooling: Literal["mean", "cls", "pooled"]
    normalize: bool
    max_length: int
