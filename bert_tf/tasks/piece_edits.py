"""Converts tagged pieces to edits of texts, in graph: positions, spaces, capitals."""

import tensorflow as tf
import tensorflow_text as text

from bert_tf.tasks.edits import Edits, differs_from_before, joined
from bert_tf.tasks.endpoints import from_windows
from data_pipelines.finetuning.correction import DELETE, INSERT, REPLACE
from data_pipelines.rows.features import Features
from data_pipelines.tokenizers.graphemes import EXTENDING
from data_pipelines.tokenizers.normalization import delete_invalid
from data_pipelines.tokenizers.spelling import CONTINUATION
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

# Scripts without spaces between words, and wide punctuation.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\x{3000}-\x{303F}\x{FF00}-\x{FFEF}]"
_CLOSING = r"""[,.;:!?%)\]}'’”»…-]"""
_OPENING = r"""[(\[{«“‘]"""
# Vowels and final consonants of Korean.
_PART_OF_SYLLABLE = r"[\x{1160}-\x{11FF}]"
# These join words between letters: don't, well-known.
_JOINING = r"['’-]"


def edits_of_pieces(
    decoded: dict[str, tf.RaggedTensor], origin: Features, tokenizer: WordPieceTokenizer
) -> Edits:
    """Computes the edits of texts from the tags of their pieces.

    A replacement covers the bytes of the old piece, and takes over its capital if the
    vocabulary has none, as does a piece inserted at the beginning; a continuation is
    joined to the text before it. An inserted word is preceded by a space, except in
    scripts without spaces and before punctuation. One of the spaces around a deleted
    word is deleted, too. Adjacent edits are joined.

    Edits start and end between graphemes: if a grapheme is changed in part, its other
    pieces are written again.

    Args:
        decoded: the result of `decode_edits`.
        origin: the origin from `CorrectionEncoding`.
        tokenizer: the tokenizer of the same encoding.
    """
    # `[CLS]` is treated as an empty piece at the beginning of each text.
    counts = tf.cast(origin["pieces"].row_lengths(), tf.int32) + 1
    tags, written, probabilities = (
        from_windows(decoded[name], origin["places"], origin["example"], counts).values
        for name in ("tags", "written", "probabilities")
    )
    before = tf.zeros([tf.size(counts), 1], tf.int32)

    def with_cls(pieces: tf.RaggedTensor) -> tf.RaggedTensor:
        return tf.concat([before, pieces], axis=1)

    rows = with_cls(origin["own_starts"])
    owner, start = rows.value_rowids(), rows.values
    end, whole_start, whole_end, piece = (
        with_cls(origin[name]).values
        for name in ("own_ends", "starts", "ends", "pieces")
    )
    is_first = tf.ragged.range(rows.row_lengths()).values == 0
    end_before = tf.where(is_first, 0, tf.roll(end, 1, 0))
    texts = tf.gather(origin["texts"], owner)
    original = tf.strings.substr(texts, start, end - start)
    original_before = tf.where(is_first, "", tf.roll(original, 1, 0))

    tokens = tokenizer.vocabulary.tokens
    is_continuation = tf.constant([t.startswith(CONTINUATION) for t in tokens])
    is_special = tf.constant([t in SPECIAL_TOKENS for t in tokens])
    known = tf.maximum(written, 0)
    spelled = tf.constant([t.removeprefix(CONTINUATION) for t in tokens])
    new = tf.gather(spelled, known)
    continues = tf.gather(is_continuation, known)
    continued = tf.gather(is_continuation, piece)
    writes = (tags == REPLACE) & (written != piece) | (tags == INSERT)
    writes &= ~tf.gather(is_special, known)
    is_changed = writes | (tags == DELETE)
    replaces, inserts = writes & (tags == REPLACE), writes & (tags == INSERT)
    if tokenizer.vocabulary.lower_case:
        capital_of = tf.where(is_first, tf.roll(original, -1, 0), original)
        takes_place = replaces | inserts & is_first
        new = tf.where(takes_place, _with_capital(new, capital_of), new)

    # A replacement that starts a word where none started, or an insertion.
    opens = ~continues & (inserts | replaces & continued)
    left = tf.where(inserts, original, original_before)
    opens &= ~is_first & ~_needs_no_space(new, left, start == end_before)
    new = tf.where(opens, tf.strings.join([" ", new]), new)
    at_beginning = inserts & is_first & ~_full_match(new, f"{_UNSPACED}.*|{_OPENING}")
    new = tf.where(at_beginning, tf.strings.join([new, " "]), new)
    joins = replaces & continues & ~continued
    start = tf.where(joins, end_before, start)

    # If one of several pieces that share graphemes changes, all of them are written.
    opens_unit = is_first | (whole_start >= tf.roll(whole_end, 1, 0))
    completes = continues & _full_match(new, f"{_PART_OF_SYLLABLE}.*")
    is_torn = is_changed & ~(inserts & tf.roll(opens_unit, -1, 0) & ~completes)
    is_rewritten = _any_of_run(is_torn, opens_unit)
    # If several pieces share a character, only their names show the parts.
    has_part = ~opens_unit & (start < end_before)
    has_part |= tf.roll(has_part, -1, 0)
    kept = tf.where(has_part, tf.gather(spelled, piece), original)
    kept = tf.where(is_rewritten & (inserts | ~is_changed), kept, "")

    parts = Edits(
        origin["texts"],
        owner,
        tf.where(inserts & ~is_rewritten, end, start),
        end,
        tf.strings.join([kept, tf.where(writes, new, "")]),
        tf.where(is_changed, probabilities, 1.0),
    ).where(is_changed | is_rewritten)
    return _without_spaces(_composed(joined(parts)))


