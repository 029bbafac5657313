"""WordPiece vocabularies by hand, and beside a learner that recounts everything."""

import random
import re
from collections import Counter

import pytest
import tensorflow as tf

from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from data_pipelines.vocabulary_learning import wordpiece as module
from data_pipelines.vocabulary_learning.wordpiece import learn_wordpiece

# Pairs at first (of five "hug", two "pug", two "hugs"):
#   h ##u 7, ##u ##g 9, p ##u 2, ##g ##s 2
# ##ug 9. Then h ##ug 7, p ##ug 2, ##ug ##s 2.
# hug 7. Then hug ##s 2, p ##ug 2; ##ug ##s has gone.
# "hug ##s" comes before "p ##ug" in the order of texts: hugs 2, then pug 2.
HUGS = {"hug": 5, "pug": 2, "hugs": 2}
HUGS_CHARACTERS = ("##g", "##s", "##u", "h", "p")
HUGS_MERGES = ("##ug", "hug", "hugs", "pug")

TEXT = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, "
    "it was the age of foolishness.\n"
    "“Humbug!” said Scrooge. “A Café in the Élysée, isn't it?”\n"
    "[MASK] and [UNK] are written here, and [CLS] [SEP] [PAD] ##s too.\n"
)


def tokens_of(vocabulary, text):
    ids = WordPieceTokenizer(vocabulary).tokenize(tf.constant([text]))
    return [vocabulary.tokens[i] for i in ids.values.numpy()]


# --- Merging.


def test_by_hand():
    vocabulary = learn_wordpiece(HUGS, 14)
    assert vocabulary.tokens == (*SPECIAL_TOKENS, *HUGS_CHARACTERS, *HUGS_MERGES)


@pytest.mark.parametrize("num_merges", range(5))
def test_a_smaller_vocabulary_has_the_first_merges(num_merges):
    vocabulary = learn_wordpiece(HUGS, 10 + num_merges)
    assert vocabulary.tokens[5:] == (*HUGS_CHARACTERS, *HUGS_MERGES[:num_merges])


def test_repeated_characters():
    # baaaa: b ##a 1, ##a ##a 3 (overlapping); ##aa twice, from the left. Then
    # ##aa ##aa 1 before b ##aa 1.
    vocabulary = learn_wordpiece({"baaaa": 1}, 10)
    assert vocabulary.tokens[5:] == ("##a", "b", "##aa", "##aaaa", "baaaa")


def reference(word_counts, vocab_size):
    """All characters, and merges for which everything is counted anew each time."""
    words = {w: [w[0], *("##" + c for c in w[1:])] for w in word_counts}
    characters = sorted({piece for pieces in words.values() for piece in pieces})
    tokens = [*SPECIAL_TOKENS, *characters]
    while len(tokens) < vocab_size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in words.items():
            for i in range(len(pieces) - 1):
                pairs[pieces[i], pieces[i + 1]] += word_counts[word]
        if not pairs:
            return None
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = best[0] + best[1][2:]
        for pieces in words.values():
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == best:
                    pieces[i : i + 2] = [merged]
                i += 1
        tokens.append(merged)
    return tuple(tokens)


@pytest.mark.parametrize("seed", range(60))
def test_against_recounting_everything(seed, monkeypatch):
    monkeypatch.setattr(module, "_UNKNOWN_COST", 10**9)
    generator = random.Random(seed)
    letters = "ab" if seed % 2 else "abcdé中"
    words = {
        "".join(generator.choices(letters, k=generator.randint(1, 12))): (
            generator.choice([1, 1, 2, 3, 17])
        )
        for _ in range(generator.randint(1, 40))
    }
    full = len(SPECIAL_TOKENS) + len(
        {(character, i > 0) for word in words for i, character in enumerate(word)}
    )
    for vocab_size in (full, full + 1, full + 7, full + 40):
        expected = reference(words, vocab_size)
        if expected is None:
            with pytest.raises(ValueError, match="Expected at most"):
                learn_wordpiece(words, vocab_size)
        else:
            assert learn_wordpiece(words, vocab_size).tokens == expected


def test_order_of_words_does_not_matter():
    words = list(Counter(re.findall(r"\w+|\S", TEXT)).items())
    first = learn_wordpiece(dict(words), 120)
    assert len(first) == 120
    for seed in range(5):
        random.Random(seed).shuffle(words)
        assert learn_wordpiece(dict(words), 120) == first


def test_pieces_have_fifty_characters_at_most():
    """A longer one than 256 bytes the op of the tokenizer would refuse."""
    word = "\U00010330" * 200
    with pytest.raises(ValueError, match="Expected at most") as error:
        learn_wordpiece({word: 1}, 10_000)
    size = int(str(error.value).split("at most ")[1].split(",")[0])
    vocabulary = learn_wordpiece({word: 1}, size)
    pieces = [token.removeprefix("##") for token in vocabulary.tokens]
    assert 25 < max(map(len, pieces)) <= 50
    assert "[UNK]" not in tokens_of(vocabulary, word)


# --- Which characters.


def test_all_characters_at_the_beginning_and_within():
    vocabulary = learn_wordpiece({"ab": 1, "ba": 1, "c": 1}, 10)
    assert vocabulary.tokens[5:] == ("##a", "##b", "a", "b", "c")


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(
        module.logging, "warning", lambda text, *values: lines.append(text % values)
    )
    return lines


def test_rare_characters_give_way_to_frequent_merges(warnings):
    # Of 2,000 words one in 2,000 has Ж: fewer than one in a hundred, and the merge
    # of ab is more than fifty times as frequent. There is no room for both.
    words = {"ab": 1999, "Ж": 1}
    assert learn_wordpiece(words, 8).tokens[5:] == ("##b", "a", "ab")
    assert warnings == [
        "Dropped 1 rare characters, such as Ж: 0.0500 % of the words are [UNK]."
    ]


def test_rare_characters_are_kept_where_there_is_room(warnings):
    words = {"ab": 1999, "Ж": 1}
    assert learn_wordpiece(words, 9).tokens[5:] == ("##b", "a", "Ж", "ab")
    assert warnings == []


def test_rare_characters_come_before_merges_that_save_little(warnings):
    # cd stands 50 times and Ж once: what Ж saves is worth as much.
    words = {"ab": 1999, "cd": 50, "Ж": 1}
    assert "Ж" in learn_wordpiece(words, 11)
    assert "cd" not in learn_wordpiece(words, 11)
    words["cd"] = 51
    assert "cd" in learn_wordpiece(words, 11)
    assert len(warnings) == 1


def test_a_character_has_both_its_pieces_or_none(warnings):
    # Ж within a word is rare, and yet it is no rare character.
    words = {"ab": 19_990, "cd": 15_000, "Ж": 1000, "aЖ": 1}
    assert {"Ж", "##Ж", "ab"} < set(learn_wordpiece(words, 12).tokens)
    assert warnings == []


def test_too_small_for_the_characters():
    with pytest.raises(
        ValueError, match=r"vocab_size=9. Expected at least 10, for the 5"
    ):
        learn_wordpiece(HUGS, 9)


@pytest.mark.parametrize("vocab_size", [-1, 0, 5])
def test_too_small_for_anything(vocab_size):
    with pytest.raises(ValueError, match="Expected at least 10"):
        learn_wordpiece(HUGS, vocab_size)


def test_too_large():
    with pytest.raises(ValueError, match=r"vocab_size=15. Expected at most 14,"):
        learn_wordpiece(HUGS, 15)


def test_no_words():
    with pytest.raises(ValueError, match="no words"):
        learn_wordpiece({}, 100)
