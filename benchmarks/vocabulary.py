"""Compares learning a vocabulary with the trainer of Hugging Face tokenizers.

    python -m benchmarks.vocabulary --input_files='books/*.txt.gz'

First, time and memory are measured on the whole text. Then every fifth file is held
out, both learn from the rest, and our tokenizer splits the held-out text with each
vocabulary. Both get the same documents; each run is a new process, including imports
and reading. `pip install tokenizers psutil` first: they are not dependencies of the
project.
"""

import dataclasses
import itertools
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import measure, processor
from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class VocabularyBenchmarkOptions:
    """Options of the benchmark."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text files, or patterns such as 'corpus/*.txt'."
    )
    vocab_size: int | None = cli.option(
        None, "Number of pieces to learn. Default: 8,192, then 30,522."
    )
    lower_case: bool = cli.option(True, "Lower-case texts and strip accents.")
    num_processes: int | None = cli.option(
        None,
        "Number of processes that count words. Default: that of learn_vocabulary.",
    )
    learn: str | None = cli.option(None, "Internal.")


def main(options: VocabularyBenchmarkOptions) -> None:
    if options.learn is not None:
        learner, sources, vocab_size, vocab_file = json.loads(options.learn)
        tokens = _LEARNERS[learner](sources, vocab_size, options)
        Path(vocab_file).write_text("".join(f"{token}\n" for token in tokens))
        return
    import tensorflow as tf
    import tokenizers

    from data_pipelines.corpus import documents

    sources = documents.expand_sources(options.input_files)
    held_out = sources[::5]
    learned_from = [source for source in sources if source not in held_out]
    if not learned_from:
        raise ValueError(
            f"Received {len(sources)} files. Expected at least two: add some."
        )
    vocab_sizes = [options.vocab_size] if options.vocab_size else [8192, 30522]
    texts = [text for source in held_out for text in documents.read_documents(source)]
    print(
        f"machine     {processor()}, {os.cpu_count()} cores\n"
        f"versions    Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"tokenizers {tokenizers.__version__}\n"
        f"text        {len(sources)} files, {len(held_out)} of them held out: "
        f"{len(texts):,} documents, {sum(map(len, texts)):,} characters\n"
        "MB          peak of all processes together\n"
    )
    print("whole text                            s      MB")
    for vocab_size in vocab_sizes:
        for learner in _LEARNERS:
            _, seconds, memory = _learn(learner, sources, vocab_size, options)
            print(
                f"{learner:22}{vocab_size:8,}{seconds:9.1f}{memory / 1e6:8,.0f}",
                flush=True,
            )
    print(
        "\nfour fifths                           s      MB   held out: "
        "characters / token    [UNK] / million"
    )
    for vocab_size in vocab_sizes:
        rates = {}
        for learner in _LEARNERS:
            tokens, seconds, memory = _learn(learner, learned_from, vocab_size, options)
            rates[learner], unknown = _cut(texts, tokens, options.lower_case)
            print(
                f"{learner:22}{vocab_size:8,}{seconds:9.1f}{memory / 1e6:8,.0f}"
                f"{rates[learner]:32.4f}{unknown * 1e6:19.2f}",
                flush=True,
            )
        ours, theirs = rates.values()
        print(f"ours / HF {vocab_size:20,}{ours / theirs:49.4f}")


def _learn(
    learner: str,
    sources: Sequence[str],
    vocab_size: int,
    options: VocabularyBenchmarkOptions,
) -> tuple[list[str], float, int]:
    """Learns a vocabulary; returns the pieces, seconds, and peak bytes of memory."""
    with tempfile.TemporaryDirectory() as folder:
        vocab_file = os.path.join(folder, "vocab.txt")
        command = [
            *(sys.executable, "-m", "benchmarks.vocabulary"),
            "--input_files=-",  # Required; the sources are in --learn.
            f"--learn={json.dumps([learner, sources, vocab_size, vocab_file])}",
            f"--lower_case={options.lower_case}",
        ]
        if options.num_processes is not None:
            command.append(f"--num_processes={options.num_processes}")
        seconds, peak = measure(command)
        return Path(vocab_file).read_text().split("\n")[:-1], seconds, peak


def _ours(
    sources: Sequence[str], vocab_size: int, options: VocabularyBenchmarkOptions
) -> Sequence[str]:
    from data_pipelines.learn_vocabulary import learn_vocabulary

    return learn_vocabulary(
        input_files=sources,
        vocab_size=vocab_size,
        lower_case=options.lower_case,
        num_processes=options.num_processes,
    ).tokens


def _hugging_face(
    sources: Sequence[str], vocab_size: int, options: VocabularyBenchmarkOptions
) -> Sequence[str]:
    from tokenizers import BertWordPieceTokenizer

    from data_pipelines.corpus import documents

    tokenizer = BertWordPieceTokenizer(
        lowercase=options.lower_case, strip_accents=options.lower_case
    )
    tokenizer.train_from_iterator(
        itertools.chain.from_iterable(
            document.split("\n")
            for source in sources
            for document in documents.read_documents(source)
        ),
        vocab_size=vocab_size,
        show_progress=False,
    )
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


_LEARNERS = {"ours": _ours, "HF WordPieceTrainer": _hugging_face}


def _cut(
    texts: Sequence[str], tokens: Sequence[str], lower_case: bool
) -> tuple[float, float]:
    """Returns characters per token, and the share of tokens that are [UNK]."""
    import numpy as np
    import tensorflow as tf

    from data_pipelines.tokenizers.vocabulary import Vocabulary
    from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

    vocabulary = Vocabulary(tuple(tokens), lower_case=lower_case)
    tokenizer = WordPieceTokenizer(vocabulary)
    num_tokens = num_unknown = 0
    for text in texts:
        ids = tokenizer.tokenize(tf.constant(text.split("\n"))).values.numpy()
        num_tokens += len(ids)
        num_unknown += int(np.count_nonzero(ids == vocabulary.unk_id))
    return sum(map(len, texts)) / num_tokens, num_unknown / num_tokens


if __name__ == "__main__":
    cli.run(VocabularyBenchmarkOptions, main, __doc__)
