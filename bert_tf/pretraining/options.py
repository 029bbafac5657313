"""Options of pre-training."""

import dataclasses
import math
import posixpath
from typing import Literal, Self

from bert_tf.models import families, objectives
from bert_tf.models.families import Dtype, Preset, Recipe
from bert_tf.optim.optimizers import OptimizerName
from bert_tf.training.budget import seconds_of
from bert_tf.training.distribution import DistributionOptions
from bert_tf.training.hardware import number_format
from bert_tf.training.plan import LONG_SHARE
from data_pipelines.corpus import documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.files.fingerprints import present
from data_pipelines.pretraining.record_folder import MANIFEST
from data_pipelines.pretraining.row_options import MaskingUnit, RowOptions, SentenceTask
from data_pipelines.programs import cli
from data_pipelines.tokenizers import vocabulary_files
from data_pipelines.tokenizers.casing import CasingOptions, LearnedKind, check_casing

# Numbers of steps, and of held-out batches, where there is no budget to plan them by.
_FIXED_PACE = {
    "num_train_steps": 1_000_000,
    "eval_every": 5000,
    "num_eval_batches": 100,
    "checkpoint_every": 1000,
    "log_every": 20,
}


@dataclasses.dataclass(frozen=True)
class PretrainOptions(DistributionOptions, CasingOptions, Layout):
    """Options of the program.

    The options of a `Recipe` are None by default: the recipe of the family has their
    values.
    """

    output_dir: str = cli.option(
        cli.REQUIRED, "Folder of the model, its checkpoints, logs and report."
    )
    input_files: tuple[str, ...] | None = cli.option(
        None, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    records_dir: str | None = cli.option(
        None, "Instead of text: a folder that create_pretraining_data has written."
    )
    skip_corrupt_records: bool = cli.option(
        False, "Skip damaged records that cannot be read, and report their number."
    )
    holdout_fraction: float = cli.option(
        0.02,
        "Share of the documents held out to evaluate the model on; 0 for none. Of few "
        "documents, a small share may be none: the model is then trained without "
        "held-out figures.",
    )
    vocab_file: str | None = cli.option(
        None, "Vocabulary file. Default: a vocabulary is learned from the text."
    )
    vocab_size: int | None = cli.option(
        None, "Size of a learned vocabulary. BERT: 30522."
    )
    tokenizer: LearnedKind | None = cli.option(
        None,
        "Tokenizer of a learned vocabulary. wordpiece: BERT's. byte_bpe: that of GPT-2 "
        "and RoBERTa.",
    )
    num_processes: int | None = cli.option(
        None, "Number of processes that read text. Default: one for each core."
    )
    family: families.Name = cli.option(
        "bert",
        "Model family. Sets the architecture, the objective, and every option left "
        "unset to the values of its paper; compact to those for hours of a few cores.",
    )
    preset: Preset | None = cli.option(None, "Size of the model. BERT: base.")
    initial_model_dir: str | None = cli.option(
        None,
        "A model to train further, in any format that bert_tf.convert reads. Its "
        "config, vocabulary and objective replace family, preset and vocab_file; the "
        "optimizer is new, and the learning rate is warmed up. Default: random "
        "weights.",
    )
    config_file: str | None = cli.option(
        None, "A bert_config.json, instead of a preset and the family's architecture."
    )
    token_vectors: str | None = cli.option(
        None,
        "File of vectors from which the token table starts, such as one of "
        "bert_tf.learn_vectors. Default: it starts from random vectors.",
    )
    learn_vectors: bool | None = cli.option(
        None,
        "Start the token table from vectors that are learned from the text first, in a "
        "twelfth of a --budget.",
    )
    objective: objectives.Name | None = cli.option(
        None,
        "masked_lm: predict masked tokens (BERT). next_token: predict each token from "
        "those before it, with a causal model (GPT). both_directions: from those "
        "before it, and those after it (ELMo). replaced_tokens: find the tokens that a "
        "small model has replaced (ELECTRA).",
    )
    sentences: SentenceTask | None = cli.option(
        None,
        "Sentence task. next_sentence: NSP of BERT. sentence_order: SOP of ALBERT. "
        "full_sentences: none, as in RoBERTa.",
    )
    masking_kind: MaskingUnit | None = cli.option(
        None, "Unit that is masked as a whole."
    )
    mlm_rate: float | None = cli.option(None, "Share of the tokens to predict.")
    mask_rate: float | None = cli.option(
        None, "Share of these that become [MASK]; 0.8 in the paper."
    )
    random_rate: float | None = cli.option(
        None,
        "Share of these that become a random token; 0.1 in the paper. The rest stays "
        "as it is.",
    )
    sequence_length: int | None = cli.option(
        None, "Number of tokens in a row. BERT: 128."
    )
    long_sequence_length: int | None = cli.option(
        None,
        "Number of tokens in a row in the last tenth of the steps; 512 in the paper.",
    )
    batch_size: int | None = cli.option(None, "Number of rows in a batch.")
    accumulation_steps: int = cli.option(
        1,
        "Number of slices of a batch, which are run one after another to save memory.",
    )
    num_train_steps: int | None = cli.option(
        None, "Training steps in all. Default: 1,000,000, or as many as fit a --budget."
    )
    budget: str | None = cli.option(
        None,
        "Instead of steps: the time of the whole command from its start, such as 90s, "
        "4m or 1.5h. Vocabulary, records, training, report and weights fit in it; the "
        "steps are planned by the run's own first ones. For one machine.",
    )
    plan_file: str | None = cli.option(
        None,
        "Instead of steps: the plan.json of a run with a budget, which is repeated "
        "exactly, step by step, however long it takes.",
    )
    optimizer: OptimizerName | None = cli.option(
        None,
        "adamw_bert: BERT's AdamW, without bias correction. adamw: with bias "
        "correction. lamb: for large batches.",
    )
    learning_rate: float | None = cli.option(
        None, "Learning rate at the end of the warm-up."
    )
    beta_2: float | None = cli.option(
        None, "Decay rate of the gradients' second moment; 0.98 in RoBERTa."
    )
    schedule: Literal["linear", "constant"] = cli.option(
        "linear",
        "Learning rate after the warm-up. linear: it falls to 0. constant: it stays, "
        "and falls to 0 in a cool-down. The folder before_cooldown then has the model "
        "and the optimizer from which --continue_optimizer continues.",
    )
    num_cooldown_steps: int | None = cli.option(
        None, "Steps of the cool-down of schedule=constant. Default: a fifth of all."
    )
    continue_optimizer: bool = cli.option(
        False,
        "Continue with the optimizer of initial_model_dir, the folder before_cooldown "
        "of a run, without another warm-up. For schedule=constant.",
    )
    num_warmup_steps: int | None = cli.option(
        None,
        "Steps of the warm-up. Default: a hundredth of all; with a --budget always a "
        "tenth.",
    )
    weight_decay: float = cli.option(
        0.01, "Weight decay; biases and norms are excluded."
    )
    dtype: Dtype | None = cli.option(
        None,
        "Number format of the computation; the weights stay float32. auto: bfloat16 "
        "where this machine computes products in it, else float32. BERT: float32.",
    )
    seed: int = cli.option(
        0, "Random seed of weights, order, sentence pairs, masks and dropout."
    )
    eval_every: int | None = cli.option(
        None, "Steps between two evaluations. Default: 5000; with a --budget planned."
    )
    num_eval_batches: int | None = cli.option(
        None,
        "Held-out batches of an evaluation. Default: 100; with a --budget at most 100.",
    )
    checkpoint_every: int | None = cli.option(
        None, "Steps between two checkpoints. Default: 1000; with a --budget planned."
    )
    log_every: int | None = cli.option(
        None,
        "Steps between two lines of metrics.jsonl. Default: 20; with a --budget "
        "planned.",
    )

    def __post_init__(self) -> None:
        recipe = self.recipe
        if (self.input_files is None) == (self.records_dir is None):
            raise ValueError(
                f"Received input_files={self.input_files} and "
                f"records_dir={self.records_dir}. Expected one of the two."
            )
        if self.initial_model_dir is not None:
            for name in ("config_file", "token_vectors"):
                if getattr(self, name):
                    raise ValueError(
                        f"Received {name} and initial_model_dir. Expected one of them: "
                        "the initial model has a config and a token table."
                    )
        elif not self.vocab_file:
            for name in ("records_dir", "token_vectors"):
                if getattr(self, name):
                    raise ValueError(
                        f"Received {name} without vocab_file. Expected the vocabulary "
                        "that they were made with."
                    )
            check_casing(recipe.tokenizer, self.lower_case, self.strip_accents)
        self._check_vectors()
        self._check_length()
        cli.require_positive(
            vocab_size=recipe.vocab_size,
            sequence_length=recipe.sequence_length,
            batch_size=recipe.batch_size,
            accumulation_steps=self.accumulation_steps,
            num_train_steps=self.num_train_steps,
            eval_every=self.eval_every,
            num_eval_batches=self.num_eval_batches,
            checkpoint_every=self.checkpoint_every,
            log_every=self.log_every,
            learning_rate=recipe.learning_rate,
        )
        if not 0 <= recipe.beta_2 < 1:
            raise ValueError(
                f"Received beta_2={recipe.beta_2}. Expected 0 or more, and less than 1."
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(
                f"Received weight_decay={self.weight_decay}. Expected a finite number, "
                "0 or more."
            )
        if not 0 < recipe.mlm_rate < 1 or not 0 <= self.holdout_fraction < 1:
            raise ValueError(
                f"Received mlm_rate={recipe.mlm_rate}, holdout_fraction="
                f"{self.holdout_fraction}. Expected shares between 0 and 1."
            )
        objective = objectives.OBJECTIVES[recipe.objective]
        if recipe.sentence_task is not None and not objective.has_sentence_task:
            raise ValueError(
                f"Received objective={recipe.objective} and sentences="
                f"{recipe.sentences}. Expected full_sentences: only masked_lm has a "
                "sentence task."
            )
        # The other options of rows are checked by `RowOptions`.
        self.rows(recipe.sequence_length)
        if recipe.batch_size % self.accumulation_steps:
            raise ValueError(
                f"Received batch_size={recipe.batch_size}, accumulation_steps="
                f"{self.accumulation_steps}. Expected a batch of equal slices: choose "
                "a divisor."
            )

    def _check_vectors(self) -> None:
        """Raises ValueError where it is not clear what the token table starts from."""
        for name in ("token_vectors", "initial_model_dir"):
            if self.learn_vectors and getattr(self, name):
                raise ValueError(
                    f"Received learn_vectors and {name}. Expected one of them: both "
                    "say what the token table starts from."
                )
        if self.learn_vectors and self.plan_file is not None:
            raise ValueError(
                f"Received plan_file={self.plan_file} and vectors to learn. Expected "
                "the vectors that the run of the plan has learned: give its "
                "token_vectors.bin as --token_vectors."
            )

    def _check_length(self) -> None:
        """Raises ValueError where it is not clear how long the training is."""
        lengths = ("num_train_steps", "budget", "plan_file")
        given = {n: getattr(self, n) for n in lengths if getattr(self, n) is not None}
        if len(given) > 1:
            raise ValueError(
                f"Received {', '.join(f'{n}={v}' for n, v in given.items())}. Expected "
                "one of them: each says how long to train."
            )
        if self.budget is not None:
            seconds_of(self.budget)
        if self.is_planned and self.num_warmup_steps is not None:
            raise ValueError(
                f"Received num_warmup_steps={self.num_warmup_steps} with "
                f"{', '.join(given)}. Expected it with num_train_steps alone: a run "
                "that is planned warms up for a tenth of its steps."
            )
        if self.schedule == "constant" and self.is_planned:
            raise ValueError(
                f"Received schedule=constant with {', '.join(given)}. Expected "
                "num_train_steps: a run that is planned has a linear schedule."
            )
        if self.schedule != "constant" and self.num_cooldown_steps is not None:
            raise ValueError(
                f"Received num_cooldown_steps={self.num_cooldown_steps} with schedule="
                f"{self.schedule}. Expected schedule=constant: others have none."
            )
        if self.continue_optimizer and (
            self.initial_model_dir is None or self.schedule != "constant"
        ):
            raise ValueError(
                f"Received continue_optimizer with initial_model_dir="
                f"{self.initial_model_dir} and schedule={self.schedule}. Expected the "
                "folder before_cooldown of a run, and schedule=constant."
            )
        if self.schedule == "constant" and not (
            0 <= self.cooldown_steps <= self.num_steps - self.warmup_steps
        ):
            raise ValueError(
                f"Received num_cooldown_steps={self.cooldown_steps} and "
                f"num_warmup_steps={self.warmup_steps}. Expected at most "
                f"num_train_steps={self.num_steps} of both together."
            )
        if not self.is_planned and self.warmup_steps >= self.num_steps:
            raise ValueError(
                f"Received num_warmup_steps={self.num_warmup_steps}. Expected less "
                f"than num_train_steps={self.num_steps}."
            )

    @property
    def recipe(self) -> Recipe:
        """The recipe of the family, changed by the options that are given."""
        names = [field.name for field in dataclasses.fields(Recipe)]
        given = {name: getattr(self, name) for name in names}
        changes = {name: value for name, value in given.items() if value is not None}
        if self.token_vectors or self.initial_model_dir or self.plan_file:
            # The token table has another start.
            changes.setdefault("learn_vectors", False)
        return dataclasses.replace(families.FAMILIES[self.family].recipe, **changes)

    def resolved(self) -> Self:
        """Returns options in which all defaults are written out."""
        values = dataclasses.asdict(self.recipe)
        values["dtype"] = number_format(self.recipe.dtype)
        if self.initial_model_dir is not None:
            # Those of the model, where they are not given.
            values |= {name: getattr(self, name) for name in ("objective", "sentences")}
        if not self.is_planned:
            fixed = {name: getattr(self, name) for name in _FIXED_PACE}
            values |= {n: v or _FIXED_PACE[n] for n, v in fixed.items()}
        return dataclasses.replace(self, **values)

    @property
    def is_planned(self) -> bool:
        """True if a plan sets the number of steps, see `training.plan`."""
        return self.budget is not None or self.plan_file is not None

    @property
    def num_steps(self) -> int:
        """The number of training steps, unless the run is planned."""
        return self.num_train_steps or _FIXED_PACE["num_train_steps"]

    @property
    def max_eval_batches(self) -> int:
        """The most held-out batches of an evaluation."""
        return self.num_eval_batches or _FIXED_PACE["num_eval_batches"]

    @property
    def warmup_steps(self) -> int:
        """The number of warm-up steps, unless the run is planned."""
        if self.num_warmup_steps is None:
            return 0 if self.continue_optimizer else self.num_steps // 100
        return self.num_warmup_steps

    @property
    def cooldown_steps(self) -> int:
        """The number of steps of the cool-down; 0 unless the rate is constant."""
        if self.schedule != "constant":
            return 0
        if self.num_cooldown_steps is None:
            return self.num_steps // 5
        return self.num_cooldown_steps

    @property
    def longest_row(self) -> int:
        """The number of tokens in the longest rows."""
        recipe = self.recipe
        return max(recipe.sequence_length, recipe.long_sequence_length or 0)

    def inputs(self) -> dict[str, list[str]]:
        """Returns the existing files whose contents determine the result, by option."""
        manifest = self.records_dir and posixpath.join(self.records_dir, MANIFEST)
        return {
            "input_files": documents.files_of(self.input_files or ()),
            # It has fingerprints of the text and the vocabulary of the records.
            "records_dir": present(manifest),
            "vocab_file": vocabulary_files.files_of(self.vocab_file or ""),
            "config_file": present(self.config_file),
            "token_vectors": present(self.token_vectors),
            "plan_file": present(self.plan_file),
        }

    def phases(self) -> list[tuple[int, RowOptions]]:
        """Returns the last step and the rows of each phase.

        The last steps of a planned run are those of its plan instead.
        """
        recipe = self.recipe
        last, short = self.num_steps, self.rows(recipe.sequence_length)
        if recipe.long_sequence_length is None:
            return [(last, short)]
        long = self.rows(recipe.long_sequence_length)
        return [(last - round(LONG_SHARE * last), short), (last, long)]

    def rows(self, sequence_length: int) -> RowOptions:
        """Returns the options of rows with this number of tokens."""
        recipe = self.recipe
        unmasked = objectives.OBJECTIVES[recipe.objective].unmasked
        max_predictions = math.ceil(recipe.mlm_rate * sequence_length)
        if unmasked:
            max_predictions = sequence_length - (1 if unmasked == "next_token" else 2)
        return RowOptions(
            sequence_length,
            sentences=recipe.sentences,
            masking=unmasked or recipe.masking_kind,
            mlm_rate=recipe.mlm_rate,
            max_predictions=max_predictions,
            mask_rate=recipe.mask_rate,
            random_rate=recipe.random_rate,
        )
