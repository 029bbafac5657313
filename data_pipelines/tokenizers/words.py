"""Running text to the words that a tagger reads.

Borders are put into the texts by one rule after the other, as RE2's regular expressions
have no look-around. All else stays in its place, to the byte.
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
# A word of its own wherever it stands.
_ALWAYS = (
    r"""[()\[\]{}<>"“”„«»‹›…!?;。｡．、､，！？；：（）［］｛｝「」『』【】〔〕〈〉《》"""
    r"""।॥؟؛،۔።፣፤፥፧։။၊។៕]"""
)
# May stand between a stop and the end of its sentence.
_CLOSING = rf"""(?:{_BORDER}|["'“”‘’»)\]}}])*"""
# What a stop or comma ends, and no other stop.
_ENDED = rf"([^.{_BORDER}{SENTENCE}\s])"
# Keep their stops at the end of a sentence, too.
_ABBREVIATION = (
    r"(?:\p{L}{1,2}\.)+\p{L}{1,2}|(?i:mr|mrs|ms|messrs|mme|mlle|dr|drs|prof|capt|cmdr|"
    r"supt|inc|ltd|co|corp|bros|prods|jr|sr|etc|dept|approx|vs|cf|al|usw|bzw)|St|Ste|"
    r"Ave|Blvd|Feb|Aug|Sept|Oct|Nov|Dec"
)
# Stand for what no rule may look at, and are as long: `'` and `.`, and `’`.
_HIDDEN, _HIDDEN_QUOTE = "\x1d", "\ufffc"

# One after the other: what is searched for, and what replaces it.
_RULES = (
    # In text of words with spaces between them, `Anna 's`.
    (rf"(^|{_SPACE})'((?i:s|t|d|m|ll|re|ve){_END})", rf"\1{_HIDDEN}\2"),
    (rf"(^|{_SPACE})’((?i:s|t|d|m|ll|re|ve){_END})", rf"\1{_HIDDEN_QUOTE}\2"),
    (rf"{_ALWAYS}{EXTENDING}*", rf"{_BORDER}\0{_BORDER}"),
    (rf"{_BEGIN}((?:['’‘]{EXTENDING}*)+)", rf"\1{_BORDER}\2{_BORDER}"),
    (rf"{_BEGIN}({_ABBREVIATION})\.", rf"\1\2{_HIDDEN}"),
    # The stop at the end of a sentence, of a line, or of what is quoted.
    (
        rf"{_ENDED}(\.{EXTENDING}*)({_CLOSING}(?:{SENTENCE}|{_SPACE}*(?:[\r\n]|$)))",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    (
        rf"""{_ENDED}(\.)({_BORDER}["”»]|['’]+{_END})""",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    # After fewer letters it may be that of an abbreviation.
    (
        rf"([^.{_BORDER}{SENTENCE}\s]{{4}})(\.{EXTENDING}*)({_CLOSING}{_END})",
        rf"\1{_BORDER}\2{_BORDER}\3",
    ),
    (rf"([,:]{EXTENDING}*)({_CLOSING}{_END})", rf"{_BORDER}\1{_BORDER}\2"),
)
# Classes of characters that may be words each.
_SINGLE = ("Han", "Hiragana", "Katakana", "Latin", "Nd")
_NEARLY_ALL = 0.9


def split_words(
    texts: tf.Tensor, single: Sequence[str] = ()
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Cuts at white space, and marks off their words; in graph.

    `"Mr. Hu (62), of IBM."` becomes `Mr. Hu ( 62 ) , of IBM .`, as the data for
    taggers has it. A text of words with spaces between them, `"of Paris ."`, stays as
    it is. No word ends inside a grapheme.

    Args:
        texts: string `(texts,)`, UTF-8.
        single: classes of which each character is a word, see `single_characters`.

    Returns:
        Three ragged `(texts, (words))`: string, the words; int32, the bytes at which
        they begin and end in their text.
    """
    with tf.device("CPU"):
        # A control is as little of a word as a NUL, which ops drop.
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
    """The classes of characters that nearly always are words of their own.

    Those of data that is tagged by characters are `("Han",)` or more; of data that is
    cut into words, Chinese or not, none.
    """
    distinct = tf.constant(sorted(set(words)), tf.string)
    is_single = tf.strings.regex_full_match(distinct, rf"(?s).{EXTENDING}*")

    def is_nearly_always(name: str) -> bool:
        has = tf.strings.regex_full_match(distinct, rf"(?s).*\p{{{name}}}.*")
        found = tf.boolean_mask(tf.cast(is_single, tf.float32), has)
        return tf.size(found) > 0 and tf.reduce_mean(found) >= _NEARLY_ALL

    # Letters are words by themselves in any language.
    if not is_nearly_always(_SINGLE[0]):
        return ()
    return tuple(name for name in _SINGLE if is_nearly_always(name))


def split_characters(words: Sequence[str], single: Sequence[str]) -> tuple[str, ...]:
    """Given words with each character of these classes as a word of its own."""
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
