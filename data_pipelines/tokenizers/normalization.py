"""From raw text to the text that is cut into words: BERT's basic tokenization.

The rules are those of google-research/bert, `tokenization.py` (eedf571), as ops of
the graph, so that training, prediction and a SavedModel run the same ones. The
tables of Unicode are those that TensorFlow was built with.
"""

import tensorflow as tf
import tensorflow_text as text

# What the original calls Chinese, eight blocks: ideographs, which are written
# without spaces. Kana and Hangul are not among them.
IDEOGRAPHS = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)
# All of ASCII that is neither letter, digit, space nor control is punctuation for
# the original, `$` and `^` too, which Unicode calls symbols.
_PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
_SEPARATE = rf"[{_PUNCTUATION}{IDEOGRAPHS}]"

# White space beyond ASCII. The space itself is nowhere replaced by itself: that
# would cost as much as all the rest. U+2028 and U+2029 are no spaces to the
# original's table, but its str.split() takes them for such.
_WHITESPACE = (
    r"[\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)
# Controls but tab and line ends, format characters, and the replacement character.
_DELETED = r"[\x{00}-\x{08}\x{0B}\x{0C}\x{0E}-\x{1F}\x{7F}-\x{9F}\p{Cf}\x{FFFD}]+"
# Not `.*`: RE2's shortcut for all of Unicode lets overlong forms and encoded
# surrogates pass.
_VALID_UTF8 = r"[\x{00}-\x{7F}\x{80}-\x{D7FF}\x{E000}-\x{10FFFF}]*"


def normalize(
    texts: tf.Tensor, lower_case: bool, strip_accents: bool | None = None
) -> tf.Tensor:
    """Cleans texts, and takes away capitals and accents if asked to.

    Bytes that are not UTF-8, control and format characters and U+FFFD are deleted;
    every kind of white space becomes a space. With `lower_case` the text is
    lower-cased; with `strip_accents` it is decomposed (NFD), and stripped of nonspacing
    marks. With both, `"Élan\\tvital\\u200b"` becomes `"elan vital"`.

    Args:
        texts: string, of any shape.
        lower_case: as the vocabulary was learned.
        strip_accents: likewise; None: as `lower_case`, which the original does.

    Returns:
        String of the same shape, valid UTF-8.
    """
    flat = tf.strings.regex_replace(tf.reshape(texts, [-1]), r"[\t\n\r]", " ")
    # Plain texts, most of an English corpus, pass in a fifth of the time.
    other = ~is_plain(flat)
    if strip_accents is None:
        strip_accents = lower_case
    normalized = replace_rows(
        tf.strings.lower(flat) if lower_case else flat,
        tf.where(other)[:, 0],
        _normalize_unicode(tf.boolean_mask(flat, other), lower_case, strip_accents),
    )
    return tf.reshape(normalized, tf.shape(texts))


def vector_of(texts: tf.Tensor) -> tf.Tensor:
    """Texts as a string tensor; ValueError if that is no vector."""
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank != 1:
        raise ValueError(
            f"Received texts of shape {texts.shape}, expected a vector of "
            "strings, one text each: reshape them with tf.reshape(texts, [-1])."
        )
    return texts


def delete_invalid(texts: tf.Tensor) -> tf.Tensor:
    """Deletes the bytes that are not UTF-8 from texts, string `(texts,)`."""
    invalid = ~tf.strings.regex_full_match(texts, _VALID_UTF8)
    decoded = tf.strings.unicode_transcode(
        tf.boolean_mask(texts, invalid), "UTF-8", "UTF-8", errors="ignore"
    )
    return replace_rows(texts, tf.where(invalid)[:, 0], decoded)


def is_plain(texts: tf.Tensor) -> tf.Tensor:
    """Tells whether texts are ASCII without controls but tabs and line ends.

    In such a text `normalize` keeps each byte in its place.
    """
    return tf.strings.regex_full_match(texts, r"[ -~\t\n\r]*")


def separate_words(normalized: tf.Tensor) -> tf.Tensor:
    """Puts spaces round every ideograph and punctuation character.

    The words between spaces are the units that WordPiece cuts:
    `"don't 中文"` becomes `"don ' t  中  文 "`.

    Args:
        normalized: string of any shape, which the result has too; from `normalize`.
    """
    return tf.strings.regex_replace(normalized, _SEPARATE, r" \0 ")


def _normalize_unicode(
    texts: tf.Tensor, lower_case: bool, strip_accents: bool
) -> tf.Tensor:
    texts = tf.strings.regex_replace(delete_invalid(texts), _DELETED, "")
    texts = tf.strings.regex_replace(texts, _WHITESPACE, " ")
    if lower_case:
        # ASCII first: the op for Unicode follows the locale of the process, and a
        # Turkish one would make a dotless i of every I. The other rules that a
        # locale changes concern marks, which are mostly stripped below.
        texts = tf.strings.lower(tf.strings.lower(texts), encoding="utf-8")
    if strip_accents:
        texts = text.normalize_utf8(texts, "NFD")
        texts = tf.strings.regex_replace(texts, r"\p{Mn}+", "")
    return texts


def replace_rows(values: tf.Tensor, places: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Sets the values at `places`, int `(rows,)`, to `rows`."""
    return tf.tensor_scatter_nd_update(values, places[:, tf.newaxis], rows)
