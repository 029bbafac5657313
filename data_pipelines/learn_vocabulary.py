"""Text to a vocabulary of a given size, of WordPiece or byte-level BPE.

    python -m data_pipelines.learn_vocabulary --input_files='corpus/*.txt' \\
        --vocab_size=30522 --lower_case --vocab_file=vocab.txt

*Count*: each source becomes the counts of its words, as the tokenizer separates them.
*Merge*: each word begins as its characters, and again and again the most frequent pair
of neighbours becomes one piece. The vocabulary depends on the text alone, to the byte:
not on the order of files, the division into files, nor the number of processes.
`--tokenizer=byte_bpe` leaves this to Hugging Face's tokenizers, and writes `merges.txt`
beside the vocabulary; see `learn_byte_bpe`.

References:
    Schuster and Nakajima, Japanese and Korean Voice Search (2012), for the pieces.
    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units
    (2016), section 3.2, for the choice of pairs by their counts alone.
"""

import contextlib
import dataclasses
import functools
import heapq
import itertools
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import tensorflow as tf
from absl import logging

from data_pipelines.corpus import documents as corpus
from data_pipelines.files.atomic import new_file
from data_pipelines.pretraining import batches
from data_pipelines.programs import cli, processes
from data_pipelines.tokenizers.normalization import normalize, separate_words
from data_pipelines.tokenizers.tokenizer import Kind, lowers_case
from data_pipelines.tokenizers.vocabulary import (
    CONTINUATION,
    SPECIAL_TOKENS,
    Vocabulary,
    merges_file,
)
from data_pipelines.tokenizers.wordpiece import MAX_WORD_CHARACTERS
from data_pipelines.vocabulary_learning.byte_bpe import learn_byte_bpe

# A process needs some seconds and 800 MB before it counts a word, and counts ten
# megabytes a second: so each is to have so many bytes of (often compressed) text.
_BYTES_PER_PROCESS = 128 << 20
# Nothing is learned from longer strings of letters, and the op that looks pieces up
# takes 256 bytes at most.
_MAX_PIECE_CHARACTERS = 50
# A word that becomes [UNK] is lost, while a word that lacks a merge is one piece
# longer: so a rare character has an entry before a merge of this many times its count.
_UNKNOWN_COST = 50
# More words than this share of them are not given up, however small the vocabulary.
_MAX_UNKNOWN_SHARE = 0.01


@dataclasses.dataclass(frozen=True)
class LearnVocabularyOptions(processes.RunnerOptions):
    """What the program can be told."""

    input_files: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Files of text, or patterns of names such as 'corpus/*.txt'."
    )
    vocab_size: int = cli.option(
        cli.REQUIRED, "How many pieces, the five special tokens among them."
    )
    vocab_file: str = cli.option(
        cli.REQUIRED, "The file to write, one piece a line. There must be none yet."
    )
    tokenizer: Kind = cli.option(
        "wordpiece", "What the pieces are for. byte_bpe: as GPT-2 and RoBERTa."
    )
    lower_case: bool | None = cli.option(
        None,
        "Whether to take capitals and accents away, in use as in learning. Default: "
        "true for WordPiece; byte-level BPE keeps them.",
    )
    strip_accents: bool | None = cli.option(
        None, "Whether to take accents away. Default: as lower_case."
    )
    num_processes: int | None = cli.option(
        None,
        "WordPiece: how many processes count words. Default: by the cores and the "
        "text.",
    )
    separator: corpus.Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )


