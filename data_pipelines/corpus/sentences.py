"""Splits paragraphs into sentences by punctuation rules, in the TensorFlow graph.

Every possible end of a sentence is marked first, then wrong marks are removed, because
the regular expressions of RE2 have no look-around.
"""

import tensorflow as tf

# Marks the end of a sentence. Tokenizers drop this character.
BORDER = "\x1e"

_CLOSING = r"""["'”’»)\]_*]*"""
_OPENING = r"""(?:[—–-]+ ?)?["'“‘«„(\[¿¡_*—–-]*"""
# A stop, then a capital, a digit, or a letter of a script without capitals, so that
# `"Go!" he said.` and `Wait... what?` are not split.
_STOP = (
    rf"([.!?…\x{{37E}}]{_CLOSING})([ \t\x{{A0}}\x{{3000}}]+{_OPENING}"
    r"[\p{Lu}\p{Lt}\p{Lo}\p{N}])"
)
# Unambiguous stops, which need no space after them: Chinese and Japanese, Hindi and
# related scripts, Arabic and Urdu, Armenian, Ethiopic, Burmese, Khmer, Tibetan,
# Mongolian, Syriac, N'Ko, Balinese, Javanese and Meetei. Armenian question and
# exclamation marks are written within words, so they are left out.
_WIDE_STOP = (
    r"(?:(?:[。！？｡．।॥؟۔։።፧፨။។៕᠃᠉܀܁܂߹᭚᭛᭞᭟꧈꧉꯫]|፡፡|[།༎](?: ?[།༎])*)"
    r"[\p{M}\x{200C}\x{200D}]*)+"
    r"""(?:["'”’」』»)]\p{M}*)*"""
)
# A title may end in a stop, too: `《你好！》`, and `と` follows a quotation.
_CONTINUES = rf"([」』]){BORDER}(と)|{BORDER}([）》】〉〕〗，、；：,;:])"
# A full-width stop in a number, and Khmer's `and so on`.
_WITHIN = rf"(\p{{Nd}}．){BORDER}(\p{{Nd}})|(។){BORDER}(ល។)"

# Abbreviations followed by a name or the like.
_TITLE = (
    "(?i:mr|mrs|ms|messrs|mme|mlle|dr|drs|prof|rev|hon|capt|col|gen|lt|maj|sgt|cpl|"
    r"adm|cmdr|supt|gov|sen|rep|pres)|v|vs|cf|viz|al|[Ee]\.g|[Ii]\.e|a\.k\.a"
)
# Abbreviations followed by a number; also lower-case letters, `c. 1850`, and months.
_NUMBERED = (
    "(?i:no|nos|vol|vols|pp|fig|figs|ch|chap|sec|sect|art|op|pt|bk|ca|approx|fl|pop)|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[a-z]"
)
# Abbreviations that may end a sentence or not. The word I looks like an initial, but is
# one only next to other initials, or alone at the beginning of a sentence.
_SHORT = r"[A-HJ-Z]|[^\P{Lu}A-Z]|St|Ste|Mt|Ft|Jr|Sr|Inc|Ltd|Co|Corp|Bros|Prods"
# German ordinal numbers: before a month, and after an article or contraction.
_MONTH = (
    "Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|"
    "Dezember"
)
_ARTICLE = (
    "Am|[Bb]eim|[Dd](?:as|em|en|er|es|ie)|[Ii]m|[Ii]ns|[Vv]om|[Zz]u[mr]|"
    "[Jj]ede[mnrs]?|[Uu]nd"
)
# Words that more often begin a sentence than a name.
_BEGINNING = (
    "After|All|Also|Although|An|And|As|At|Because|Before|Both|But|By|During|Each|For|"
    "From|He|Her|His|How|However|If|In|It|Its|Many|Most|Not|On|Several|She|Since|So|"
    "Some|Such|That|The|Their|Then|There|These|They|This|Those|Though|Thus|To|Under|"
    "Until|We|What|When|Where|While|Who|Why|With|You"
)
# `"Go!" Kate said.` is not split, like `"Go!" he said.`
_SPOKEN = (
    "answered|asked|began|called|cried|demanded|exclaimed|inquired|murmured|repeated|"
    "replied|returned|said|shouted|whispered"
)
# Not \b, which treats only ASCII letters as letters. `20 °C.` has no initial.
_WORD = r"(^|[^\p{L}\p{N}°])"

