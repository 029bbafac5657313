"""The description of a model, besides its config: the contents of `model.json`."""

import dataclasses
from typing import Any, Literal

from bert_tf.tasks.kind import Task

PRETRAINING = "pretraining"
# "euclidean" and "manhattan" are negative distances.
Similarity = Literal["cosine", "dot", "euclidean", "manhattan"]


@dataclasses.dataclass(frozen=True)
class SentenceVector:
    """The settings of a model that was trained to give one vector for a text.

    The vector is pooled from the last layer (Reimers and Gurevych 2019, section 3).

    Attributes:
        pooling: "mean": over all tokens, [CLS] and [SEP] included. "cls": at [CLS].
            "pooled": the output of the pooler.
        normalize: whether the vector is scaled to length 1.
        max_length: the number of tokens, [CLS] and [SEP] included, at which a text is
            truncated.
        prompts: prefixes of a text, by name, such as "query: ".
        default_prompt: the name of the prompt that is used unless another is given.
        similarity: how two vectors are compared.
    """

    pooling: Literal["mean", "cls", "pooled"]
    normalize: bool
    max_length: int
    prompts: dict[str, str] = dataclasses.field(default_factory=dict)
    default_prompt: str | None = None
    similarity: Similarity = "cosine"

    def prompt(self, name: str | None = None) -> str:
        """The prompt of a name; None: the default prompt, "" if there is none.

        Raises:
            ValueError: there is no prompt of this name.
        """
        name = name or self.default_prompt
        if name is None:
            return ""
        if name not in self.prompts:
            raise ValueError(
                f"Received prompt_name={name!r}. Expected one of the model's prompts: "
                f"{list(self.prompts)}."
            )
        return self.prompts[name]


@dataclasses.dataclass(frozen=True)
class Description:
    """The contents of `model.json`.

    Attributes:
        kind: "pretraining", or one of `KINDS`.
        objective: the pre-training objective, one of `OBJECTIVES`.
        sentence_task: the task of the sentence head; None without one.
        dataset: the name of the dataset it was fine-tuned on.
        metrics: names of that dataset's metrics, the most important first.
        head: arguments of the kind's model, besides the config.
        encoding: arguments of the kind's encoding, besides the tokenizer.
        document_context: whether sentences are tagged together with their neighbours.
        sentence_vector: for an encoder that was trained to give one vector for a text.
        threshold, pairs: see `Task`.
    """

    kind: str
    sentence_task: str | None = None
    dataset: str | None = None
    metrics: tuple[str, ...] = ()
    head: dict[str, Any] = dataclasses.field(default_factory=dict)
    encoding: dict[str, Any] = dataclasses.field(default_factory=dict)
    document_context: bool = False
    threshold: float | None = None
    sentence_vector: SentenceVector | None = None
    pairs: bool = False
    objective: str = "masked_lm"

    @property
    def has_mlm_head(self) -> bool:
        """True if it has a language-model head."""
        return self.kind == PRETRAINING and self.head.get("mlm_head", True)

    def require_language_model_head(self) -> None:
        """Raises ValueError if it has no language-model head."""
        if not self.has_mlm_head:
            raise ValueError(
                "The model has no language-model head. Expected one of bert_tf.pretrain"
                "; an encoder alone predicts no tokens."
            )

    @property
    def labels(self) -> tuple[str, ...] | None:
        """Names of classes or tags, in the order of their ids."""
        labels = self.encoding.get("labels")
        # Hugging Face's files may have numbers, and earlier versions kept them.
        return None if labels is None else tuple(map(str, labels))

    @property
    def task(self) -> Task:
        """The task of a fine-tuned model."""
        # A converted model does not name the dataset it was fine-tuned on.
        pairs = self.pairs or (None if self.dataset is None else False)
        return Task(self.labels, self.metrics, self.threshold, pairs)


def description_from(
    values: dict[str, Any], path: str
) -> tuple[Description, dict[str, Any]]:
    """Makes a description from the fields in a JSON file, and a casing.

    Returns:
        The description, and `lower_case` and `strip_accents` if the values contain
        them: earlier model folders had no tokenization.json.

    Raises:
        ValueError: the values do not describe a model; `path` is named.
    """
    try:
        values = dict(values)
        names = ("lower_case", "strip_accents")
        casing = {name: values.pop(name) for name in names if name in values}
        if casing.get("strip_accents", True) is None:
            casing["strip_accents"] = casing.get("lower_case")
        values["metrics"] = tuple(values.get("metrics", ()))
        if values.get("sentence_vector") is not None:
            values["sentence_vector"] = SentenceVector(**values["sentence_vector"])
        return Description(**values), casing
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} does not describe a model: {error}") from None
