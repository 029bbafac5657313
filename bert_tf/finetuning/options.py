"""Options of fine-tuning."""

import dataclasses
import itertools
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

# Appendix A.3 of the paper: learning rates, batch sizes and numbers of epochs.
_Grid = tuple[Sequence[float], Sequence[int], Sequence[float]]
_PAPER_GRID: _Grid = (5e-5, 3e-5, 2e-5), (16, 32), (2.0, 3.0, 4.0)

# Share of the steps in which gradual unfreezing reaches the embeddings.
_UNFREEZING_SHARE = 0.5
# May differ when a run is resumed.
FREE = ("output_dir", *FREE_OPTIONS)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The part of the training that all runs of a search have in common."""

    layer_decay: float = cli.option(
        1.0, "Factor of the learning rate from each layer to the one below."
    )
    reinit_layers: int = cli.option(
        0, "Number of top layers to re-initialise, together with the pooler."
    )
    gradual_unfreezing: bool = cli.option(
        False, "The head learns first, then one layer more at a time."
    )
    lm_weight: float = cli.option(
        0.0,
        "Of a causal model: weight of the loss of the next token beside the task's; "
        "0.5 in GPT's paper.",
    )
    dtype: Literal["float32", "bfloat16", "float16"] = cli.option(
        "float32", "Of the computation; the weights stay float32."
    )

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1 or self.lm_weight < 0:
            raise ValueError(
                f"Received layer_decay={self.layer_decay}, lm_weight={self.lm_weight}. "
                "Expected a factor in (0, 1] and a weight of 0 or more."
            )

    @property
    def policy(self) -> str:
        """The Keras dtype policy."""
        return POLICIES[self.dtype]

    def layer_rates(self, num_layers: int, num_steps: int) -> LayerRates | None:
        """The learning rates of the layers; None: all learn alike."""
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
        cli.REQUIRED, "Folder of the model, its runs, logs and report."
    )
    batch_size: int = cli.option(32, "Examples of a step.")
    learning_rate: float = cli.option(5e-5, "At the end of the warm-up.")
    num_epochs: float = cli.option(3.0, "Passes through the training data.")
    seed: int = cli.option(0, "Of the head, the order and the dropout.")
    num_seeds: int = cli.option(1, "Number of runs, with consecutive seeds.")
    search: Literal["none", "paper"] = cli.option(
        "none",
        "paper: all of learning rates 5e-5, 3e-5, 2e-5, batches of 16 and 32, 2 to 4 "
        "epochs; the best on the development set is kept.",
    )
    features: Literal["none", Features] = cli.option(
        "none", "Freezes the encoder, and reads these layers of it (table 7)."
    )
    lstm_units: int = cli.option(
        0,
        "With features: the width of a two-layer BiLSTM between the encoder and the "
        "classifier; 0 for none.",
    )
    dropout: float = cli.option(
        0.1,
        "In the encoder and before the head. As in the paper (appendix A.3), however "
        "the model was pre-trained: without it small data is learned by heart.",
    )
    random_weights: bool = cli.option(
        False, "Starts from random weights, to measure the value of pre-training."
    )
    class_weights: Literal["none", "balanced"] = cli.option(
        "none", "balanced: all classes have the same total weight."
    )
    max_train_examples: int | None = cli.option(
        None, "Trains on this number of examples, the first ones."
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
        )

    @property
    def tests(self) -> tuple[str, ...]:
        """The splits on which each run is tested."""
        return self.test_splits or (("test",) if self.test_file else ())

    def inputs(self) -> dict[str, list[str]]:
        """The files whose contents decide the result, by option; those that exist."""
        model = model_dir.files_of(self.model_dir, with_weights=not self.random_weights)
        return {"model_dir": model, **self.data_files(("train", "dev", *self.tests))}

    def settings(self) -> list[RunSettings]:
        """The settings of all runs."""
        grid: _Grid = (self.learning_rate,), (self.batch_size,), (self.num_epochs,)
        seeds = range(self.seed, self.seed + self.num_seeds)
        grid = _PAPER_GRID if self.search == "paper" else grid
        return [RunSettings(*values) for values in itertools.product(*grid, seeds)]
