"""Corrupts correct Chinese sentences by the mistakes in real pairs."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from data_pipelines.corpus.alignment import align

# Mistakes for each character beyond the first one: a few in long sentences.
_RATE = 0.04
# Share of characters that real pairs lack, in a sentence of the same script.
_MAX_UNKNOWN = 0.05

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")


def corrupt_chinese(
    sentence: str, draw: random.Random, confusions: "Confusions", others: str
) -> str:
    """Makes characters of a sentence wrong, at least one; a few are lost or doubled.

    Characters without a known confusion are replaced by those of the text `others`. A
    sentence without Chinese characters stays as it is.
    """
    characters = list(sentence)
    places = [i for i, c in enumerate(characters) if _HAN.match(c)]
    if not places:
        return sentence
    # Characters that people get wrong come first, most often.
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
    """Counts of the characters that people write instead of others.

    Args:
        pairs: texts and their corrections, which are aligned.
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
        """True if nearly all characters are in the pairs, or there are no pairs."""
        if not self._characters:
            return True
        unknown = sum(character not in self._characters for character in text)
        return unknown <= _MAX_UNKNOWN * len(text)

    def weight(self, character: str) -> float:
        """The weight, 0.1 to 1, with which a character is drawn to be made wrong.

        The root of its count evens out how often it is in the text at all.
        """
        count = sum(self._wrong.get(character, {}).values())
        return 0.1 + 0.9 * (count / self._most) ** 0.5

    def wrong(self, character: str, draw: random.Random) -> str | None:
        """Draws a character that is written instead; None if none is known."""
        known = self._wrong.get(character)
        if known is None:
            return None
        return draw.choices(list(known), list(known.values()))[0]
