"""Options of fine-tuning."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Literal

from bert_tf.checkpoints import model_dir
from bert_tf.finetuning.results import RunSettings
from bert_tf.layers.scalar_mix import Features
from bert_tf.optim.layer_rates import LayerRates
from bert_tf.tasks.data_options import DataOptions
from bert_tf.training.distribution import FREE_OPTIONS, DistributionOptions
from bert_tf.training.hardware import POLICIES
from data_pipelines.programs import cli

# Learning rates, batch sizes and numbers of epochs, from appendix A.3 of the paper.
_Grid = tuple[Sequence[float], Sequence[int], Sequence[float]]
_PAPER_GRID: _Grid = (5e-5, 3e-5, 2e-5), (16, 32), (2.0, 3.0, 4.0)

# The share of the steps after which gradual unfreezing has reached the embeddings.
_UNFREEZING_SHARE = 0.5
# Options that may change when a run is resumed.
FREE = ("output_dir", *FREE_OPTIONS)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """Options of training that all runs of a search share."""

    layer_decay: float = cli.option(
        1.0, "Learning rate of each layer, relative to the layer above it."
    )
    reinit_layers: int = cli.option(
        0, "Number of top layers to re-initialise, together with the pooler."
    )
    gradual_unfreezing: bool = cli.option(
        False, "Train the head first, then unfreeze one layer at a time from the top."
    )
    lm_weight: float = cli.option(
        0.0,
        "For a causal model: weight of the auxiliary next-token loss; 0.5 in the GPT "
        "paper.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "Dtype of the computation; the weights stay float32."
    )

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1 or not 0 <= self.lm_weight < math.inf:
            raise ValueError(
                f"Received layer_decay={self.layer_decay}, lm_weight={self.lm_weight}. "
                "Expected a factor in (0, 1] and a weight of 0 or more."
            )

    @property
    def policy(self) -> str:
        """The Keras dtype policy."""
        return POLICIES[self.dtype]

    def layer_rates(self, num_layers: int, num_steps: int) -> LayerRates | None:
        """The learning rates of the layers; None if all are the same."""
        if not self.gradual_unfreezing:
            is_even = self.layer_decay == 1
            return None if is_even else LayerRates(num_layers, self.layer_decay)
        every = max(1, int(_UNFREEZING_SHARE * num_steps) // (num_layers + 1))
        return LayerRates(num_layers, self.layer_decay, every)


@dataclasses.dataclass(frozen=True)
class FinetuneOptions(DataOptions, TrainingOptions, DistributionOptions):
    """Options of the program, besides the data and the training."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder to start from, pre-trained or fine-tuned."
    )
    output_dir: str = cli.option(
        cli.REQUIRED, "Folder for the model, its runs, logs and report."
    )
    batch_size: int = cli.option(32, "Number of examples per step.")
    learning_rate: float = cli.option(5e-5, "Learning rate at the end of the warm-up.")
    num_epochs: float = cli.option(3.0, "Passes over the training data.")
    seed: int = cli.option(
        0, "Random seed of the head, the order of examples and the dropout."
    )
    num_seeds: int = cli.option(1, "Number of runs, with consecutive seeds.")
    search: Literal["none", "paper"] = cli.option(
        "none",
        "paper: a run for each of learning rates 5e-5, 3e-5, 2e-5, batch sizes 16, 32 "
        "and 2 to 4 epochs; the best on the development set is kept.",
    )
    features: Literal["none", Features] = cli.option(
        "none",
        "Freeze the encoder, and use these layers as features (table 7 of the paper).",
    )
    lstm_units: int = cli.option(
        0,
        "With features: the width of a two-layer BiLSTM between the encoder and the "
        "classifier; 0 for none.",
    )
    dropout: float = cli.option(
        0.1,
        "Dropout rate in the encoder and before the head (appendix A.3 of the paper), "
        "whatever rate was used in pre-training: without dropout, models overfit "
        "small data.",
    )
    random_weights: bool = cli.option(
        False, "Start from random weights, to measure the value of pre-training."
    )
    class_weights: Literal["none", "balanced"] = cli.option(
        "none", "balanced: all classes have the same total weight."
    )
    max_train_examples: int | None = cli.option(
        None, "Train only on this number of examples, from the beginning."
    )
    test_splits: tuple[str, ...] = cli.option(
        (), "Labelled splits on which each run is tested, such as dev_mismatched."
    )
    baselines: bool = cli.option(
        True, "Whether the report compares with the scores of baselines."
    )

    def __post_init__(self) -> None:
        TrainingOptions.__post_init__(self)
        cli.require_positive(
            batch_size=self.batch_size,
            num_seeds=self.num_seeds,
            num_epochs=self.num_epochs,
            learning_rate=self.learning_rate,
        )
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"Received dropout={self.dropout}. Expected a rate in [0, 1)."
            )

    @property
    def tests(self) -> tuple[str, ...]:
        """The splits on which each run is tested."""
        return self.test_splits or (("test",) if self.test_file else ())

    def inputs(self) -> dict[str, list[str]]:
        """The existing files on whose contents the result depends, by option."""
        model = model_dir.files_of(self.model_dir, with_weights=not self.random_weights)
        return {"model_dir": model, **self.data_files(("train", "dev", *self.tests))}

    def settings(self) -> list[RunSettings]:
        """The settings of all runs."""
        grid: _Grid = (self.learning_rate,), (self.batch_size,), (self.num_epochs,)
        seeds = range(self.seed, self.seed + self.num_seeds)
        grid = _PAPER_GRID if self.search == "paper" else grid
        return [RunSettings(*values) for values in itertools.product(*grid, seeds)]
