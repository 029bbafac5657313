"""The objectives of pre-training, in one table."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from bert_tf.models.bidirectional_lm import (
    BidirectionalLanguageModel,
    BidirectionalObjective,
)
from bert_tf.models.masked_lm import BertPretrainer, PretrainingObjective
from bert_tf.models.replaced_token_detection import (
    ReplacedTokenDetector,
    ReplacedTokenObjective,
)
from data_pipelines.pretraining.row_options import Unmasked

Name = Literal["masked_lm", "next_token", "both_directions", "replaced_tokens"]


@dataclasses.dataclass(frozen=True)
class ObjectiveParts:
    """The parts of a pre-training that go together.

    Attributes:
        model: class of the model; its encoder is what is fine-tuned.
        loss: from whether there is a sentence task to what is minimised.
        unmasked: the kind of masking, where nothing is hidden; None: as one likes.
        has_sentence_task: whether there may be one.
    """

    model: Callable[..., Any]
    loss: Callable[[bool], Any]
    unmasked: Unmasked | None = None
    has_sentence_task: bool = False


OBJECTIVES: dict[str, ObjectiveParts] = {
    # BERT, RoBERTa, ALBERT.
    "masked_lm": ObjectiveParts(
        BertPretrainer, PretrainingObjective, has_sentence_task=True
    ),
    # GPT.
    "next_token": ObjectiveParts(
        BertPretrainer, PretrainingObjective, unmasked="next_token"
    ),
    # ELMo.
    "both_directions": ObjectiveParts(
        BidirectionalLanguageModel,
        lambda _: BidirectionalObjective(),
        unmasked="every_token",
    ),
    # ELECTRA.
    "replaced_tokens": ObjectiveParts(
        ReplacedTokenDetector, lambda _: ReplacedTokenObjective()
    ),
}


def make_pretrainer(
    name: str,
    config: Any,
    sentence_head: bool,
    dtype: Any = None,
    **head: Any,
) -> Any:
    """The model of an objective, with random weights, named `bert`.

    Args:
        name: of `OBJECTIVES`.
        config: of the encoder.
        sentence_head: whether there is one; of "masked_lm" alone.
        dtype: a Keras dtype policy.
        head: more arguments of the model.
    """
    if OBJECTIVES[name].model is BertPretrainer:
        head = {"sentence_head": sentence_head, **head}
    return OBJECTIVES[name].model(config, dtype=dtype, name="bert", **head)
