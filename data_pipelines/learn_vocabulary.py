"""Learns a vocabulary of a given size from text, for WordPiece or byte-level BPE.

    python -m data_pipelines.learn_vocabulary --input_files='corpus/*.txt' \\
        --vocab_size=30522 --vocab_file=vocab.txt

The vocabulary depends only on the text, to the byte: not on the order or number of
files, nor on the number of processes. `--tokenizer=byte_bpe` uses Hugging Face's
tokenizers, and writes `merges.txt` beside the vocabulary.
"""

import dataclasses
import functools
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from data_pipelines.corpus import documents as corpus
from data_pipelines.corpus.layout import Layout
from data_pipelines.files.atomic import new_files
from data_pipelines.programs import cli, processes
from data_pipelines.tokenizers.casing import CasingOptions, LearnedKind, check_casing
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.vocabulary_files import MERGES, TOKENIZATION, beside
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe
from data_pipelines.vocabulary_learning.count_words import count_words
from data_pipelines.vocabulary_learning.wordpiece import learn_wordpiece

# A process needs some seconds and 800 MB to start, and counts ten megabytes a second,
# so each gets at least this many bytes of (often compressed) text.
_BYTES_PER_PROCESS = 128 << 20


@dataclasses.dataclass(frozen=True)
class LearnVocabularyOptions(processes.RunnerOptions, CasingOptions, Layout):
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text files, or patterns such as 'corpus/*.txt'."
    )
    vocab_size: int = cli.option(
        cli.REQUIRED, "Number of pieces, including the five special tokens."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED,
        "New file for the vocabulary, one piece per line; tokenization.json (and "
        "merges.txt) are written beside it.",
    )
    tokenizer: LearnedKind = cli.option(
        "wordpiece", "Kind of tokenizer. byte_bpe: as in GPT-2 and RoBERTa."
    )
    num_processes: int | None = cli.option(
        None,
        "WordPiece: number of processes that count words. Default: from the number of "
        "cores and the size of the text.",
    )


def learn_vocabulary(
    *,
    input_files: Sequence[str],
    vocab_size: int,
    tokenizer: LearnedKind = "wordpiece",
    lower_case: bool | None = None,
    strip_accents: bool | None = None,
    num_processes: int | None = None,
    layout: Layout | None = None,
    cluster: str | None = None,
) -> Vocabulary:
    """Learns a vocabulary of exactly `vocab_size` pieces from the words of a corpus.

    The arguments are options of the program (two of them in `layout`); for `cluster`
    see `processes.pool`. By default there is one process per core, but at most one per
    128 MB of files.

    Returns:
        See `learn_wordpiece` and `learn_byte_bpe`; includes the casing.

    Raises:
        ValueError: `num_processes` is less than 1, casing is given for byte-level BPE,
            or see `corpus.read_documents`, `learn_wordpiece` and `learn_byte_bpe`.
        FileNotFoundError: no file matches.
    """
    cli.require_positive(num_processes=num_processes)
    check_casing(tokenizer, lower_case, strip_accents)
    sources = corpus.expand_sources(input_files)
    if tokenizer == "byte_bpe":
        return learn_byte_bpe(sources, vocab_size, layout)
    if num_processes is None:
        # The size of a TFDS dataset is unknown.
        files = [source for source in sources if tf.io.gfile.exists(source)]
        num_bytes = sum(tf.io.gfile.stat(file).length for file in files)
        num_processes = min(os.cpu_count() or 1, 1 + num_bytes // _BYTES_PER_PROCESS)
    lower_case = lower_case is None or lower_case
    casing: dict[str, Any] = {"lower_case": lower_case, "strip_accents": strip_accents}
    count = functools.partial(count_words, **casing, layout=layout)
    word_counts: Counter[str] = Counter()
    with processes.pool(num_processes, len(sources), cluster) as run:
        for of_source in run("count words", count, sources):
            word_counts.update(of_source)
    return learn_wordpiece(word_counts, vocab_size).with_casing(**casing)


def main(options: LearnVocabularyOptions) -> None:
    """Learns a vocabulary, writes it, and prints its numbers of pieces."""
    arguments = dataclasses.asdict(options)
    for name in ("runner", "spark_master", "separator", "lines"):
        del arguments[name]
    arguments |= {"cluster": options.cluster, "layout": options}
    # The vocabulary file appears last: without the other files, it would be misread.
    paths = [arguments.pop("vocab_file"), beside(options.vocab_file, TOKENIZATION)]
    if options.tokenizer == "byte_bpe":
        paths.append(beside(options.vocab_file, MERGES))
    with new_files(paths) as opened:
        vocabulary = learn_vocabulary(**arguments)
        for path, content in vocabulary.to_files(options.vocab_file).items():
            opened[path].write(content)
    print(
        f"{options.vocab_file}: {len(vocabulary):,} pieces, "
        f"{sum(vocabulary.continues):,} of them continuations, "
        f"lower_case={vocabulary.lower_case}"
    )


if __name__ == "__main__":
    cli.run(LearnVocabularyOptions, main, __doc__ or "")
