"""Documents to sentences, by rules of punctuation, in graph."""

import tensorflow as tf

# Stands between sentences while they are found. Tokenizers drop it from text.
_BORDER = "\x1e"

_CLOSING = r"""["'”’»)\]]*"""
_OPENING = r"""["'“‘«„(\[¿¡—–-]*"""

# A stop, closing quotes, spaces, and what may begin a sentence: a capital, a digit, a
# letter of a script without capitals. `"Go!" he said.` stays whole this way.
_STOP = rf"([.!?…]{_CLOSING})[ \t]+({_OPENING}[\p{{Lu}}\p{{Lt}}\p{{Lo}}\p{{N}}])"
# Chinese and Japanese stops end a sentence without a space.
_WIDE_STOP = r"([。！？｡]+[”’」』）》\"']*)"

# Titles come before a name, and initials and abbreviations such as U.S. end in one
# capital. (The word I does so too, which is why it is missing here.)
_TITLES = (
    "Mr|Mrs|Ms|Messrs|Mme|Mlle|Dr|Drs|Prof|Rev|Hon|Capt|Col|Gen|Lt|Maj|Sgt|Cpl|Adm|"
    "Cmdr|Gov|Sen|Rep|Pres|St|Ste|Mt|Ft|Fr|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|"
    "Nov|Dec|vs|cf|viz|approx|ca|e\\.g|i\\.e|a\\.k\\.a|Ph\\.D|[A-HJ-Z]"
)
_NUMBERED = (
    "No|Nos|no|nos|Vol|vol|Vols|vols|p|pp|Fig|fig|Figs|figs|Ch|ch|Sec|sec|Art|art"
)
_NO_STOP = rf"\b({_TITLES})\.{_BORDER}"
_NO_STOP_BEFORE_DIGIT = rf"\b({_NUMBERED})\.{_BORDER}([0-9])"


def split_sentences(texts: tf.Tensor) -> tf.RaggedTensor:
    """Divides texts at the ends of lines and of sentences.

    `["Dr. Who left. He ran!\\nSo did I."]` becomes `[["Dr. Who left.", "He ran!", "So
    did I."]]`. Nothing but white space between sentences is lost. A title before a
    name, an initial and a number after "No." do not end a sentence, so one that ends
    in "U.S." goes on in the next.

    Args:
        texts: string (texts,), a paragraph a line.

    Returns:
        string (texts, (sentences)), stripped, none of them empty.
    """
    marked = tf.strings.regex_replace(texts, _STOP, rf"\1{_BORDER}\2")
    marked = tf.strings.regex_replace(marked, _NO_STOP, r"\1. ")
    marked = tf.strings.regex_replace(marked, _NO_STOP_BEFORE_DIGIT, r"\1. \2")
    marked = tf.strings.regex_replace(marked, _WIDE_STOP, rf"\1{_BORDER}")
    marked = tf.strings.regex_replace(marked, r"[\r\n]+", _BORDER)
    sentences = tf.strings.split(marked, _BORDER)
    sentences = sentences.with_values(tf.strings.strip(sentences.values))
    return tf.ragged.boolean_mask(
        sentences, sentences.with_values(sentences.values != "")
    )
