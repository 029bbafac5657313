"""Encodes texts as sequences with an edit tag for each piece."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from data_pipelines.corpus.alignment import align
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.encoding import check_stride
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join
from data_pipelines.rows.windows import most_context, slices, windows
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer

# Edits of a piece. INSERT keeps it, and inserts another one after it.
TAGS = ("keep", "replace", "delete", "insert")
KEEP, REPLACE, DELETE, INSERT = range(len(TAGS))
# Value for pieces without a tag, or without a piece to write.
NONE = -1


@dataclasses.dataclass(frozen=True)
class CorrectionEncoding:
    """Encoding `[CLS] pieces of the text [SEP]`, with a tag for each piece.

    The tags are the fewest edits of pieces from the text to its correction, as in
    GECToR (Omelianchuk et al. 2020). Insertions before the first piece belong to
    `[CLS]`. A piece has one tag, so only the first of several pieces inserted at one
    place is tagged, and none next to a replaced piece: the others are left for the next
    iteration, on the edited text. Edits that would write `[UNK]` have no tag, and are
    not learned.

    A text that is longer than the model is split into windows; each piece is decided in
    the window with the most context around it.

    Raises:
        ValueError: the windows would leave gaps between them, or the vocabulary is not
            WordPiece, whose pieces show which of them are joined.
    """

    tokenizer: WordPieceTokenizer
    max_length: int
    stride: int
    group_size: int = dataclasses.field(default=1, init=False)

    def __post_init__(self) -> None:
        kind = self.tokenizer.vocabulary.kind
        if kind != "wordpiece":
            raise ValueError(
                f"Received a vocabulary of the kind {kind}. Expected WordPiece, as "
                "corrections are written in pieces with ##: start from a model with a "
                "WordPiece vocabulary."
            )
        check_stride(self.stride, self.max_length, self.max_length - 2, "text")

    def columns(self, examples: Sequence[CorrectionExample]) -> dict[str, tf.Tensor]:
        """Returns texts, and tags of `[CLS]` and each piece; -1 where unknown.

        Of several corrections of a text, the first is used.
        """
        texts = [example.text for example in examples]
        corrected = [e.corrected[0] for e in examples if e.corrected]
        targets = iter(self._pieces(corrected))
        unknown = self.tokenizer.vocabulary.unk_id
        tags, written = [], []
        for example, source in zip(examples, self._pieces(texts), strict=True):
            found = [NONE] * (len(source) + 1), [NONE] * (len(source) + 1)
            if example.corrected:
                found = tags_of(source, next(targets), unknown)
            tags.append(found[0])
            written.append(found[1])
        return {
            "text": tf.constant(texts, tf.string),
            "tags": tf.ragged.constant(tags, tf.int32, ragged_rank=1),
            "written": tf.ragged.constant(written, tf.int32, ragged_rank=1),
        }

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer.tokenize(tf.constant(texts, tf.string)).to_list()

    def encode(self, columns: dict[str, tf.Tensor]) -> tuple[Features, Features]:
        """Encodes texts as sequences, in the TensorFlow graph.

        Args:
            columns: `text` string `(texts,)`; optionally `tags` and `written` int32
                `(texts, (1 + pieces))`, which are passed through.

        Returns:
            Two dicts. Inputs of the model and its objective: `token_ids` int32
            `(sequences, (tokens))`; `second_starts` int32 `(sequences,)`; `is_asked`
            int32 `(sequences, (tokens))`, 1 for tokens that are decided in this window,
            else 0; `tags` and `written` of the same shape, where `written` is the id of
            the replacing or inserted piece, -1 for none. Origin: `example` int32
            `(sequences,)`; `places` int32 `(sequences, (asked))`, 0 for `[CLS]`, from 1
            for pieces of the text; `texts`, unchanged; `pieces` int32 `(texts,
            (pieces))`, and their positions, see `Spans`.
        """
        texts = columns["text"]
        pieces, spans = self.tokenizer.tokenize_with_spans(texts)
        counts = tf.cast(pieces.row_lengths(), tf.int32)
        room = self.max_length - 2
        text, start, length = windows(
            counts, tf.fill(tf.shape(counts), room), self.stride
        )
        token_ids, second_starts = join(
            slices(pieces, text, start, length), None, self.tokenizer.vocabulary
        )
        opens = (start == 0)[:, tf.newaxis]
        most = most_context(text, start, length, room, self.stride)
        asked = tf.concat([opens, most, tf.zeros_like(opens)], axis=1)
        first = tf.where(opens, 0, start[:, tf.newaxis])
        places = tf.ragged.range(start + 1, start + 1 + length)
        places = tf.concat([first, places, first], axis=1)
        features: Features = {
            "token_ids": token_ids,
            "second_starts": second_starts,
            "is_asked": tf.cast(asked, tf.int32),
        }
        for name in ("tags", "written"):
            if name in columns:
                # The first window begins with `[CLS]`, later ones after a piece.
                known = slices(columns[name], text, start, length + 1)
                known = tf.concat([known, tf.fill(tf.shape(opens), NONE)], axis=1)
                known = tf.where(asked.values, known.values, NONE)
                features[name] = asked.with_values(known)
        return features, {
            "example": text,
            "places": tf.ragged.boolean_mask(places, asked),
            "texts": texts,
            "pieces": pieces,
            **spans._asdict(),
        }


def tags_of(
    source: Sequence[int], target: Sequence[int], unknown: int
) -> tuple[list[int], list[int]]:
    """Returns the tags of the first iteration from source pieces to target pieces.

    For the pieces `a b c` and `x a d d c`, `[CLS]` is tagged INSERT with `x`, `b` is
    tagged REPLACE with `d`, and the second `d` is left for the next iteration.
    `unknown` is the id of `[UNK]`, which cannot be written.

    Returns:
        The tag and the id to write, -1 for none, of `[CLS]` and of each piece of the
        source; both are -1 where `[UNK]` would be written.
    """
    tags, written = [KEEP] * (len(source) + 1), [NONE] * (len(source) + 1)
    place = 0
    for of_source, of_target in align(source, target):
        if of_source is not None:
            place = of_source + 1
        if of_target is None:
            tags[place] = DELETE
        elif of_source is None:
            if tags[place] == KEEP:
                tags[place], written[place] = INSERT, target[of_target]
        elif source[of_source] != target[of_target]:
            tags[place], written[place] = REPLACE, target[of_target]
    for place, piece in enumerate(written):
        if piece == unknown:
            tags[place] = written[place] = NONE
    return tags, written
