"""Options of a comparison."""

import dataclasses
import re
from typing import Literal

from bert_tf.comparison.systems import ABLATIONS, SYSTEMS, Ablation, System
from data_pipelines.corpus import documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.datasets import catalog
from data_pipelines.files.fingerprints import present
from data_pipelines.programs import cli

_SECONDS = {"s": 1, "m": 60, "h": 3600}


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
        "Instead of systems, BERT with a part changed: pretraining_tasks (table 5 of "
        "the paper), sizes (table 6), masking (table 8).",
    )
    datasets: tuple[str, ...] = cli.option(
        (), "To fine-tune on: names of the catalogue, each with =FOLDER of its files."
    )
    budget: str = cli.option("30m", "Training time of each system: 90s, 30m, 2h.")
    holdout_fraction: float = cli.option(
        0.02, "Share of the documents that the models are evaluated on."
    )
    preset: Literal["tiny", "mini", "small", "medium", "base"] = cli.option(
        "mini", "Size of the models; static vectors are as wide as their layers."
    )
    vocab_size: int = cli.option(16_384, "Size of the vocabularies.")
    sequence_length: int = cli.option(64, "Tokens of a row.")
    batch_size: int = cli.option(32, "Rows of a step.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "Type of the numbers in pre-training."
    )
    num_seeds: int = cli.option(3, "Runs of each fine-tuning.")
    num_epochs: float = cli.option(3.0, "Epochs of each fine-tuning.")
    max_train_examples: int | None = cli.option(
        None, "Maximum number of examples to fine-tune on; the first are taken."
    )
    pairs_files: tuple[str, ...] = cli.option(
        (), "Word pairs with scores, such as SimLex-999, for static vectors."
    )
    questions_file: str | None = cli.option(None, "Analogies, for static vectors.")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.systems) - set(SYSTEMS))
        if unknown or not self.systems:
            raise ValueError(
                f"Received the systems {unknown or list(self.systems)}. Expected some "
                f"of {list(SYSTEMS)}."
            )
        cli.require_positive(num_seeds=self.num_seeds)
        _ = self.seconds
        for name in self.folders:
            catalog.find(name)

    @property
    def seconds(self) -> float:
        """Seconds of the budget."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", self.budget)
        if not found or float(found[1]) == 0:
            raise ValueError(
                f"Received budget={self.budget!r}. Expected a time: 90s, 30m, 2h."
            )
        return float(found[1]) * _SECONDS[found[2]]

    @property
    def folders(self) -> dict[str, str | None]:
        """The folders of the datasets, by name; None: TFDS loads it."""
        pairs = [dataset.partition("=") for dataset in self.datasets]
        return {name: folder or None for name, _, folder in pairs}

    def inputs(self) -> dict[str, list[str]]:
        """The files whose contents decide the result, by option; those that exist."""
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
