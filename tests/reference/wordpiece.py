"""BERT's tokenization in plain Python: slow, short, and made of no TensorFlow.

Written from the rules of google-research/bert, `tokenization.py` (eedf571): clean,
put spaces round ideographs, split at white space, lower-case and strip accents word
by word, split at punctuation, then take the longest piece again and again.
"""

import functools
import unicodedata

IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def clean_character(character: str) -> str:
    code, category = ord(character), unicodedata.category(character)
    if character in " \t\n\r" or category == "Zs":
        return " "
    if code in (0, 0xFFFD) or category in ("Cc", "Cf"):
        return ""
    if any(first <= code <= last for first, last in IDEOGRAPHS):
        return f" {character} "
    return character


def is_punctuation(character: str) -> bool:
    code = ord(character)
    return (
        33 <= code <= 47
        or 58 <= code <= 64
        or 91 <= code <= 96
        or 123 <= code <= 126
        or unicodedata.category(character).startswith("P")
    )


class _CleanTable(dict):
    """Table for `str.translate`, which examines each character once."""

    def __missing__(self, code: int) -> str:
        self[code] = clean_character(chr(code))
        return self[code]


class ReferenceTokenizer:
    def __init__(
        self,
        tokens: tuple[str, ...],
        lower_case: bool,
        strip_accents: bool | None = None,
    ):
        self.tokens = tokens
        self.lower_case = lower_case
        self.strip_accents = lower_case if strip_accents is None else strip_accents
        self._ids = {token: index for index, token in enumerate(tokens)}
        self._clean = _CleanTable()
        # A chunk between spaces gives the same ids at any position.
        self._chunk_ids = functools.cache(self._tokenize_chunk)

    def words(self, text: str | bytes) -> list[str]:
        """Returns the words of a text, before they are split into pieces."""
        return [word for chunk in self._chunks(text) for word in self._split(chunk)]

    def ids(self, text: str | bytes) -> list[int]:
        """Returns the ids of a text, without [CLS] and [SEP]."""
        return [i for chunk in self._chunks(text) for i in self._chunk_ids(chunk)]

    def _chunks(self, text: str | bytes) -> list[str]:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "ignore")
        # split() also splits at U+2028 and U+2029, which cleaning keeps; the other
        # characters that only split() treats as white space are controls, and removed.
        return text.translate(self._clean).split()

    def _split(self, chunk: str) -> list[str]:
        if self.lower_case:
            chunk = chunk.lower()
        if self.strip_accents:
            decomposed = unicodedata.normalize("NFD", chunk)
            chunk = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
        return "".join(f" {c} " if is_punctuation(c) else c for c in chunk).split()

    def _tokenize_chunk(self, chunk: str) -> list[int]:
        return [
            self._ids[piece]
            for word in self._split(chunk)
            for piece in self._pieces(word)
        ]

    def _pieces(self, word: str) -> list[str]:
        if len(word) > 200:
            return ["[UNK]"]
        pieces, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                if prefix + word[start:end] in self._ids:
                    pieces.append(prefix + word[start:end])
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces
