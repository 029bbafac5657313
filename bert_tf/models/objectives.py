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
    """The model, the loss and the masking of an objective."""

    # Class of the model, whose encoder is fine-tuned later.
    model: Callable[..., Any]
    # Makes the `Objective` from whether there is a sentence task.
    loss: Callable[[bool], Any]
    # The kind of rows where no token is masked; None for masked tokens.
    unmasked: Unmasked | None = None
    # Whether a sentence task is possible.
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
    name: str, config: Any, sentence_head: bool, dtype: Any = None, **head: Any
) -> Any:
    """Makes the model of an objective, with random weights, named `bert`.

    Only "masked_lm" allows a sentence head. `dtype` is a Keras dtype policy, and `head`
    are further arguments of the model.
    """
    if OBJECTIVES[name].model is BertPretrainer:
        head = {"sentence_head": sentence_head, **head}
    return OBJECTIVES[name].model(config, dtype=dtype, name="bert", **head)
