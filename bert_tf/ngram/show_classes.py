"""Prints the classes of a model, one per line: their most frequent pieces.

    python -m bert_tf.ngram.show_classes --model_file=trigrams.npz

The format is that of table 2 of Brown et al. 1992.
"""

import dataclasses

import numpy as np

from bert_tf.ngram import model_file
from bert_tf.ngram.class_model import MixedModel
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class ShowOptions:
    """Options of the program."""

    model_file: str = cli.option(
        cli.REQUIRED, "The file written by bert_tf.ngram.train --num_classes=..."
    )
    num_pieces: int = cli.option(12, "Maximum number of pieces shown for a class.")


def main(options: ShowOptions) -> None:
    """Prints the classes with pieces that occur in the text, in order.

    Raises:
        ValueError: the model has no classes.
    """
    loaded = model_file.load(options.model_file)
    if not isinstance(loaded.model, MixedModel):
        raise ValueError(
            f"{options.model_file} has no classes. Expected a model trained by "
            "bert_tf.ngram.train with --num_classes."
        )
    model, tokens = loaded.model.classes, loaded.vocabulary.tokens
    for name in range(model.trigrams.vocab_size):
        of_class = np.flatnonzero((model.classes[:-1] == name) & (model.shares > 0))
        best = of_class[np.argsort(-model.shares[of_class], kind="stable")]
        if len(best):
            print(" ".join(tokens[i] for i in best[: options.num_pieces]))


if __name__ == "__main__":
    cli.run(ShowOptions, main, __doc__ or "")
