"""What pre-training can be told."""

import dataclasses
import math
from typing import Literal, get_args

from bert_tf.models import families, objectives
from bert_tf.models.families import FAMILIES
from bert_tf.models.objectives import OBJECTIVES
from bert_tf.optim.optimizers import OptimizerName
from bert_tf.training.distribution import DistributionOptions
from data_pipelines.corpus import documents
from data_pipelines.pretraining.row_options import (
    Masking,
    MaskingUnit,
    RowOptions,
    SentenceTask,
    Unmasked,
)
from data_pipelines.programs import cli
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.vocabulary import TokenizerKind, check_casing


@dataclasses.dataclass(frozen=True)
class PretrainOptions(DistributionOptions, CasingOptions):
    """What the program can be told. The defaults are those of the family's paper."""

    output_dir: str = cli.option(
        cli.REQUIRED, "Folder of the model, its checkpoints, logs and report."
    )
    input_files: tuple[str, ...] | None = cli.option(
        None, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    records_dir: str | None = cli.option(
        None, "Instead of text: the folder of create_pretraining_data."
    )
    separator: documents.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    skip_corrupt_records: bool = cli.option(
        False, "Leaves out what can not be read of damaged records, and counts it."
    )
    holdout_fraction: float = cli.option(
        0.02, "Share of the documents that the model is evaluated on. 0: none."
    )
    vocab_file: str | None = cli.option(
        None, "The vocabulary. Default: one is learned from the text."
    )
    vocab_size: int = cli.option(30522, "Pieces of a learned vocabulary.")
    tokenizer: TokenizerKind = cli.option(
        None, "Of a learned vocabulary. byte_bpe: as GPT-2 and RoBERTa."
    )
    num_processes: int | None = cli.option(
        None, "Processes that read text. Default: one for each core."
    )
    family: families.Name = cli.option(
        "bert",
        "Whose kin the model is: architecture, objective and the options that are None "
        "here are those of its paper.",
    )
    preset: Literal["tiny", "mini", "small", "medium", "base", "large"] = cli.option(
        "base", "Size of the model."
    )
    config_file: str | None = cli.option(
        None, "A bert_config.json, instead of a preset and what the family changes."
    )
    token_vectors: str | None = cli.option(
        None,
        "The file of bert_tf.learn_vectors, or one like it: the token "
        "table starts from its vectors. Default: from random ones.",
    )
    objective: objectives.Name = cli.option(
        None,
        "masked_lm: BERT's. next_token: each from those before it, by a causal model "
        "(GPT). both_directions: from those before and behind (ELMo). replaced_tokens: "
        "which ones a small model has written (ELECTRA).",
    )
    sentences: SentenceTask = cli.option(
        None,
        "next_sentence: NSP of the paper. sentence_order: SOP of ALBERT. "
        "full_sentences: no sentence task, as RoBERTa.",
    )
    masking_kind: MaskingUnit = cli.option(
        None, "What is masked as a whole, if anything is."
    )
    mlm_rate: float = cli.option(None, "Share of the tokens to predict.")
    mask_rate: float = cli.option(
        None, "Share of these that become [MASK]: 0.8 in the paper."
    )
    random_rate: float = cli.option(
        None, "Share of these that become another token: 0.1; the rest stays."
    )
    max_predictions: int | None = cli.option(
        None, "The most of a row of sequence_length. Default: mlm_rate of it."
    )
    sequence_length: int = cli.option(128, "Tokens of a row.")
    long_sequence_length: int | None = cli.option(
        None, "Tokens of a row in the last tenth of the steps; 512 in the paper."
    )
    batch_size: int = cli.option(None, "Rows of a step.")
    accumulation_steps: int = cli.option(
        1, "Slices of a batch that are run one after another, to need less memory."
    )
    num_train_steps: int = cli.option(1_000_000, "Steps in all.")
    optimizer: OptimizerName = cli.option(
        None,
        "adamw_bert: the original, without bias correction. adamw: with it. "
        "lamb: for large batches.",
    )
    learning_rate: float = cli.option(None, "At the end of the warm-up.")
    beta_2: float = cli.option(
        None, "Decay of the gradients' second moment; 0.98 in RoBERTa."
    )
    num_warmup_steps: int | None = cli.option(
        None, "Steps of the warm-up. Default: a hundredth of all."
    )
    weight_decay: float = cli.option(0.01, "Except of biases and norms.")
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "What is computed in; the weights stay float32."
    )
    seed: int = cli.option(0, "Of weights, order, pairs, masks and dropout.")
    eval_every: int = cli.option(5000, "Steps between two evaluations.")
    num_eval_batches: int = cli.option(100, "Held-out batches of an evaluation.")
    checkpoint_every: int = cli.option(1000, "Steps between two checkpoints.")
    log_every: int = cli.option(20, "Steps between two lines of metrics.jsonl.")

    def __post_init__(self) -> None:
        for name, value in FAMILIES[self.family].options.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if (self.input_files is None) == (self.records_dir is None):
            raise ValueError(
                f"Received input_files={self.input_files} and "
                f"records_dir={self.records_dir}. Expected one of the two."
            )
        if self.records_dir and not self.vocab_file:
            raise ValueError(
                "Received records_dir without vocab_file. Expected the vocabulary that "
                "the records were made with."
            )
        if not self.vocab_file:
            check_casing(self.tokenizer, self.lower_case, self.strip_accents)
        if self.token_vectors and not self.vocab_file:
            raise ValueError(
                "Received token_vectors without vocab_file. Expected the vocabulary "
                "whose pieces have these vectors."
            )
        positive = {
            name: getattr(self, name)
            for name in (
                "sequence_length",
                "batch_size",
                "accumulation_steps",
                "num_train_steps",
                "eval_every",
                "num_eval_batches",
                "checkpoint_every",
                "log_every",
                "learning_rate",
            )
        }
        wrong = {name: value for name, value in positive.items() if not value > 0}
        if wrong:
            raise ValueError(f"Received {wrong}. Expected numbers above 0.")
        if not 0 <= self.beta_2 < 1:
            raise ValueError(
                f"Received beta_2={self.beta_2}. Expected 0 or more, and less than 1."
            )
        if not 0 < self.mlm_rate < 1 or not 0 <= self.holdout_fraction < 1:
            raise ValueError(
                f"Received mlm_rate={self.mlm_rate}, holdout_fraction="
                f"{self.holdout_fraction}. Expected shares between 0 and 1."
            )
        rates = (self.mask_rate, self.random_rate, self.mask_rate + self.random_rate)
        if not all(0 <= rate <= 1 for rate in rates):
            raise ValueError(
                f"Received mask_rate={self.mask_rate} and random_rate="
                f"{self.random_rate}. Expected shares between 0 and 1, together as "
                "well."
            )
        objective = OBJECTIVES[self.objective]
        if self.sentences != "full_sentences" and not objective.has_sentence_task:
            raise ValueError(
                f"Received objective={self.objective} and sentences={self.sentences}. "
                "Expected full_sentences: a sentence task goes with masked_lm alone."
            )
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"Received batch_size={self.batch_size}, accumulation_steps="
                f"{self.accumulation_steps}. Expected a batch of equal slices: choose "
                "a divisor."
            )
        if self.warmup_steps >= self.num_train_steps:
            raise ValueError(
                f"Received num_warmup_steps={self.num_warmup_steps}. Expected less "
                f"than num_train_steps={self.num_train_steps}."
            )

    @property
    def masking(self) -> Masking:
        """What is predicted."""
        return OBJECTIVES[self.objective].unmasked or self.masking_kind

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up."""
        if self.num_warmup_steps is None:
            return self.num_train_steps // 100
        return self.num_warmup_steps

    @property
    def sentence_task(self) -> str | None:
        """What the sentence head is trained on; None without one."""
        return None if self.sentences == "full_sentences" else self.sentences

    def rows(self, sequence_length: int) -> RowOptions:
        """Options of the rows of a length."""
        return RowOptions(
            sequence_length,
            sentences=self.sentences,
            masking=self.masking,
            mlm_rate=self.mlm_rate,
            max_predictions=self._max_predictions(sequence_length),
            mask_rate=self.mask_rate,
            random_rate=self.random_rate,
        )

    def _max_predictions(self, sequence_length: int) -> int:
        if self.masking in get_args(Unmasked):
            return sequence_length - (1 if self.masking == "next_token" else 2)
        if self.max_predictions is None:
            return math.ceil(self.mlm_rate * sequence_length)
        return round(self.max_predictions * sequence_length / self.sequence_length)
