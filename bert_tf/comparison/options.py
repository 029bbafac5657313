"""Options of a comparison."""

import dataclasses
from typing import Literal

from bert_tf.comparison.systems import ABLATIONS, SYSTEMS, Ablation, System
from bert_tf.training.budget import seconds_of
from data_pipelines.corpus import documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.datasets import catalog
from data_pipelines.files.fingerprints import present
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class CompareOptions(Layout):
    """Options of the program."""

    corpus: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    output_dir: str = cli.option(cli.REQUIRED, "Folder of the models and the report.")
    systems: tuple[str, ...] = cli.option(
        tuple(SYSTEMS), "Systems to compare, in this order."
    )
    ablation: Ablation | None = cli.option(
        None,
        "Instead of systems, variants of BERT. pretraining_tasks: the paper's table 5. "
        "sizes: table 6. masking: table 8.",
    )
    datasets: tuple[str, ...] = cli.option(
        (),
        "Datasets to fine-tune on: names of the catalogue, each with =FOLDER if its "
        "files are in a folder.",
    )
    budget: str = cli.option(
        "30m",
        "Time for each system, such as 90s, 30m or 2h: that of its whole training "
        "command from its start to the written model. Static vectors get the epochs "
        "that fit (at most 15); n-grams count the text once.",
    )
    holdout_fraction: float = cli.option(
        0.02, "Share of the documents that the models are evaluated on."
    )
    preset: Literal["tiny", "mini", "small", "medium", "base"] = cli.option(
        "mini", "Size of the models; static vectors have the width of their layers."
    )
    vocab_size: int = cli.option(16_384, "Size of the vocabularies.")
    sequence_length: int = cli.option(64, "Number of tokens in a row.")
    batch_size: int = cli.option(32, "Number of rows in a batch.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "Number format of the computation in pre-training."
    )
    num_seeds: int = cli.option(3, "Number of runs of each fine-tuning.")
    num_epochs: float = cli.option(3.0, "Number of epochs of each fine-tuning.")
    max_train_examples: int | None = cli.option(
        None, "Maximum number of examples to fine-tune on; the first ones are used."
    )
    pairs_files: tuple[str, ...] = cli.option(
        (), "Files of word pairs with scores, such as SimLex-999, for static vectors."
    )
    questions_file: str | None = cli.option(
        None, "File of analogies, for static vectors."
    )

    def __post_init__(self) -> None:
        unknown = sorted(set(self.systems) - set(SYSTEMS))
        if unknown or not self.systems:
            raise ValueError(
                f"Received the systems {unknown or list(self.systems)}. Expected some "
                f"of {list(SYSTEMS)}."
            )
        cli.require_positive(
            num_seeds=self.num_seeds,
            num_epochs=self.num_epochs,
            seconds=self.seconds,
        )
        if not 0 < self.holdout_fraction < 1:
            raise ValueError(
                f"Received holdout_fraction={self.holdout_fraction}. Expected a share "
                "between 0 and 1."
            )
        for name in self.folders:
            catalog.find(name)

    @property
    def seconds(self) -> float:
        """Seconds of the budget."""
        return seconds_of(self.budget)

    @property
    def folders(self) -> dict[str, str | None]:
        """The folder of each dataset, by name; None: TFDS loads it."""
        pairs = [dataset.partition("=") for dataset in self.datasets]
        return {name: folder or None for name, _, folder in pairs}

    def inputs(self) -> dict[str, list[str]]:
        """Returns the existing files whose contents determine the result, by option."""
        return {
            "corpus": documents.files_of(self.corpus),
            "pairs_files": present(*self.pairs_files),
            "questions_file": present(self.questions_file),
            **{
                f"{name} ({split})": catalog.files_of(catalog.find(name), split, folder)
                for name, folder in self.folders.items()
                for split in ("train", "dev")
            },
        }

    @property
    def chosen(self) -> dict[str, System]:
        """The systems to compare, by name."""
        if self.ablation is not None:
            return ABLATIONS[self.ablation]
        return {name: SYSTEMS[name] for name in self.systems}
