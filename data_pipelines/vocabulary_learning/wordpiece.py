"""Learns a WordPiece vocabulary from word counts.

References:
    Schuster and Nakajima, Japanese and Korean Voice Search (2012), for the pieces.
    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units
    (2016), section 3.2, for the choice of pairs by their counts.
"""

import heapq
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from absl import logging

from data_pipelines.programs import processes
from data_pipelines.tokenizers.spelling import CONTINUATION
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from data_pipelines.vocabulary_learning.too_few_pieces import TooFewPiecesError

# Longer pieces are not useful, and the lookup op is limited to 256 bytes.
_MAX_PIECE_CHARACTERS = 50
# A word that becomes [UNK] is lost, while a missing merge only makes a word one piece
# longer: a rare character takes precedence over a merge of up to this times its count.
_UNKNOWN_COST = 50
# Maximum share of words that may become [UNK], however small the vocabulary.
_MAX_UNKNOWN_SHARE = 0.01


def learn_wordpiece(word_counts: Mapping[str, int], vocab_size: int) -> Vocabulary:
    """Merges characters into pieces, the most frequent adjacent pair first.

    `{"ab": 3, "b": 1}` and 9 give `[PAD] [UNK] [CLS] [SEP] [MASK] ##b a b ab`.

    A character at the beginning of a word and the same character within a word are two
    pieces, if both occur. Of equally frequent pairs, the alphabetically first one is
    merged. A character less than a fiftieth as frequent as the last merge is left out,
    so that a few words in other scripts do not use up a vocabulary; the number of these
    is logged. Merging continues until every word is one piece, or pieces have 50
    characters.

    Returns:
        The special tokens with the ids 0 to 4, the characters in alphabetical order,
        and the merged pieces in the order of the merges.

    Raises:
        ValueError: there are no words; the size is too small for the characters of
            99 % of the words; or there are not enough different pieces.
    """
    if not word_counts:
        raise ValueError("The sources have no words. Expected text: check the files.")
    num_pieces = vocab_size - len(SPECIAL_TOKENS)
    alphabet, num_required = _alphabet(word_counts)
    if num_pieces < num_required:
        raise ValueError(
            f"Received vocab_size={vocab_size}. Expected at least "
            f"{num_required + len(SPECIAL_TOKENS)}, for the {len(SPECIAL_TOKENS)} "
            f"special tokens and {num_required} characters, without which more than "
            f"{_MAX_UNKNOWN_SHARE:.0%} of these words would be [UNK]: increase it."
        )
    pieces = list(alphabet)
    num_characters = num_required
    merged: list[str] = []
    merges = _merges(word_counts)
    at_most = num_pieces - num_required
    for count, piece in processes.show_progress("merge", merges, at_most):
        # The characters of this piece come first: they are at least as frequent.
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
    # Interned, so that a million words share a few hundred strings.
    return [word[0], *(sys.intern(CONTINUATION + c) for c in word[1:])]


def _alphabet(word_counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Returns counts of single-character pieces, and how many of them are required.

    The pieces are ordered by the frequency of their characters. The count of a piece is
    that of its character, at the beginning of words and within. Without the required
    ones, too many words would be [UNK].
    """
    occurrences: Counter[str] = Counter()
    for word, count in word_counts.items():
        for piece in _characters(word):
            occurrences[piece] += count
    of_character: Counter[str] = Counter()
    for piece, count in occurrences.items():
        of_character[piece[-1]] += count
    pieces = sorted(occurrences, key=lambda p: (-of_character[p[-1]], p[-1], p))
    # At most as many words lack a piece as the piece has occurrences.
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
        "Dropped %d rare characters, such as %s: %.4f %% of the words are [UNK].",
        len(characters),
        " ".join(characters[:5]),
        100 * lost / sum(word_counts.values()),
    )


def _merges(word_counts: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """Yields counts and texts of merged pieces, each text once.

    A merge updates only the words that contain the pair. The heap is lazy: its entries
    are upper bounds of the frequencies of pairs.
    """
    spelled = sorted(word_counts)
    weights = [word_counts[word] for word in spelled]
    words = [_characters(word) for word in spelled]
    pair_counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    # Words that contain a pair, or once did; a word may be listed twice.
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
        # The text is new: equal strings within words are always merged in the same way.
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
    """Merges a pair: `a ##b ##a ##b` and the pair `##a ##b` give `a ##b ##ab`."""
    first, second = pair
    after: list[str] = []
    for piece in pieces:
        # A piece that was just merged is longer than the first one, so it cannot match.
        if piece == second and after and after[-1] == first:
            after[-1] = merged
        else:
            after.append(piece)
    return after
