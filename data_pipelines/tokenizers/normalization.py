"""Normalizes raw text and separates words: BERT's basic tokenization.

The rules are those of google-research/bert, `tokenization.py` (eedf571), as graph ops,
so that training, prediction and SavedModels share them. The Unicode tables are those
of TensorFlow.
"""

import tensorflow as tf
import tensorflow_text as text

# The eight blocks that the original treats as Chinese: ideographs, which are written
# without spaces, but not kana and Hangul.
IDEOGRAPHS = (
    r"\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}"
)
# The original treats all ASCII characters as punctuation that are not letters, digits,
# spaces or controls, including `$` and `^`, which Unicode classifies as symbols.
_PUNCTUATION = r"!-/:-@\[-`{-~\p{P}"
_SEPARATE = rf"[{_PUNCTUATION}{IDEOGRAPHS}]"

# White space beyond ASCII. The space is not included: to replace it by itself would
# cost as much as everything else. U+2028 and U+2029 are not spaces in the table of the
# original, but for its str.split().
_WHITESPACE = (
    r"[\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)
# Controls except tab and line ends, format characters, and the replacement character.
_DELETED = r"[\x{00}-\x{08}\x{0B}\x{0C}\x{0E}-\x{1F}\x{7F}-\x{9F}\p{Cf}\x{FFFD}]+"
# Not `.*`, with which RE2 accepts overlong forms and encoded surrogates.
_VALID_UTF8 = r"[\x{00}-\x{7F}\x{80}-\x{D7FF}\x{E000}-\x{10FFFF}]*"


def normalize(
    texts: tf.Tensor, lower_case: bool, strip_accents: bool | None = None
) -> tf.Tensor:
    """Cleans texts, and optionally lower-cases them and strips accents.

    Invalid UTF-8, control and format characters and U+FFFD are deleted; every kind of
    white space becomes a space. With `lower_case` the text is lower-cased; with
    `strip_accents` it is decomposed (NFD), and nonspacing marks are removed. With both,
    `"Élan\\tvital\\u200b"` becomes `"elan vital"`.

    Args:
        texts: string, of any shape.
        lower_case: casing of the vocabulary.
        strip_accents: likewise; None: as `lower_case`, like the original.

    Returns:
        String of the same shape, valid UTF-8.
    """
    flat = tf.strings.regex_replace(tf.reshape(texts, [-1]), r"[\t\n\r]", " ")
    # Plain texts, most of an English corpus, take a fifth of the time.
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
    """Converts texts to a string vector.

    Raises:
        ValueError: the texts are not a vector.
    """
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank != 1:
        raise ValueError(
            f"Received texts of shape {texts.shape}. Expected a vector of strings, one "
            "per text: reshape them with tf.reshape(texts, [-1])."
        )
    return texts


def delete_invalid(texts: tf.Tensor) -> tf.Tensor:
    """Deletes invalid UTF-8 bytes from texts, string `(texts,)`."""
    invalid = ~tf.strings.regex_full_match(texts, _VALID_UTF8)
    decoded = tf.strings.unicode_transcode(
        tf.boolean_mask(texts, invalid), "UTF-8", "UTF-8", errors="ignore"
    )
    return replace_rows(texts, tf.where(invalid)[:, 0], decoded)


def is_plain(texts: tf.Tensor) -> tf.Tensor:
    """Returns True for ASCII texts without controls other than tabs and line ends.

    In such texts, `normalize` does not move any byte.
    """
    return tf.strings.regex_full_match(texts, r"[ -~\t\n\r]*")


def separate_words(normalized: tf.Tensor) -> tf.Tensor:
    """Puts spaces around every ideograph and punctuation character.

    The words between spaces are the units that WordPiece splits:
    `"don't 中文"` becomes `"don ' t  中  文 "`.

    Args:
        normalized: string of any shape, from `normalize`.
    """
    return tf.strings.regex_replace(normalized, _SEPARATE, r" \0 ")


def _normalize_unicode(
    texts: tf.Tensor, lower_case: bool, strip_accents: bool
) -> tf.Tensor:
    texts = tf.strings.regex_replace(delete_invalid(texts), _DELETED, "")
    texts = tf.strings.regex_replace(texts, _WHITESPACE, " ")
    if lower_case:
        # ASCII first: the Unicode op depends on the locale of the process, and a
        # Turkish locale would convert every I to a dotless i. Other locale rules
        # concern marks, most of which are stripped below.
        texts = tf.strings.lower(tf.strings.lower(texts), encoding="utf-8")
    if strip_accents:
        texts = text.normalize_utf8(texts, "NFD")
        texts = tf.strings.regex_replace(texts, r"\p{Mn}+", "")
    return texts


def replace_rows(values: tf.Tensor, places: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Sets the values at `places`, int `(rows,)`, to `rows`."""
    return tf.tensor_scatter_nd_update(values, places[:, tf.newaxis], rows)
