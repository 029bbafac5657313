"""Writes text as records of tokenized documents, the input of `bert_tf.pretrain`.

    python -m data_pipelines.create_pretraining_data --input_files='corpus/*.txt' \\
        --vocab_file=vocab.txt --output_dir=records

Records contain whole sentences as ids, in parts of documents; sentence pairs, rows and
masks are created when they are read, differently in each epoch.
"""

import dataclasses

from absl import logging

from data_pipelines.corpus.layout import Layout
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from data_pipelines.programs import cli, processes
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class CreatePretrainingDataOptions(processes.RunnerOptions, CasingOptions, Layout):
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text files, or patterns such as 'corpus/*.txt'."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED, "Vocabulary file, with one piece per line."
    )
    output_dir: str = cli.option(cli.REQUIRED, "Folder for the records.")
    num_shards: int = cli.option(16, "Number of training files to write.")
    num_processes: int | None = cli.option(
        None, "Number of processes. Default: one per core."
    )
    holdout_fraction: float = cli.option(
        0.0, "Share of the documents to hold out for evaluation, in separate files."
    )
    seed: int = cli.option(0, "Random seed of the holdout and of the order of parts.")


def main(options: CreatePretrainingDataOptions) -> None:
    """Writes the records and prints their counts."""
    vocabulary = Vocabulary.from_file(
        options.vocab_file, options.lower_case, options.strip_accents
    )
    manifest = write_records(
        options.input_files,
        vocabulary,
        options.output_dir,
        RecordOptions(
            separator=options.separator,
            lines=options.lines,
            seed=options.seed,
            holdout_fraction=options.holdout_fraction,
            num_shards=options.num_shards,
        ),
        num_processes=options.num_processes,
        cluster=options.cluster,
    )
    counts = manifest["counts"]
    if counts["documents"] == 1 or counts["sentences"] == counts["parts"]:
        found = "the text is one document"
        if counts["sentences"] == counts["parts"]:
            found = "documents have one sentence each"
        logging.warning(
            "In these records %s: there are no sentence pairs to learn from, so "
            "pre-training will use sentences=full_sentences.",
            found,
        )
    for split in ("counts", "heldout_counts", "reading"):
        values = ", ".join(
            f"{value:,} {name}" for name, value in manifest[split].items()
        )
        print(f"{split}: {values}")


if __name__ == "__main__":
    cli.run(CreatePretrainingDataOptions, main, __doc__, kept=cli.RESUMED)
