"""Grapheme boundaries: a grapheme is what a reader perceives as one character.

The rules are those of Unicode Standard Annex 29 (extended grapheme clusters), with
TensorFlow's tables of Unicode 15. A few rules are simplified such that graphemes can
only be larger: no boundary lies inside a grapheme of the standard. Two more kinds of
characters belong to the character before them, so that edits do not separate them:
format characters that do not separate words, such as the soft hyphen, and U+FFFD, which
replaces a lost letter.

White space ends a grapheme: a mark after a space is a separate grapheme.
"""

import tensorflow as tf

# Belong to the character before them: marks; vowels of Thai and Lao and voicing marks
# of Japanese, which are letters; joiners and format characters, except the zero-width
# space and directional embeddings and isolates; emoji modifiers and tags.
EXTENDING = (
    r"[\p{M}\x{AD}\x{61C}\x{E33}\x{EB3}\x{180E}\x{200C}-\x{200F}\x{2060}-\x{2064}"
    r"\x{206A}-\x{206F}\x{FEFF}\x{FF9E}\x{FF9F}\x{FFFD}\x{1F3FB}-\x{1F3FF}\x{E0001}"
    r"\x{E0020}-\x{E007F}]"
)
# Belong to the character after them, such as the Arabic number sign.
_PREPENDED = (
    r"[\x{600}-\x{605}\x{6DD}\x{70F}\x{890}\x{891}\x{8E2}\x{D4E}\x{110BD}\x{110CD}"
    r"\x{111C2}\x{111C3}\x{1193F}\x{11941}\x{11A3A}\x{11A84}-\x{11A89}\x{11D46}]"
)
# Always separate graphemes: white space, controls and separators.
_ALONE = r"[\p{Cc}\p{Z}\x{200B}\x{202A}-\x{202E}\x{2066}-\x{2069}\x{FFF9}-\x{FFFB}]"
_JOINER = r"\x{200D}"
# Emoji, and other symbols, which are not joined in practice.
_SYMBOL = (
    r"[\x{A9}\x{AE}\x{203C}\x{2049}\x{2122}-\x{2BFF}\x{3030}\x{303D}\x{3297}\x{3299}"
    r"\x{1F000}-\x{1FAFF}\x{1FC00}-\x{1FFFD}]"
)
# Viramas of the scripts in which they join consonants: Devanagari, Bengali, Gujarati,
# Oriya, Telugu, Malayalam, Burmese, Khmer, Tai Tham, Balinese.
_VIRAMA = (
    r"[\x{94D}\x{9CD}\x{ACD}\x{B4D}\x{C4D}\x{D4D}\x{1039}\x{17D2}\x{1A60}\x{1B44}]"
)
_LETTER = r"\p{Lo}"
_REGIONAL_INDICATOR = r"[\x{1F1E6}-\x{1F1FF}]"
_LEADING_CONSONANT = r"[\x{1100}-\x{115F}\x{A960}-\x{A97C}]"
_SYLLABLE = r"[\x{AC00}-\x{D7A3}]"
_VOWEL_OR_TRAILING_CONSONANT = r"[\x{1160}-\x{11FF}\x{D7B0}-\x{D7FB}]"
_JOINING = "|".join(
    (
        EXTENDING,
        _PREPENDED,
        _REGIONAL_INDICATOR,
        _LEADING_CONSONANT,
        _VOWEL_OR_TRAILING_CONSONANT,
    )
)


def grapheme_starts(
    distinct: tf.Tensor, which: tf.Tensor, text: tf.Tensor
) -> tf.Tensor:
    """Returns the characters that begin a grapheme, in texts laid end to end.

    Args:
        distinct: string `(distinct,)`, all distinct characters.
        which: int32 `(characters,)`, the index of each character in `distinct`.
        text: int64 `(characters,)`, the index of its text; ascending.

    Returns:
        int32 `(graphemes,)`, ascending indices of characters.
    """
    # In most scripts few characters join others: only these and their neighbours are
    # examined. Characters that become adjacent by this do not join each other.
    joining = tf.gather(tf.strings.regex_full_match(distinct, _JOINING), which)
    near = joining | _before(joining) | tf.concat([joining, [False]], 0)[1:]
    near = tf.where(near)  # (near, 1)
    begins = _begin(distinct, tf.gather_nd(which, near), tf.gather_nd(text, near))
    begins = tf.tensor_scatter_nd_update(tf.ones_like(joining), near, begins)
    return tf.cast(tf.where(begins)[:, 0], tf.int32)


def _begin(distinct: tf.Tensor, which: tf.Tensor, text: tf.Tensor) -> tf.Tensor:
    """Returns bool `(characters,)`, True where a grapheme begins."""

    def is_a(pattern: str) -> tf.Tensor:
        return tf.gather(tf.strings.regex_full_match(distinct, pattern), which)

    is_first = ~_before(tf.equal(text, tf.concat([text, [-1]], 0)[1:]))
    extends, flag, alone = map(is_a, (EXTENDING, _REGIONAL_INDICATOR, _ALONE))
    leading, rest = map(is_a, (_LEADING_CONSONANT, _VOWEL_OR_TRAILING_CONSONANT))
    syllable = is_a(_SYLLABLE)
    # Rules of the standard: 9, 9a and 9b; 6 to 8; 11; 9c; 12 and 13.
    joins = extends | _before(is_a(_PREPENDED))
    joins |= _before(leading) & (leading | syllable)
    joins |= _before(leading | syllable | rest) & rest
    joins |= _before(is_a(_JOINER)) & is_a(_SYMBOL)
    # A virama anywhere since the last character that does not extend another.
    run = tf.cumsum(tf.cast(~extends, tf.int32))
    viramas = tf.cast(is_a(_VIRAMA), tf.int32)
    viramas = tf.math.unsorted_segment_sum(viramas, run, tf.size(run) + 1)
    joins |= _before(tf.gather(viramas, run) > 0) & is_a(_LETTER)
    # Every second regional indicator in a row.
    opens_row = is_first | ~(flag & _before(flag))
    row = tf.cumsum(tf.cast(opens_row, tf.int32)) - 1
    opens_row = tf.cast(tf.where(opens_row)[:, 0], tf.int32)
    place = tf.range(tf.size(row)) - tf.gather(opens_row, row)
    joins |= tf.equal(place % 2, 1)
    return is_first | alone | _before(alone) | ~joins


def _before(values: tf.Tensor) -> tf.Tensor:
    """Shifts values, bool `(places,)`, to the next place."""
    return tf.concat([[False], values], 0)[: tf.size(values)]
