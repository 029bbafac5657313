"""Text to a WordPiece vocabulary.

    python -m data_pipelines.learn_vocabulary --input_files='corpus/*.txt' \\
        --vocab_size=8192 --vocab_file=vocab.txt

Words are counted, with the normalization that the tokenizer uses, and pieces are made
of characters by merging the most frequent pair of neighbours again and again (Sennrich
et al. 2016), as the vocabularies of BERT's kind are learned since Google never
published its own trainer.
"""

import dataclasses
import functools
import heapq
import itertools
import posixpath
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import tensorflow as tf
import tqdm

from data_pipelines import cli, corpus, normalization, pretraining, processes
from data_pipelines.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.wordpiece import CONTINUATION, MAX_WORD_CHARACTERS

# A character that is rarer than one in so many is left out of the alphabet.
_RARE = 1_000_000
# The alphabet may take up this share of the vocabulary.
_MAX_ALPHABET = 0.5

# With less text than this, starting processes costs more than it saves.
_MIN_BYTES_FOR_PROCESSES = 8 << 20


@dataclasses.dataclass(frozen=True)
class LearnVocabularyOptions:
    """What the program can be told."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of text, or patterns of names such as 'corpus/*.txt'."
    )
    vocab_file: str = cli.option(cli.REQUIRED, "Where the vocabulary is written.")
    vocab_size: int = cli.option(30522, "Number of pieces, special tokens included.")
    lower_case: bool = cli.option(True, "Whether to take capitals and accents away.")
    num_processes: int | None = cli.option(
        None, "How many processes count words. Default: one for each core."
    )


def learn_vocabulary(
    *,
    input_files: Sequence[str],
    vocab_size: int,
    lower_case: bool,
    num_processes: int | None = None,
) -> Vocabulary:
    """A vocabulary of exactly `vocab_size` pieces, learned from text.

    It does not depend on the order of the files or the number of processes.

    Args:
        input_files: files or patterns, see `corpus.expand_sources`.
        vocab_size: number of pieces: special tokens, characters, merges.
        lower_case: whether capitals and accents are taken away.
        num_processes: how many count words; None: one for each core.

    Raises:
        ValueError: there is no text, or not enough for so many pieces.
        FileNotFoundError: no file matches.
    """
    _check_size(vocab_size)
    sources = corpus.expand_sources(input_files)
    if _bytes(sources) < _MIN_BYTES_FOR_PROCESSES:
        num_processes = 1
    count = functools.partial(count_words, lower_case=lower_case)
    counts: Counter[str] = Counter()
    with processes.pool(num_processes, len(sources)) as run:
        for of_source in run("count words", count, sources):
            counts.update(of_source)
    return vocabulary_of_words(counts, vocab_size)


def count_words(source: str, lower_case: bool) -> dict[str, int]:
    """How often each word occurs in a source; pure, so that it can run anywhere.

    `"It's me, it's."` gives `{"it": 2, "'": 2, "s": 2, "me": 1, ",": 1, ".": 1}`.

    Args:
        source: one of `corpus.expand_sources`.
        lower_case: whether capitals and accents are taken away.
    """
    counts: Counter[bytes] = Counter()
    for batch in pretraining.batches_of_text(corpus.read_documents(source)):
        texts = tf.constant([text for text, _, _ in batch])
        words, numbers = _counting(lower_case)(texts)
        counts.update(
            dict(zip(words.numpy().tolist(), numbers.numpy().tolist(), strict=True))
        )
    return {word.decode("utf-8"): number for word, number in counts.items()}


def vocabulary_of_words(counts: Mapping[str, int], vocab_size: int) -> Vocabulary:
    """The vocabulary of some words.

    First the special tokens, then the characters (also as continuations, unless they
    only occur alone, as punctuation and ideographs do), then the merged pieces, in the
    order in which they were merged. Of two pairs that are equally frequent the first
    by code point is merged.

    `{"aab": 2, "ab": 1}` gives `a b ##a ##b`, then `##ab` (2 times; `a ##b` only
    once), then `aab`, then `ab`.

    Args:
        counts: of each word.
        vocab_size: number of pieces.

    Raises:
        ValueError: the words do not give so many pieces, or not even their characters
            fit.
    """
    _check_size(vocab_size)
    if not counts:
        raise ValueError(
            "Found no words to learn a vocabulary from. Expected files with text."
        )
    alphabet = _alphabet(counts, vocab_size - len(SPECIAL_TOKENS))
    words = [
        (_characters(word), counts[word])
        for word in sorted(counts)
        if len(word) <= MAX_WORD_CHARACTERS
    ]
    words = [(pieces, n) for pieces, n in words if alphabet.issuperset(pieces)]
    first = [*SPECIAL_TOKENS, *sorted(alphabet, key=_by_kind)]
    merged = merge_pairs(words, vocab_size - len(first))
    found = len(first) + len(merged)
    if found < vocab_size:
        raise ValueError(
            f"The text gives only {found} pieces, received vocab_size={vocab_size}. "
            "Expected more text, or a smaller vocab_size."
        )
    return Vocabulary((*first, *merged))


def merge_pairs(words: Iterable[tuple[list[str], int]], num_pieces: int) -> list[str]:
    """Up to `num_pieces` new pieces, each the most frequent pair when it is merged.

    Args:
        words: the pieces of each word, and how often it occurs.
        num_pieces: how many to make.
    """
    words = list(words)
    pair_counts: Counter[tuple[str, str]] = Counter()
    # Numbers of the words with a pair. A word that has lost it again stays listed.
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (pieces, count) in enumerate(words):
        for pair in itertools.pairwise(pieces):
            pair_counts[pair] += count
            places[pair].append(number)
    queue = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(queue)
    made: dict[str, None] = {}
    bar = tqdm.tqdm(
        total=num_pieces, desc="merge pairs", disable=not sys.stderr.isatty()
    )
    while queue and len(made) < num_pieces:
        count, pair = heapq.heappop(queue)
        if pair_counts.get(pair) != -count:
            continue  # Its count has changed since: there is a newer entry.
        merged = pair[0] + pair[1].removeprefix(CONTINUATION)
        # Two pairs can make one piece.
        bar.update(merged not in made)
        made[merged] = None
        changes: Counter[tuple[str, str]] = Counter()
        for number in places.pop(pair):
            pieces, word_count = words[number]
            new_pieces = _merged(pieces, pair, merged)
            if len(new_pieces) == len(pieces):
                continue
            for old in itertools.pairwise(pieces):
                changes[old] -= word_count
            for new in itertools.pairwise(new_pieces):
                changes[new] += word_count
                if merged in new:
                    places[new].append(number)
            words[number] = (new_pieces, word_count)
        for changed, change in changes.items():
            if not change:
                continue
            pair_counts[changed] += change
            if pair_counts[changed]:
                heapq.heappush(queue, (-pair_counts[changed], changed))
            else:
                del pair_counts[changed]
    bar.close()
    return list(made)


def _merged(pieces: list[str], pair: tuple[str, str], merged: str) -> list[str]:
    """The pieces with each occurrence of the pair, from the left, made one."""
    result, index, last = [], 0, len(pieces) - 1
    while index <= last:
        if index < last and pieces[index] == pair[0] and pieces[index + 1] == pair[1]:
            result.append(merged)
            index += 2
        else:
            result.append(pieces[index])
            index += 1
    return result


def _alphabet(counts: Mapping[str, int], room: int) -> set[str]:
    """Characters as pieces: the frequent ones, as many as may be."""
    frequencies: Counter[str] = Counter()
    inside_words = set()
    for word, count in counts.items():
        for character in word:
            frequencies[character] += count
        if len(word) > 1:
            inside_words.update(word)
    total = sum(frequencies.values())
    alphabet: set[str] = set()
    for character, count in sorted(frequencies.items(), key=lambda x: (-x[1], x[0])):
        forms = {character}
        if character in inside_words:
            forms.add(CONTINUATION + character)
        rare = count * _RARE < total
        if rare or len(alphabet) + len(forms) > max(room * _MAX_ALPHABET, 1):
            break
        alphabet |= forms
    return alphabet


def _characters(word: str) -> list[str]:
    return [word[0], *(CONTINUATION + character for character in word[1:])]


def _by_kind(piece: str) -> tuple[bool, str]:
    return piece.startswith(CONTINUATION), piece


def _check_size(vocab_size: int) -> None:
    smallest = len(SPECIAL_TOKENS) + 2
    if vocab_size < smallest:
        raise ValueError(
            f"Received vocab_size={vocab_size}. Expected at least {smallest}: the "
            "special tokens and some characters."
        )


def _bytes(sources: Sequence[str]) -> int:
    """Size of the files; a dataset of TFDS counts as large."""
    return sum(
        tf.io.gfile.stat(source).length
        if tf.io.gfile.exists(source)
        else _MIN_BYTES_FOR_PROCESSES
        for source in sources
    )


@functools.cache
def _counting(lower_case: bool) -> Callable:
    """The function of the graph; made once in each process."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def count(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.device("CPU"):
            separated = normalization.separate_words(
                normalization.normalize(texts, lower_case)
            )
            words, _, counts = tf.unique_with_counts(
                tf.strings.split(separated).values, tf.int64
            )
            return words, counts

    return count


def main(options: LearnVocabularyOptions) -> None:
    """Writes the vocabulary; an existing file is left alone."""
    path = options.vocab_file
    if tf.io.gfile.exists(path):
        raise FileExistsError(
            f"{path} exists already. Nothing is overwritten: choose another "
            "vocab_file, or remove it."
        )
    folder = posixpath.dirname(path)
    if folder:
        tf.io.gfile.makedirs(folder)
    temporary = f"{path}.tmp"
    # Opened before the work, so that a folder that can not be written is found out.
    with tf.io.gfile.GFile(temporary, "wb") as file:
        file.write(b"")
    try:
        vocabulary = learn_vocabulary(
            input_files=options.input_files,
            vocab_size=options.vocab_size,
            lower_case=options.lower_case,
            num_processes=options.num_processes,
        )
        with tf.io.gfile.GFile(temporary, "wb") as file:
            file.write(vocabulary.to_bytes())
        tf.io.gfile.rename(temporary, path)
    except BaseException:
        tf.io.gfile.remove(temporary)
        raise
    print(f"Wrote {len(vocabulary):,} pieces to {path}.")


if __name__ == "__main__":
    cli.run(LearnVocabularyOptions, main, __doc__ or "")