def _any_of_run(values: tf.Tensor, begins: tf.Tensor) -> tf.Tensor:
    """Marks the places in whose run any value is true, bool (places,)."""
    run = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    found = tf.math.unsorted_segment_max(tf.cast(values, tf.int32), run, tf.size(run))
    return tf.gather(found, run) > 0


def _composed(edits: Edits) -> Edits:
    """Composes letters (NFC) where the old text has composed letters."""
    old = delete_invalid(edits.originals)
    has_composed = text.normalize_utf8(old, "NFC") == edits.originals
    has_composed &= text.normalize_utf8(old, "NFD") != edits.originals
    new = text.normalize_utf8(delete_invalid(edits.replacements), "NFC")
    return edits._replace(replacements=tf.where(has_composed, new, edits.replacements))


def _without_spaces(edits: Edits) -> Edits:
    """Extends deletions of whole words by a space that would otherwise be doubled."""
    texts = tf.gather(edits.texts, edits.owner)
    lengths = tf.strings.length(texts)
    before = tf.strings.substr(
        texts, tf.maximum(edits.starts - 1, 0), tf.minimum(edits.starts, 1)
    )
    after = tf.strings.substr(texts, edits.ends, tf.minimum(lengths - edits.ends, 1))
    is_deletion = edits.replacements == ""
    ends_there = (after == "") | _full_match(after, r"[\s,.;:!?)]")
    left = is_deletion & (before == " ") & ends_there
    right = is_deletion & (edits.starts == 0) & (after == " ")
    ends = edits.ends + tf.cast(right, tf.int32)
    # The space between two deletions is taken once.
    taken = tf.where(differs_from_before(edits.owner), 0, tf.roll(ends, 1, 0))
    starts = tf.maximum(edits.starts - tf.cast(left, tf.int32), taken)
    return edits._replace(starts=starts, ends=ends)


def _needs_no_space(new: tf.Tensor, left: tf.Tensor, glued: tf.Tensor) -> tf.Tensor:
    joins = _full_match(new, f"({_UNSPACED}|{_CLOSING}).*")
    joins |= _full_match(left, f".*({_UNSPACED}|{_OPENING}){EXTENDING}*")
    return joins | glued & _full_match(left, f"{_JOINING}{EXTENDING}*")


def _with_capital(new: tf.Tensor, original: tf.Tensor) -> tf.Tensor:
    """Capitalizes the first letter if the original's is a capital."""
    first = tf.strings.substr(original, 0, 1, unit="UTF8_CHAR")
    is_capital = tf.strings.lower(first, encoding="utf-8") != first
    own = tf.strings.substr(new, 0, 1, unit="UTF8_CHAR")
    rest = tf.strings.substr(new, tf.strings.length(own), tf.strings.length(new))
    large = tf.strings.join([tf.strings.upper(own, encoding="utf-8"), rest])
    return tf.where(is_capital, large, new)


def _full_match(texts: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.strings.regex_full_match(texts, f"(?s){pattern}")