# White space as Python defines it, including the border.
_SPACE = r"[\s\v\x1c-\x1f\x{85}\p{Z}]"

# Patterns and their replacements, applied in this order.
_RULES = (
    (_STOP, rf"\1{BORDER}\2"),
    # The next rule removes one of the two borders.
    (rf"((?:{_SHORT})\.{BORDER})( (?:{_BEGINNING})[ ,])", rf"\1{BORDER}\2"),
    (rf"{_WORD}({_TITLE}|{_SHORT})\.{BORDER}", r"\1\2."),
    (rf"{_WORD}({_NUMBERED})\.{BORDER}( ?[0-9])", r"\1\2.\3"),
    (rf"{_WORD}(\p{{Lu}}\. I|I)\.{BORDER}( \p{{Lu}}\.)", r"\1\2.\3"),
    (rf"{_WORD}(\p{{Lu}}\. I)\.{BORDER}", r"\1\2."),
    (rf"((?:^|[\n{BORDER}]) ?I\.){BORDER}", r"\1"),
    (rf"([^\p{{N}}][0-9]{{1,2}}\.){BORDER}( (?:{_MONTH})\b)", r"\1\2"),
    (rf"{_WORD}((?:{_ARTICLE}) [0-9]{{1,3}}\.){BORDER}", r"\1\2"),
    (
        rf"""([!?]["'”’]+){BORDER}( (?:\p{{Lu}}[\p{{L}}.]* ){{1,3}}(?:{_SPOKEN})\b)""",
        r"\1\2",
    ),
    # The number of a list entry.
    (rf"((?:^|[\n{BORDER}]) ?[0-9]{{1,3}}\.){BORDER}", r"\1"),
    (_WIDE_STOP, rf"\0{BORDER}"),
    (_CONTINUES, r"\1\2\3"),
    (_WITHIN, r"\1\2\3\4"),
)
_BETWEEN = rf"^{_SPACE}+|{_SPACE}*[\r\n{BORDER}]{_SPACE}*|{_SPACE}+$"


def mark_sentences(texts: tf.Tensor) -> tf.Tensor:
    """Inserts `BORDER` after each sentence that is followed by another on its line.

    Args:
        texts: string of any shape, UTF-8.
    """
    for pattern, replacement in _RULES:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return texts


def split_sentences(texts: tf.Tensor) -> tf.RaggedTensor:
    """Splits texts at line ends and sentence ends.

    `["Dr. Who left. He ran!\\nSo did I."]` becomes `[["Dr. Who left.", "He ran!", "So
    did I."]]`. Only white space between sentences is dropped. After an abbreviation
    such as "U.S.", which may end a sentence or not, the next word decides.

    Args:
        texts: string (texts,), UTF-8, one paragraph per line. Invalid UTF-8 is kept.

    Returns:
        string (texts, (sentences)), stripped and not empty.

    Raises:
        ValueError: texts are not strings, or not one-dimensional.
    """
    texts = tf.convert_to_tensor(texts)
    if texts.dtype != tf.string or texts.shape.rank not in (None, 1):
        raise ValueError(
            f"Received texts of type {texts.dtype.name} and shape {texts.shape}. "
            "Expected string and (texts,): wrap a single text in tf.constant([text])."
        )
    texts = tf.strings.regex_replace(mark_sentences(texts), _BETWEEN, BORDER)
    sentences = tf.strings.split(texts, BORDER)
    return tf.ragged.boolean_mask(
        sentences, sentences.with_values(sentences.values != "")
    )