def learn_vocabulary(
    *,
    input_files: Sequence[str],
    vocab_size: int,
    tokenizer: Kind = "wordpiece",
    lower_case: bool | None = None,
    strip_accents: bool | None = None,
    num_processes: int | None = None,
    separator: corpus.Separator = "file",
    cluster: str | None = None,
) -> Vocabulary:
    """A vocabulary of exactly `vocab_size` pieces, learned from the words of a corpus.

    Args:
        input_files: files or patterns, see `corpus.expand_sources`.
        vocab_size: number of pieces, special tokens and characters among them.
        tokenizer: what the pieces are for.
        lower_case: whether capitals are taken away first; None: of WordPiece.
        strip_accents: whether accents are; None: as `lower_case`.
        num_processes: of WordPiece, how many count words at once; None: one for each
            core, but no more than one for each 128 MB of files.
        separator: what separates the documents of a file, see
            `corpus.read_documents`.
        cluster: see `processes.pool`.

    Returns:
        See `vocabulary_from_counts` and `learn_byte_bpe`.

    Raises:
        ValueError: `num_processes` is less than 1, or as `corpus.read_documents` and
            `vocabulary_from_counts` raise it; or byte-level BPE is to lower case.
        FileNotFoundError: no file matches.
    """
    lower_case = lowers_case(tokenizer, lower_case, strip_accents)
    if num_processes is not None and num_processes < 1:
        raise ValueError(
            f"Received num_processes={num_processes}, expected at least 1, or None "
            "for one for each core."
        )
    sources = corpus.expand_sources(input_files)
    if tokenizer == "byte_bpe":
        return learn_byte_bpe(sources, vocab_size, separator)
    if num_processes is None:
        # Of a TFDS dataset the size is not known.
        files = [source for source in sources if tf.io.gfile.exists(source)]
        num_bytes = sum(tf.io.gfile.stat(file).length for file in files)
        num_processes = min(os.cpu_count() or 1, 1 + num_bytes // _BYTES_PER_PROCESS)
    count = functools.partial(
        count_words,
        lower_case=lower_case,
        strip_accents=strip_accents,
        separator=separator,
    )
    with processes.pool(num_processes, len(sources), cluster) as run:
        word_counts = add_counts(run("count words", count, sources))
    return vocabulary_from_counts(word_counts, vocab_size)


def count_words(
    source: str,
    lower_case: bool,
    strip_accents: bool | None = None,
    separator: corpus.Separator = "file",
) -> Counter[str]:
    """How often each word stands in one source; it depends on nothing else.

    `"Don't, don't!"` gives `{"don": 2, "'": 2, "t": 2, ",": 1, "!": 1}`.

    Words are what `WordPieceTokenizer` cuts into pieces: normalised, with ideographs
    and punctuation characters apart. Those of more than 200 characters, for it always
    [UNK], are left out.

    Args:
        source: one of `corpus.expand_sources`.
        lower_case: whether capitals are taken away.
        strip_accents: whether accents are; None: as `lower_case`.
        separator: what separates the documents of a file.

    Raises:
        FileNotFoundError, ValueError: as `corpus.read_documents` raises them.
    """
    separate = _separate(lower_case, strip_accents)
    counts: Counter[bytes] = Counter()
    documents = corpus.read_documents(source, separator)
    for batch in batches.batches_of_text(documents):
        for text in separate(tf.constant([text for text, _, _ in batch])).numpy():
            counts.update(text.split())
    words = Counter({word.decode(): count for word, count in counts.items()})
    for word in [word for word in words if len(word) > MAX_WORD_CHARACTERS]:
        del words[word]
    return words


def add_counts(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """The counts of several sources as those of one."""
    total: Counter[str] = Counter()
    for of_source in counts:
        total.update(of_source)
    return total


def vocabulary_from_counts(
    word_counts: Mapping[str, int], vocab_size: int
) -> Vocabulary:
    """Merges characters to pieces, the most frequent pair of neighbours first.

    `{"ab": 3, "b": 1}` and 9 give `[PAD] [UNK] [CLS] [SEP] [MASK] ##b a b ab`.

    A character at the beginning of a word and the same one within are two pieces, as
    far as both occur. Of pairs that are equally frequent, the one first in the order
    of its two texts is taken. A character less than a fiftieth as frequent as the
    last merge gets no entry, so that a few words in other scripts do not use up a
    vocabulary; how many these are is logged. Merging goes on until a word is one
    piece, or a piece has 50 characters.

    Args:
        word_counts: from `count_words` and `add_counts`, in any order.
        vocab_size: number of pieces.

    Returns:
        The special tokens with the ids 0 to 4, the characters in the order of their
        text, and the merges in the order in which they were made.

    Raises:
        ValueError: there are no words; the size does not suffice for the characters
            of 99 % of the words; or there are not so many different pieces.
    """
    if not word_counts:
        raise ValueError("The sources have no words. Expected text.")
    num_words = sum(word_counts.values())
    occurrences = _occurrences(word_counts)
    of_character: Counter[str] = Counter()
    for piece, count in occurrences.items():
        of_character[piece[-1]] += count
    alphabet = sorted(occurrences, key=lambda p: (-of_character[p[-1]], p[-1], p))
    # The words that lack a piece are no more than its occurrences.
    lost = itertools.accumulate(occurrences[piece] for piece in reversed(alphabet))
    max_lost = _MAX_UNKNOWN_SHARE * num_words
    num_required = len(alphabet) - sum(number <= max_lost for number in lost)
    num_pieces = vocab_size - len(SPECIAL_TOKENS)
    if num_pieces < num_required:
        raise ValueError(
            f"Received vocab_size={vocab_size}, expected at least "
            f"{num_required + len(SPECIAL_TOKENS)}: the {len(SPECIAL_TOKENS)} special "
            f"tokens and {num_required} characters, without which more than "
            f"{_MAX_UNKNOWN_SHARE:.0%} of these words would be [UNK]."
        )
    num_characters = num_required
    merged: list[str] = []
    merges = processes.show_progress(
        "merge", _merges(word_counts), num_pieces - num_required
    )
    for count, piece in merges:
        # Those of this piece are among them: they occur as often as it does.
        while (
            num_characters < len(alphabet)
            and of_character[alphabet[num_characters][-1]] * _UNKNOWN_COST >= count
        ):
            num_characters += 1
        if num_characters + len(merged) >= num_pieces:
            break
        merged.append(piece)
    else:
        num_characters = len(alphabet)
    if num_characters + len(merged) < num_pieces:
        raise ValueError(
            f"Received vocab_size={vocab_size}, but this text yields only "
            f"{len(SPECIAL_TOKENS) + num_characters + len(merged)} pieces, when every "
            "word is one: choose a smaller vocabulary or more text."
        )
    num_characters = num_pieces - len(merged)
    _report_rare(set(alphabet[num_characters:]), word_counts)
    return Vocabulary((*SPECIAL_TOKENS, *sorted(alphabet[:num_characters]), *merged))


def main(options: LearnVocabularyOptions) -> None:
    """Learns a vocabulary, writes it, and prints how many pieces of a kind it has."""
    arguments = dataclasses.asdict(options)
    del arguments["runner"], arguments["spark_master"]
    arguments["cluster"] = options.cluster
    paths = [arguments.pop("vocab_file")]
    if options.tokenizer == "byte_bpe":
        # First: where the vocabulary is, so are its merges.
        paths.insert(0, merges_file(options.vocab_file))
    with contextlib.ExitStack() as files:
        opened = {path: files.enter_context(new_file(path)) for path in paths}
        vocabulary = learn_vocabulary(**arguments)
        for path, content in vocabulary.to_files(options.vocab_file).items():
            opened[path].write(content)
    print(
        f"{options.vocab_file}: {len(vocabulary):,} pieces, "
        f"{sum(vocabulary.continues):,} of them continuations, lower_case="
        f"{lowers_case(options.tokenizer, options.lower_case, options.strip_accents)}"
    )


# --- Counting.


@functools.cache
def _separate(
    lower_case: bool, strip_accents: bool | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def separate(texts: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU"):
            return separate_words(normalize(texts, lower_case, strip_accents))

    return separate


# --- Merging.


def _characters(word: str) -> list[str]:
    # Interned: a million words are lists of a few hundred strings.
    return [word[0], *(sys.intern(CONTINUATION + c) for c in word[1:])]


def _occurrences(word_counts: Mapping[str, int]) -> Counter[str]:
    """How often each piece of one character stands in the text."""
    occurrences: Counter[str] = Counter()
    for word, count in word_counts.items():
        for piece in _characters(word):
            occurrences[piece] += count
    return occurrences


def _report_rare(rare: set[str], word_counts: Mapping[str, int]) -> None:
    if not rare:
        return
    lost = sum(
        count
        for word, count in word_counts.items()
        if not rare.isdisjoint(_characters(word))
    )
    characters = sorted({piece[-1] for piece in rare})
    logging.warning(
        "Left out %d rare characters, such as %s: %.4f %% of the words are [UNK].",
        len(characters),
        " ".join(characters[:5]),
        100 * lost / sum(word_counts.values()),
    )


def _merges(word_counts: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Counts and texts of the pieces that merging makes, no text twice.

    Only the words that contain a pair are touched when it is merged. The heap is
    lazy: its entries say how frequent a pair is at most.
    """
    spelled = sorted(word_counts)
    weights = [word_counts[word] for word in spelled]
    words = [_characters(word) for word in spelled]
    pair_counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    # Where a pair stands, or once stood; a word may be named twice.
    places: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, word in enumerate(words):
        for pair in itertools.pairwise(word):
            pair_counts[pair] += weights[number]
            places[pair].append(number)
    heap = [(-count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)
    while heap:
        negative, pair = heapq.heappop(heap)
        count = pair_counts.get(pair, 0)
        if count < -negative:
            if count:
                heapq.heappush(heap, (-count, pair))
            continue
        merged = pair[0] + pair[1].removeprefix(CONTINUATION)
        if len(merged) > _MAX_PIECE_CHARACTERS:
            continue
        # It is new: a string that no merge has cut is merged alike wherever it stands.
        yield count, merged
        changes: defaultdict[tuple[str, str], int] = defaultdict(int)
        for number in places.pop(pair):
            before = words[number]
            after = _merge(before, pair, merged)
            if len(after) == len(before):
                continue
            words[number] = after
            weight = weights[number]
            for old in itertools.pairwise(before):
                changes[old] -= weight
            for new in itertools.pairwise(after):
                changes[new] += weight
                if merged in new:
                    places[new].append(number)
        for changed, change in changes.items():
            if change:
                pair_counts[changed] += change
                if not pair_counts[changed]:
                    del pair_counts[changed]
                elif change > 0:
                    heapq.heappush(heap, (-pair_counts[changed], changed))


def _merge(pieces: list[str], pair: tuple[str, str], merged: str) -> list[str]:
    """`a ##b ##a ##b` and the pair `##a ##b` give `a ##b ##ab`."""
    first, second = pair
    after: list[str] = []
    for piece in pieces:
        # A piece just merged is longer than the first one: it is not merged again.
        if piece == second and after and after[-1] == first:
            after[-1] = merged
        else:
            after.append(piece)
    return after


if __name__ == "__main__":
    cli.run(LearnVocabularyOptions, main, __doc__ or "")
