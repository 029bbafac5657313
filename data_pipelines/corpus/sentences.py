"""Splits paragraphs into sentences, by rules of punctuation, in graph.

First every place where a sentence may end is marked, then the marks at which none does
are taken away: RE2's regular expressions have no look-around, with which one could do.
"""

import tensorflow as tf

# Marks the end of a sentence. Tokenizers drop it from text.
BORDER = "\x1e"

_CLOSING = r"""["'”’»)\]_*]*"""
_OPENING = r"""(?:[—–-]+ ?)?["'“‘«„(\[¿¡_*—–-]*"""
# A stop, then a capital, a digit, or a letter of a script without capitals.
# `"Go!" he said.` and `Wait... what?` stay whole this way.
_STOP = (
    rf"([.!?…\x{{37E}}]{_CLOSING})([ \t\x{{A0}}\x{{3000}}]+{_OPENING}"
    r"[\p{Lu}\p{Lt}\p{Lo}\p{N}])"
)
# Stops that no other mark looks like, so that they need no space: of Chinese and
# Japanese, Hindi and its neighbours, Arabic and Urdu, Armenian, Ethiopic, Burmese,
# Khmer, Tibetan, Mongolian, Syriac, N'Ko, Balinese, Javanese and Meetei. Armenian marks
# of questions and exclamations stand within words.
_WIDE_STOP = (
    r"(?:(?:[。！？｡．।॥؟۔։።፧፨။។៕᠃᠉܀܁܂߹᭚᭛᭞᭟꧈꧉꯫]|፡፡|[།༎](?: ?[།༎])*)"
    r"[\p{M}\x{200C}\x{200D}]*)+"
    r"""(?:["'”’」』»)]\p{M}*)*"""
)
# A title may end in a stop too, `《你好！》`, and `と` quotes what is before it.
_GOES_ON = rf"([」』]){BORDER}(と)|{BORDER}([）》】〉〕〗，、；：,;:])"
# A full-width stop in a number, and Khmer's `and so on`.
_WITHIN = rf"(\p{{Nd}}．){BORDER}(\p{{Nd}})|(។){BORDER}(ល។)"

# Needs a name, or something like it, after it.
_TITLE = (
    "(?i:mr|mrs|ms|messrs|mme|mlle|dr|drs|prof|rev|hon|capt|col|gen|lt|maj|sgt|cpl|"
    r"adm|cmdr|supt|gov|sen|rep|pres)|v|vs|cf|viz|al|[Ee]\.g|[Ii]\.e|a\.k\.a"
)
# Needs a number after it. So do a small letter, `c. 1850`, and months.
_NUMBERED = (
    "(?i:no|nos|vol|vols|pp|fig|figs|ch|chap|sec|sect|art|op|pt|bk|ca|approx|fl|pop)|"
    "Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[a-z]"
)
# May end a sentence or not. The word I looks like an initial, but is one beside others,
# or at the beginning of a sentence, alone.
_SHORT = r"[A-HJ-Z]|[^\P{Lu}A-Z]|St|Ste|Mt|Ft|Jr|Sr|Inc|Ltd|Co|Corp|Bros|Prods"
# Ordinal numbers of German: before a month, and after an article or what has one.
_MONTH = (
    "Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|"
    "Dezember"
)
_ARTICLE = (
    "Am|[Bb]eim|[Dd](?:as|em|en|er|es|ie)|[Ii]m|[Ii]ns|[Vv]om|[Zz]u[mr]|"
    "[Jj]ede[mnrs]?|[Uu]nd"
)
# What follows the end of a sentence more often than it is a name.
_BEGINNING = (
    "After|All|Also|Although|An|And|As|At|Because|Before|Both|But|By|During|Each|For|"
    "From|He|Her|His|How|However|If|In|It|Its|Many|Most|Not|On|Several|She|Since|So|"
    "Some|Such|That|The|Their|Then|There|These|They|This|Those|Though|Thus|To|Under|"
    "Until|We|What|When|Where|While|Who|Why|With|You"
)
# `"Go!" Kate said.` stays whole as `"Go!" he said.` does.
_SPOKEN = (
    "answered|asked|began|called|cried|demanded|exclaimed|inquired|murmured|repeated|"
    "replied|returned|said|shouted|whispered"
)
# Not \b, to which only letters of ASCII are letters. `20 °C.` has no initial.
_WORD = r"(^|[^\p{L}\p{N}°])"

# What Python takes for white space, the border included.
_SPACE = r"[\s\v\x1c-\x1f\x{85}\p{Z}]"

# One after the other: what is searched for, and what replaces it.
_RULES = (
    (_STOP, rf"\1{BORDER}\2"),
    # Of two borders the next rule leaves one.
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
    # The number of an entry in a list.
    (rf"((?:^|[\n{BORDER}]) ?[0-9]{{1,3}}\.){BORDER}", r"\1"),
    (_WIDE_STOP, rf"\0{BORDER}"),
    (_GOES_ON, r"\1\2\3"),
    (_WITHIN, r"\1\2\3\4"),
)
_BETWEEN = rf"^{_SPACE}+|{_SPACE}*[\r\n{BORDER}]{_SPACE}*|{_SPACE}+$"


def mark_sentences(texts: tf.Tensor) -> tf.Tensor:
    """Puts `BORDER` after each sentence that another one follows on the same line.

    Args:
        texts: string of any shape, UTF-8.
    """
    for pattern, replacement in _RULES:
        texts = tf.strings.regex_replace(texts, pattern, replacement)
    return texts


def split_sentences(texts: tf.Tensor) -> tf.RaggedTensor:
    """Divides texts at the ends of lines and of sentences.

    `["Dr. Who left. He ran!\\nSo did I."]` becomes `[["Dr. Who left.", "He ran!", "So
    did I."]]`. Nothing but white space between sentences is lost. Where a short form
    such as "U.S." may end a sentence or not, the next word decides.

    Args:
        texts: string (texts,), UTF-8, a paragraph a line. What is not UTF-8 is kept.

    Returns:
        string (texts, (sentences)), without white space around them, none empty.

    Raises:
        ValueError: texts are not strings, or not in one row.
    """
    texts = tf.convert_to_tensor(texts)
    if texts.dtype != tf.string or texts.shape.rank not in (None, 1):
        raise ValueError(
            f"Received texts of type {texts.dtype.name} and shape {texts.shape}, "
            "expected string and (texts,). Wrap a single text: tf.constant([text])."
        )
    texts = tf.strings.regex_replace(mark_sentences(texts), _BETWEEN, BORDER)
    sentences = tf.strings.split(texts, BORDER)
    return tf.ragged.boolean_mask(
        sentences, sentences.with_values(sentences.values != "")
    )
