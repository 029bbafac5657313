"""Corrupts correct Chinese sentences with the mistakes seen in real pairs."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from data_pipelines.corpus.alignment import align

# Probability of a further mistake per character: long sentences get a few.
_RATE = 0.04
# Maximum share of characters unseen in the pairs, in a sentence of the same script.
_MAX_UNKNOWN = 0.05

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")


def corrupt_chinese(
    sentence: str, draw: random.Random, confusions: "Confusions", others: str
) -> str:
    """Corrupts at least one character of a sentence; a few are dropped or doubled.

    Characters without a known confusion are replaced by random ones of `others`. A
    sentence without Chinese characters is returned unchanged.
    """
    characters = list(sentence)
    places = [i for i, c in enumerate(characters) if _HAN.match(c)]
    if not places:
        return sentence
    # Weighted sampling: characters that people often get wrong tend to come first.
    weights = [draw.random() ** (1 / confusions.weight(characters[i])) for i in places]
    order = sorted(zip(weights, places, strict=True), reverse=True)
    wanted = 1 + sum(draw.random() < _RATE for _ in places[1:])
    for _, place in order[:wanted]:
        old = characters[place]
        chance = draw.random()
        if chance < 0.03:
            characters[place] = ""
        elif chance < 0.06:
            characters[place] = 2 * old
        else:
            characters[place] = confusions.wrong(old, draw) or draw.choice(others)
    return "".join(characters)


class Confusions:
    """Counts of wrong characters, by the correct character that they replace.

    Args:
        pairs: texts and their corrections; the class aligns them.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._wrong: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._characters: set[str] = set()
        for text, corrected in pairs:
            self._characters.update(corrected)
            for i, j in align(text, corrected):
                if i is not None and j is not None and text[i] != corrected[j]:
                    self._wrong[corrected[j]][text[i]] += 1
        self._most = max((c.total() for c in self._wrong.values()), default=1)

    def knows(self, text: str) -> bool:
        """Returns True if the pairs contain nearly all characters, or are empty."""
        if not self._characters:
            return True
        unknown = sum(character not in self._characters for character in text)
        return unknown <= _MAX_UNKNOWN * len(text)

    def weight(self, character: str) -> float:
        """Returns the weight, 0.1 to 1, of a character when drawing one to corrupt.

        The square root of its count compensates for the frequency of the character.
        """
        count = sum(self._wrong.get(character, {}).values())
        return 0.1 + 0.9 * (count / self._most) ** 0.5

    def wrong(self, character: str, draw: random.Random) -> str | None:
        """Draws a wrong character for a correct one; None if none is known."""
        known = self._wrong.get(character)
        if known is None:
            return None
        return draw.choices(list(known), list(known.values()))[0]
