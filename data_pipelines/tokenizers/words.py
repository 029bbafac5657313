"""Splits running text into the words of taggers.

Rules insert borders into the texts, one after the other, because the regular
expressions of RE2 have no look-around. All other bytes keep their positions.
"""

from collections.abc import Iterable, Sequence

import tensorflow as tf

from data_pipelines.corpus.sentences import BORDER as SENTENCE
from data_pipelines.corpus.sentences import mark_sentences
from data_pipelines.tokenizers.graphemes import EXTENDING

_BORDER = "\x1f"
_SPACE = r"[\s\p{Z}]"
_BEGIN = rf"(^|[{_BORDER}{SENTENCE}]|{_SPACE})"
_END = rf"(?:[{_BORDER}{SENTENCE}]|{_SPACE}|$)"
# Always separate words.
_ALWAYS = (
    r"""[()\[\]{}<>"“”„«»‹›…!?;。｡．、､，！？；：（）［］｛｝「」『』【】〔〕〈〉《》"""
    r"""।॥؟؛،۔።፣፤፥፧։။၊។៕]"""
)
# Allowed between a stop and the end of its sentence.
_CLOSING = rf"""(?:{_BORDER}|["'“”‘’»)\]}}])*"""
# The character before a stop, not itself a stop.
_ENDED = rf"([^.{_BORDER}{SENTENCE}\s])"
# Abbreviations, which keep their stops at the end of a sentence, too.
_ABBREVIATION = (
    r"(?:\p{L}{1,2}\.)+\p{L}{1,2}|(?i:mr|mrs|ms|messrs|mme|mlle|dr|drs|prof|capt|cmdr|"
    r"supt|inc|ltd|co|corp|bros|prods|jr|sr|etc|dept|approx|vs|cf|al|usw|bzw)|St|Ste|"
    r"Ave|Blvd|Feb|Aug|Sept|Oct|Nov|Dec"
)
# Placeholders of the same length for `'` and `.`, and for `’`, which hide them from the
# rules.
_HIDDEN, _HIDDEN_QUOTE = "\x1d", "\ufffc"

# Patterns and their replacements, applied in this order.
_RULES = (
    # Contractions in tokenized text, `Anna 's`.
    (rf"(^|{_SPACE})'((?i:s|t|d|m|ll|re|ve){_END})", rf"\1{_HIDDEN}\2"),
    (rf"(^|{_SPACE})’((?i:s|t|d|m|ll|re|ve){_END})", rf"\1{_HIDDEN_QUOTE}\2"),
    (rf"{_ALWAYS}{EXTENDING}*", rf"{_BORDER}\0{_BORDER}"),
    (rf"{_BEGIN}((?:['’‘]{EXTENDING}*)+)", rf"\1{_BORDER}\2{_BORDER}"),
    (rf"{_BEGIN}({_ABBREVIATION})\.", rf"\1\2{_HIDDEN}"),
    # The stop at the end of a sentence, a line, or a quotation.
    (
        rf"{_ENDED}(\.{EXTENDING}*)({_CLOSING}(?:{SENTENCE}|{_SPACE}*(?:[\r\n]|$)))",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    (
        rf"""{_ENDED}(\.)({_BORDER}["”»]|['’]+{_END})""",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    # After fewer characters, the stop may belong to an abbreviation.
    (
        rf"([^.{_BORDER}{SENTENCE}\s]{{4}})(\.{EXTENDING}*)({_CLOSING}{_END})",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    (rf"([,:]{EXTENDING}*)({_CLOSING}{_END})", rf"{_BORDER}\1{_BORDER}\2"),
)
# Classes of characters that may be single-character words.
_SINGLE = ("Han", "Hiragana", "Katakana", "Latin", "Nd")
_NEARLY_ALL = 0.9


def split_words(
    texts: tf.Tensor, single: Sequence[str] = ()
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Splits texts at white space and separates punctuation, in the TensorFlow graph.

    `"Mr. Hu (62), of IBM."` becomes `Mr. Hu ( 62 ) , of IBM .`, as in the data of
    taggers. Tokenized text, `"of Paris ."`, is unchanged. No word ends inside a
    grapheme.

    Args:
        texts: string `(texts,)`, UTF-8.
        single: classes of single-character words, see `single_characters`.

    Returns:
        Three ragged `(texts, (words))`: the words, string, and their start and end
        bytes in the text, int32.
    """
    with tf.device("CPU"):
        # Replaced by another control, because ops drop NUL.
        texts = tf.strings.regex_replace(texts, r"[\x00\x1d]", "\x01")
        texts = tf.strings.regex_replace(texts, rf"[{_BORDER}{SENTENCE}]", " ")
        marked = mark_sentences(texts)
        for pattern, replacement in _RULES:
            marked = tf.strings.regex_replace(marked, pattern, replacement)
        if single:
            marked = tf.strings.regex_replace(
                marked, _characters(single), rf"{_BORDER}\0{_BORDER}"
            )
        marked = tf.strings.regex_replace(marked, SENTENCE, _BORDER)
        marked = tf.strings.regex_replace(
            marked, rf"{_SPACE}+", rf"{_BORDER}\0{_BORDER}"
        )
        parts = tf.strings.split(marked, _BORDER)  # (texts, (parts)), some no words
        lengths = tf.strings.length(parts.values)
        ends = tf.cumsum(lengths)
        before = tf.gather(tf.pad(ends, [[1, 0]]), parts.row_starts())
        ends -= tf.repeat(before, parts.row_lengths())
        is_word = ~tf.strings.regex_full_match(parts.values, rf"{_SPACE}*")
        starts, ends = (
            tf.ragged.boolean_mask(
                parts.with_values(values), parts.with_values(is_word)
            )
            for values in (ends - lengths, ends)
        )
        words = tf.strings.substr(
            tf.gather(texts, starts.value_rowids()),
            starts.values,
            ends.values - starts.values,
        )
        return starts.with_values(words), starts, ends


def single_characters(words: Iterable[str]) -> tuple[str, ...]:
    """Returns the classes of characters that are nearly always single words.

    For data tagged by character, these are `("Han",)` or more; for data tagged by word,
    Chinese or not, there are none.
    """
    distinct = tf.constant(sorted(set(words)), tf.string)
    is_single = tf.strings.regex_full_match(distinct, rf"(?s).{EXTENDING}*")

    def is_nearly_always(name: str) -> bool:
        has = tf.strings.regex_full_match(distinct, rf"(?s).*\p{{{name}}}.*")
        found = tf.boolean_mask(tf.cast(is_single, tf.float32), has)
        return tf.size(found) > 0 and tf.reduce_mean(found) >= _NEARLY_ALL

    # Single letters are words in any language.
    if not is_nearly_always(_SINGLE[0]):
        return ()
    return tuple(name for name in _SINGLE if is_nearly_always(name))


def split_characters(words: Sequence[str], single: Sequence[str]) -> tuple[str, ...]:
    """Splits words so that each character of these classes is a separate word."""
    if not single:
        return tuple(words)
    marked = tf.strings.regex_replace(
        tf.constant(words, tf.string), _characters(single), rf"{_BORDER}\0{_BORDER}"
    )
    parts = tf.strings.split(marked, _BORDER).values
    parts = tf.boolean_mask(parts, parts != "")
    return tuple(part.decode("utf-8", "replace") for part in parts.numpy())


def _characters(single: Sequence[str]) -> str:
    classes = "".join(rf"\p{{{name}}}" for name in single)
    return rf"[{classes}]{EXTENDING}*"
