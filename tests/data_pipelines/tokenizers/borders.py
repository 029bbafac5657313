"""The graphemes of texts as the `regex` library finds them."""

import itertools

import regex
import tensorflow as tf


def grapheme_spans(text: str | bytes) -> list[tuple[int, int]]:
    """Where graphemes begin and end, in bytes; what is not UTF-8 is in none.

    White space ends a grapheme, which in the standard it does not before a mark.
    """
    characters = tf.compat.as_bytes(text).decode("utf-8", "surrogateescape")
    sizes = (len(c.encode("utf-8", "surrogateescape")) for c in characters)
    spans = itertools.pairwise(itertools.accumulate(sizes, initial=0))
    # Each byte that is not UTF-8 is a surrogate here.
    valid = [
        (character, span)
        for character, span in zip(characters, spans, strict=True)
        if not 0xD800 <= ord(character) <= 0xDFFF
    ]
    parts = regex.split(r"(\s)", "".join(character for character, _ in valid))
    graphemes = [part for text in parts for part in regex.findall(r"\X", text)]
    places = itertools.accumulate(map(len, graphemes), initial=0)
    return [(valid[a][1][0], valid[b - 1][1][1]) for a, b in itertools.pairwise(places)]


def widened(text: str, start: int, end: int) -> tuple[int, int]:
    """The bytes of all graphemes of which some are in a span."""
    parts = [(a, b) for a, b in grapheme_spans(text) if a < end and start < b]
    return (parts[0][0], parts[-1][1]) if start < end else (start, end)
