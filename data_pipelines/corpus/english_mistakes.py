"""Corrupts correct English sentences with the mistakes that people make."""

import itertools
import random
import re
from collections.abc import Callable

# Probability of a further mistake per word: long sentences get a few.
_RATE = 0.08

_PARTS = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*|\s+|.", re.DOTALL)
# Groups of words that are confused with one another.
_CONFUSED = """
    a an the; in on at into; to for of from with by; about of on; is are was were;
    has have had; do does did; this these; that those which; he him; they them;
    much many; their there they're; its it's; your you're; then than; to too two;
    whose who's; where were we're; of off; lose loose; quiet quite; weather whether;
    here hear; passed past; accept except; affect effect; advice advise; know no;
    by buy; could can; would will; so such
"""
_CONFUSIONS = [group.split() for group in _CONFUSED.split(";")]
_OTHERS = {
    word: [o for group in _CONFUSIONS if word in group for o in group if o != word]
    for word in itertools.chain(*_CONFUSIONS)
}
# Small words that are dropped, doubled, or inserted where none belongs.
_SMALL = {
    *("a", "an", "the", "in", "on", "at", "to", "for", "of", "from", "with", "by"),
    *("and", "or", "but", "as", "that", "not", "it", "he", "she", "they", "we", "you"),
    *("is", "are", "was", "were", "be", "been", "has", "have", "had", "do", "does"),
    *("did", "will", "would", "can", "could"),
}
_ENDING = re.compile("(?<=...)(?:s|ed|ing|ly)$")
_VOWELS = "aeiou"
# Each letter, followed by its neighbours on a keyboard.
_KEYBOARD = """
    qwa wqeas ewrsd retdf tryfg ytugh uyihj iuojk oipkl pol
    aqwsz sweadzx dersfxc frtdgcv gtyfhvb hyugjbn juihknm kiojlm lopk
    zasx xsdzc cdfxv vfgcb bghvn nhjbm mjkn
"""
_NEIGHBORS = {letters[0]: letters[1:] for letters in _KEYBOARD.split()}


def corrupt_english(sentence: str, draw: random.Random) -> str:
    """Makes mistakes in about a twelfth of the words of a sentence, at least in one.

    Typing errors: a neighbouring key, letters swapped, dropped or doubled. Small words
    dropped, doubled or confused, such as articles, prepositions, `their` and `there`.
    Wrong endings of verbs and nouns, swapped words, and missing commas.

    A sentence without a word or comma is returned unchanged.
    """
    parts = _PARTS.findall(sentence)
    places = [i for i, part in enumerate(parts) if part[0].isalpha() or part == ","]
    draw.shuffle(places)
    wanted = 1 + sum(draw.random() < _RATE for _ in places[1:])
    # Adjacent words are rarely all wrong.
    changed: set[int] = set()
    for place in places:
        if len(changed) == wanted:
            break
        if changed & {place - 2, place, place + 2}:
            continue
        new = _mistake(parts, place, draw)
        if new is not None and new != parts[place]:
            parts[place] = new
            changed.add(place)
    return re.sub(" {2,}", " ", "".join(parts)).strip()


def _mistake(parts: list[str], place: int, draw: random.Random) -> str | None:
    """Returns a wrong word; None if the drawn mistake is impossible here.

    A swap also changes the next word in `parts`.
    """
    word = parts[place].lower()
    if word == ",":
        return "" if draw.random() < 0.3 else None
    is_small = word in _SMALL or word in _OTHERS
    mistakes = _SMALL_MISTAKES if is_small else _MISTAKES
    make = draw.choices(list(mistakes), list(mistakes.values()))[0]
    return make(parts, place, draw)


def _lost(parts: list[str], place: int, draw: random.Random) -> str:
    return ""


def _doubled(parts: list[str], place: int, draw: random.Random) -> str:
    return f"{parts[place]} {parts[place].lower()}"


def _with_small_word(parts: list[str], place: int, draw: random.Random) -> str | None:
    word = parts[place]
    if not word[0].islower():
        return None
    return f"{draw.choice(('the', 'a', 'to', 'of', 'in', 'is', 'for'))} {word}"


def _confused(parts: list[str], place: int, draw: random.Random) -> str | None:
    word = parts[place]
    others = _OTHERS.get(word.lower())
    if not others:
        return None
    other = draw.choice(others)
    return other[0].upper() + other[1:] if word[0].isupper() else other


def _swapped(parts: list[str], place: int, draw: random.Random) -> str | None:
    following = place + 2
    if following >= len(parts) or parts[place + 1] != " ":
        return None
    word, other = parts[place], parts[following]
    # A capital marks the beginning of a sentence, or a name.
    if not (word.islower() and other.isalpha() and other.islower()):
        return None
    parts[following] = word
    return other


def _ending(parts: list[str], place: int, draw: random.Random) -> str | None:
    """Changes the ending: `walks` for `walk`, `walk` for `walked`, ..."""
    word = parts[place]
    if len(word) < 4 or not word.isalpha() or word.isupper():
        return None
    stem = _ENDING.sub("", word)
    if stem.endswith(("ss", "'")):
        stem = word
    without_e = stem.removesuffix("e")
    new = [stem, f"{stem}s", f"{without_e}ed", f"{without_e}ing"]
    # An `e` before the ending was dropped: lik(e)ing.
    if stem != word and stem[-1] not in _VOWELS:
        new.append(f"{stem}e")
    return draw.choice([other for other in new if other != word])


def _typed(parts: list[str], place: int, draw: random.Random) -> str | None:
    word = parts[place]
    if len(word) < 3:
        return None
    # The first letter is rarely wrong.
    at = draw.randrange(1, len(word))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    if not letter.isalpha():
        return before + after
    kind = draw.random()
    if kind < 0.25:
        return before + draw.choice(_NEIGHBORS.get(letter, letter)) + after
    if kind < 0.5:
        return before[:-1] + letter.lower() + before[-1] + after
    if kind < 0.75:
        return before + after
    if kind < 0.9:
        return before + 2 * letter + after
    if letter in _VOWELS:
        # Phonetic misspellings: seperate, definately.
        return before + draw.choice(_VOWELS.replace(letter, "")) + after
    return before + draw.choice(_NEIGHBORS.get(letter, letter)) + letter + after


# Kinds of mistakes and their weights.
_Mistakes = dict[Callable[[list[str], int, random.Random], str | None], int]
_SMALL_MISTAKES: _Mistakes = {_lost: 25, _confused: 50, _doubled: 8, _typed: 17}
_MISTAKES: _Mistakes = {_typed: 55, _ending: 25, _swapped: 6, _with_small_word: 14}
