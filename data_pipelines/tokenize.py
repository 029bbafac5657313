"""Tokenizes lines of text from stdin to lines of ids on stdout.

    python -m data_pipelines.tokenize --vocab_file=vocab.txt < text > ids

Each input line gives one output line of ids, separated by spaces, without [CLS] and
[SEP]. A line without words gives an empty line.
"""

import dataclasses
import itertools
import sys

import tensorflow as tf

from data_pipelines.datasets.text_files import standard_input_lines
from data_pipelines.programs import cli
from data_pipelines.tokenizers.casing import CasingOptions
from data_pipelines.tokenizers.tokenizer import make_tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Large enough to amortize the fixed cost of the ops, small enough for long lines.
_BATCH_LINES = 1024


@dataclasses.dataclass(frozen=True)
class TokenizeOptions(CasingOptions):
    """Options of the program."""

    vocab_file: str = cli.option(
        cli.REQUIRED, "Vocabulary file, with one piece per line."
    )


def tokenize(options: TokenizeOptions) -> None:
    """Reads stdin to its end and writes the ids to stdout.

    Raises:
        ValueError: a line is not UTF-8 text.
    """
    vocabulary = Vocabulary.from_file(
        options.vocab_file, options.lower_case, options.strip_accents
    )
    tokenizer = make_tokenizer(vocabulary)
    to_ids = tf.function(
        tokenizer.tokenize,
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    spelled = [b"%d" % index for index in range(len(vocabulary))]
    stdin, stdout = standard_input_lines(), sys.stdout.buffer
    while lines := list(itertools.islice(stdin, _BATCH_LINES)):
        ids = to_ids(tf.constant(lines))
        values, splits = ids.values.numpy().tolist(), ids.row_splits.numpy().tolist()
        for first, end in itertools.pairwise(splits):
            stdout.write(b" ".join([spelled[i] for i in values[first:end]]) + b"\n")
        stdout.flush()


if __name__ == "__main__":
    cli.run(TokenizeOptions, tokenize, __doc__, kept=cli.PRINTED)
