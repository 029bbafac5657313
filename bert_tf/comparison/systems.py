"""Systems to compare, and the ablations of the paper's tables."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

Ablation = Literal["pretraining_tasks", "masking", "sizes"]

# Fine-tuning on top of frozen vectors, as was usual before BERT.
_FROZEN = {"lstm_units": 64, "learning_rate": 2e-3}


@dataclasses.dataclass(frozen=True)
class System:
    """A model, and how it is trained.

    Attributes:
        verb: the kind of program that trains it.
        title: the name in the report.
        options: options of that program.
        finetuning: options of `finetune`; None if it cannot be fine-tuned.
    """

    verb: Literal["pretrain", "word_vectors", "ngram"]
    title: str
    options: Mapping[str, Any]
    finetuning: Mapping[str, Any] | None

    @property
    def tokenizer(self) -> Literal["wordpiece", "byte_bpe"]:
        """The tokenizer of its text: byte-level BPE for RoBERTa."""
        return "byte_bpe" if self.options.get("family") == "roberta" else "wordpiece"


def _model(title: str, finetuning: Any = None, /, **options: Any) -> System:
    return System("pretrain", title, options, finetuning or {})


def _vectors(title: str, method: str) -> System:
    finetuning = {"features": "embeddings", **_FROZEN}
    return System("word_vectors", title, {"method": method}, finetuning)


SYSTEMS: dict[str, System] = {
    "ngram": System("ngram", "trigrams", {}, None),
    "class_ngram": System("ngram", "trigrams and classes", {"num_classes": 500}, None),
    "skip_gram": _vectors("skip-gram", "skip_gram"),
    "cbow": _vectors("CBOW", "cbow"),
    "glove": _vectors("GloVe", "glove"),
    "elmo": _model("ELMo", {"features": "weighted_states", **_FROZEN}, family="elmo"),
    "gpt": _model("GPT", family="gpt"),
    "bert": _model("BERT", family="bert"),
    "roberta": _model("RoBERTa", family="roberta"),
    "albert": _model("ALBERT", family="albert"),
    # At 1e-3 its last layer gave all tokens the same vector, and fine-tuning did not
    # change that. 5e-4 is the rate of the paper's small model.
    "electra": _model("ELECTRA", family="electra", learning_rate=5e-4),
    "modern": _model("modern", family="modern"),
    "compact": _model("compact", family="compact"),
}


def _bert(title: str, **options: Any) -> System:
    return _model(title, family="bert", **options)


def _split(mask: float, random: float) -> System:
    same = abs(round(1 - mask - random, 2))
    title = f"mask {mask:.0%}, same {same:.0%}, random {random:.0%}"
    return _bert(title, mask_rate=mask, random_rate=random)


ABLATIONS: dict[str, dict[str, System]] = {
    # Table 5 of the paper.
    "pretraining_tasks": {
        "bert": SYSTEMS["bert"],
        "no_nsp": _bert("no NSP", sentences="full_sentences"),
        "left_to_right": _bert(
            "left to right, no NSP", objective="next_token", sentences="full_sentences"
        ),
    },
    # Table 8.
    "masking": {
        "mask80_random10": _split(0.8, 0.1),
        "mask100": _split(1.0, 0.0),
        "mask80": _split(0.8, 0.0),
        "mask80_random20": _split(0.8, 0.2),
        "random20": _split(0.0, 0.2),
        "random100": _split(0.0, 1.0),
    },
    # Table 6, for a machine of this size.
    "sizes": {
        name: _bert(title, preset=name)
        for name, title in (
            ("tiny", "2 layers of 128"),
            ("mini", "4 layers of 256"),
            ("small", "4 layers of 512"),
            ("medium", "8 layers of 512"),
        )
    },
}
