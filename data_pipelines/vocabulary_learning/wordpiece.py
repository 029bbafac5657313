"""Learns a WordPiece vocabulary from the counts of words.

References:
    Schuster and Nakajima, Japanese and Korean Voice Search (2012), for the pieces.
    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units
    (2016), section 3.2, for the choice of pairs by their counts alone.
"""

import heapq
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from absl import logging

from data_pipelines.programs import processes
from data_pipelines.tokenizers.vocabulary import (
    CONTINUATION,
    SPECIAL_TOKENS,
    Vocabulary,
)
from data_pipelines.vocabulary_learning.too_few_pieces import TooFewPiecesError

# Nothing is learned from longer strings of letters, and the op that looks pieces up
# takes 256 bytes at most.
_MAX_PIECE_CHARACTERS = 50
# A word that becomes [UNK] is lost, while a word that lacks a merge is one piece
# longer: so a rare character has an entry before a merge of this many times its count.
_UNKNOWN_COST = 50
# More words than this share of them are not given up, however small the vocabulary.
_MAX_UNKNOWN_SHARE = 0.01


def learn_wordpiece(word_counts: Mapping[str, int], vocab_size: int) -> Vocabulary:
    """Merges characters to pieces, the most frequent pair of neighbours first.

    `{"ab": 3, "b": 1}` and 9 give `[PAD] [UNK] [CLS] [SEP] [MASK] ##b a b ab`.

    A character at the beginning of a word and the same one within are two pieces, as
    far as both occur. Of pairs that are equally frequent, the one first in the order
    of its two texts is taken. A character less than a fiftieth as frequent as the
    last merge gets no entry, so that a few words in other scripts do not use up a
    vocabulary; the number of these is logged. Merging goes on until a word is one
    piece, or a piece has 50 characters.

    Returns:
        The special tokens with the ids 0 to 4, the characters in the order of their
        text, and the merges in the order in which they were made.

    Raises:
        ValueError: there are no words; the size does not suffice for the characters
            of 99 % of the words; or there are not so many different pieces.
    """
    if not word_counts:
        raise ValueError("The sources have no words. Expected text.")
    num_pieces = vocab_size - len(SPECIAL_TOKENS)
    alphabet, num_required = _alphabet(word_counts)
    if num_pieces < num_required:
        raise ValueError(
            f"Received vocab_size={vocab_size}, expected at least "
            f"{num_required + len(SPECIAL_TOKENS)}: the {len(SPECIAL_TOKENS)} special "
            f"tokens and {num_required} characters, without which more than "
            f"{_MAX_UNKNOWN_SHARE:.0%} of these words would be [UNK]."
        )
    pieces = list(alphabet)
    num_characters = num_required
    merged: list[str] = []
    merges = _merges(word_counts)
    at_most = num_pieces - num_required
    for count, piece in processes.show_progress("merge", merges, at_most):
        # The characters of this piece come first: they occur as often as it does.
        while (
            num_characters < len(pieces)
            and alphabet[pieces[num_characters]] * _UNKNOWN_COST >= count
        ):
            num_characters += 1
        if num_characters + len(merged) >= num_pieces:
            break
        merged.append(piece)
    else:
        num_characters = len(pieces)
    found = num_characters + len(merged)
    if found < num_pieces:
        raise TooFewPiecesError(vocab_size, len(SPECIAL_TOKENS) + found)
    num_characters = num_pieces - len(merged)
    _report_rare(set(pieces[num_characters:]), word_counts)
    return Vocabulary((*SPECIAL_TOKENS, *sorted(pieces[:num_characters]), *merged))


def _characters(word: str) -> list[str]:
    # Interned: a million words are lists of a few hundred strings.
    return [word[0], *(sys.intern(CONTINUATION + c) for c in word[1:])]


def _alphabet(word_counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Pieces of one character, the most frequent characters first, and their number
    without which too many words would be lost.

    The count of each is that of its character, at the beginning of words and within.
    """
    occurrences: Counter[str] = Counter()
    for word, count in word_counts.items():
        for piece in _characters(word):
            occurrences[piece] += count
    of_character: Counter[str] = Counter()
    for piece, count in occurrences.items():
        of_character[piece[-1]] += count
    pieces = sorted(occurrences, key=lambda p: (-of_character[p[-1]], p[-1], p))
    # The words that lack a piece are no more than its occurrences.
    lost = itertools.accumulate(occurrences[piece] for piece in reversed(pieces))
    max_lost = _MAX_UNKNOWN_SHARE * sum(word_counts.values())
    num_required = len(pieces) - sum(number <= max_lost for number in lost)
    return {piece: of_character[piece[-1]] for piece in pieces}, num_required


def _report_rare(rare: set[str], word_counts: Mapping[str, int]) -> None:
    if not rare:
        return
    words = (word for word in word_counts if not rare.isdisjoint(_characters(word)))
    lost = sum(word_counts[word] for word in words)
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
