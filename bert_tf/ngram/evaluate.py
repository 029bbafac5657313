"""Evaluates a trigram model on held-out records: perplexity and masked pieces.

    python -m bert_tf.ngram.evaluate --model_file=trigrams.npz --records_dir=records

The masks are those of bert_tf.pretrain with the same options, so that mlm_accuracy and
mlm_loss are comparable to BERT's.
"""

import dataclasses
import math

from bert_tf.ngram import model_file
from bert_tf.ngram.scoring import score_cloze, score_text
from data_pipelines.pretraining import record_folder
from data_pipelines.pretraining.batches import evaluation_batches
from data_pipelines.pretraining.documents import documents_from_records, stored_texts
from data_pipelines.pretraining.row_options import RowOptions, SentenceTask
from data_pipelines.programs import cli, processes


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Options of the program. The defaults are those of bert_tf.pretrain."""

    model_file: str = cli.option(
        cli.REQUIRED, "The file written by bert_tf.ngram.train."
    )
    records_dir: str = cli.option(
        cli.REQUIRED, "The folder of create_pretraining_data, with a held-out part."
    )
    sentences: SentenceTask = cli.option(
        "next_sentence", "The contents of a row; see bert_tf.pretrain."
    )
    mlm_rate: float = cli.option(0.15, "Share of the tokens that are masked.")
    sequence_length: int = cli.option(128, "Tokens of a row.")
    batch_size: int = cli.option(256, "Rows of a batch.")
    num_eval_batches: int = cli.option(100, "Number of batches.")
    seed: int = cli.option(0, "Random seed of the rows and the masks.")

    def __post_init__(self) -> None:
        if not 0 < self.mlm_rate < 1:
            raise ValueError(
                f"Received mlm_rate={self.mlm_rate}. Expected a share between 0 and 1."
            )
        cli.require_positive(
            sequence_length=self.sequence_length,
            batch_size=self.batch_size,
            num_eval_batches=self.num_eval_batches,
        )


def main(options: EvaluateOptions) -> None:
    """Evaluates the model, and prints the metrics."""
    loaded = model_file.load(options.model_file)
    manifest = record_folder.read_manifest(options.records_dir)
    record_folder.check_vocabulary(manifest, loaded.vocabulary)
    files = record_folder.record_files(options.records_dir, "heldout")
    counts = manifest["heldout_counts"]
    texts = processes.show_progress("read", stored_texts(files), counts["parts"])
    text = score_text(loaded.model, texts, counts["bytes"])
    print(f"pieces {text.pieces:,}")
    print(f"perplexity {text.perplexity:.2f}")
    print(f"bits_per_byte {text.bits_per_byte:.4f}")
    batches = evaluation_batches(
        documents_from_records(files),
        loaded.vocabulary,
        RowOptions(
            options.sequence_length,
            sentences=options.sentences,
            mlm_rate=options.mlm_rate,
            max_predictions=math.ceil(options.mlm_rate * options.sequence_length),
        ),
        batch_size=options.batch_size,
        seed=options.seed,
    ).take(options.num_eval_batches)
    cloze = score_cloze(loaded.model, loaded.vocabulary, batches.as_numpy_iterator())
    print(f"mlm_accuracy {cloze.mlm_accuracy:.4f}")
    print(f"mlm_loss {cloze.mlm_loss:.4f}")
    print(f"masked pieces {cloze.predictions:,}")


if __name__ == "__main__":
    cli.run(EvaluateOptions, main, __doc__ or "")
