"""Text to a vocabulary of a given size, of WordPiece or byte-level BPE.

    python -m data_pipelines.learn_vocabulary --input_files='corpus/*.txt' \\
        --vocab_size=30522 --vocab_file=vocab.txt

The vocabulary depends on the text alone, to the byte: not on the order of files, the
division into files, nor the number of processes. `--tokenizer=byte_bpe` leaves the work
to Hugging Face's tokenizers, and writes `merges.txt` beside the vocabulary.
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
from data_pipelines.tokenizers.casing import CasingOptions, TokenizerKind, check_casing
from data_pipelines.tokenizers.vocabulary import Vocabulary
from data_pipelines.tokenizers.vocabulary_files import MERGES, TOKENIZATION, beside
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe
from data_pipelines.vocabulary_learning.count_words import count_words
from data_pipelines.vocabulary_learning.wordpiece import learn_wordpiece

# A process needs some seconds and 800 MB before it counts a word, and counts ten
# megabytes a second: so each gets at least this many bytes of (often compressed) text.
_BYTES_PER_PROCESS = 128 << 20


@dataclasses.dataclass(frozen=True)
class LearnVocabularyOptions(processes.RunnerOptions, CasingOptions, Layout):
    """Options of the program."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of text, or patterns of names such as 'corpus/*.txt'."
    )
    vocab_size: int = cli.option(
        cli.REQUIRED, "Number of pieces, the five special tokens among them."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED,
        "The file to write, one piece a line, with tokenization.json (and merges.txt) "
        "beside it. There must be none yet.",
    )
    tokenizer: TokenizerKind = cli.option(
        "wordpiece", "What the pieces are for. byte_bpe: as GPT-2 and RoBERTa."
    )
    num_processes: int | None = cli.option(
        None,
        "WordPiece: number of processes that count words. Default: by the cores and "
        "the text.",
    )


def learn_vocabulary(
    *,
    input_files: Sequence[str],
    vocab_size: int,
    tokenizer: TokenizerKind = "wordpiece",
    lower_case: bool | None = None,
    strip_accents: bool | None = None,
    num_processes: int | None = None,
    layout: Layout | None = None,
    cluster: str | None = None,
) -> Vocabulary:
    """Learns a vocabulary of exactly `vocab_size` pieces from the words of a corpus.

    The arguments are options of the program (two of them the `layout`), and `cluster`
    is that of `processes.pool`.
    By default there is a process for each core, but no more than one for each 128 MB of
    files.

    Returns:
        See `learn_wordpiece` and `learn_byte_bpe`; with the casing of its text.

    Raises:
        ValueError: `num_processes` is less than 1, byte-level BPE is to change texts,
            or as `corpus.read_documents`, `learn_wordpiece` and `learn_byte_bpe`
            raise it.
        FileNotFoundError: no file matches.
    """
    cli.require_positive(num_processes=num_processes)
    check_casing(tokenizer, lower_case, strip_accents)
    sources = corpus.expand_sources(input_files)
    if tokenizer == "byte_bpe":
        return learn_byte_bpe(sources, vocab_size, layout)
    if num_processes is None:
        # The size of a TFDS dataset is not known.
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
    """Learns a vocabulary, writes it, and prints how many pieces of a kind it has."""
    arguments = dataclasses.asdict(options)
    for name in ("runner", "spark_master", "separator", "lines"):
        del arguments[name]
    arguments |= {"cluster": options.cluster, "layout": options}
    # Without those beside it the vocabulary would be read, and as another one.
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
