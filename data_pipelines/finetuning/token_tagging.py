"""Sentences of words to sequences with a tag for the first piece of each word."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.finetuning.encoding import check_stride
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import join
from data_pipelines.rows.windows import most_context, slices, windows
from data_pipelines.tokenizers.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class TokenTaggingEncoding:
    """`[CLS] pieces of the words [SEP]`, each word at its first piece (section 5.3).

    A sentence that is longer than the model becomes several windows; each word is
    tagged in the one where it has most context, so that none is lost or tagged twice.

    Attributes:
        tokenizer: cuts the words.
        max_length: tokens of the longest sequence.
        labels: the tags in the order of their ids.
        stride: tokens from the start of one window to that of the next.

    Raises:
        ValueError: the windows would leave gaps between them.
    """

    tokenizer: Tokenizer
    max_length: int
    labels: tuple[str, ...]
    stride: int
    group_size: int = dataclasses.field(default=1, init=False)

    def __post_init__(self) -> None:
        room = self.max_length - 2
        check_stride(self.stride, self.max_length, room, "sentence")

    def columns(self, examples: Sequence[TaggedSentence]) -> dict[str, tf.Tensor]:
        """Sentences as ragged tensors; tags that are not there are -1.

        Raises:
            ValueError: a tag is none of the labels.
        """
        ids = {label: index for index, label in enumerate(self.labels)}
        tags = []
        for example in examples:
            unknown = set(example.tags or ()) - set(ids)
            if unknown:
                raise ValueError(
                    f"Received the tags {sorted(unknown)} (sentence {example.id}). "
                    f"Expected some of {list(self.labels)}, the tags of the model."
                )
            tags += [ids[tag] for tag in example.tags or ()] or [-1] * len(
                example.words
            )
        words = [word for example in examples for word in example.words]
        lengths = [len(example.words) for example in examples]
        return {
            "words": tf.RaggedTensor.from_row_lengths(
                tf.constant(words, tf.string), lengths
            ),
            "tags": tf.RaggedTensor.from_row_lengths(
                tf.constant(tags, tf.int32), lengths
            ),
        }

    def encode(self, columns: dict[str, tf.RaggedTensor]) -> tuple[Features, Features]:
        """Words to sequences, in graph.

        Args:
            columns: `words` string `(sentences, (words))`; `tags` int32 of the same
                shape is handed on if it is there.

        Returns:
            Two dicts. What the model and its objective take: `token_ids` int32
            `(sequences, (tokens))`; `second_starts` int32 `(sequences,)`;
            `word_positions` and `tags` int32 `(sequences, (words))`, where in the
            sequence its words begin. And where it comes from: `example` int32
            `(sequences,)`; `words` int32 `(sequences, (words))`, their places in
            the sentence.
        """
        words = columns["words"]
        pieces = self._pieces(words.values)  # (words of all sentences, (pieces))
        counts = pieces.row_lengths()
        sentence = words.value_rowids()
        piece_counts = tf.math.segment_sum(counts, sentence)
        piece_counts = tf.pad(
            piece_counts, [[0, words.nrows() - tf.size(piece_counts, tf.int64)]]
        )

        def by_sentence(values: tf.Tensor) -> tf.RaggedTensor:
            return tf.RaggedTensor.from_row_lengths(
                values, piece_counts, validate=False
            )

        # Of each piece: its word in the sentence, and whether it opens the word.
        word = tf.ragged.range(words.row_lengths()).values
        places = tf.ragged.range(counts)
        word_of_piece = tf.gather(tf.cast(word, tf.int32), places.value_rowids())

        text, start, length = windows(
            tf.cast(piece_counts, tf.int32),
            tf.fill(tf.shape(piece_counts), self.max_length - 2),
            self.stride,
        )
        token_ids, second_starts = join(
            slices(by_sentence(pieces.values), text, start, length),
            None,
            self.tokenizer.vocabulary,
        )
        most = most_context(text, start, length, self.max_length - 2, self.stride)
        opens = slices(by_sentence(tf.equal(places.values, 0)), text, start, length)
        tagged = most.with_values(most.values & opens.values)
        positions = tf.ragged.boolean_mask(1 + tf.ragged.range(length), tagged)
        word_of = slices(by_sentence(word_of_piece), text, start, length)
        word_of = tf.ragged.boolean_mask(word_of, tagged)
        features: Features = {
            "token_ids": token_ids,
            "second_starts": second_starts,
            "word_positions": positions,
        }
        if "tags" in columns:
            tags = columns["tags"]
            owner = tf.gather(text, word_of.value_rowids())
            first = tf.gather(tf.cast(tags.row_starts(), tf.int32), owner)
            features["tags"] = word_of.with_values(
                tf.gather(tags.values, first + word_of.values)
            )
        return features, {"example": text, "words": word_of}

    def _pieces(self, words: tf.Tensor) -> tf.RaggedTensor:
        # A word of control characters alone has no pieces: it is unknown, not lost.
        pieces = self.tokenizer.tokenize_words(words)
        missing = tf.cast(tf.equal(pieces.row_lengths(), 0), tf.int64)
        unknown = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(missing)], self.tokenizer.vocabulary.unk_id),
            missing,
            validate=False,
        )
        return tf.concat([pieces, unknown], axis=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Document(TaggedSentence):
    """The sentences of a document as one, so that each sees as much of it as fits.

    This is the paper's maximal document context (section 5.3), with windows that the
    sentences share. Tags are kept where all sentences have them.

    Attributes:
        sentences: at least one.
    """

    sentences: tuple[TaggedSentence, ...]

    @classmethod
    def of(cls, sentences: Sequence[TaggedSentence]) -> "Document":
        """The document of these sentences."""
        words = tuple(word for sentence in sentences for word in sentence.words)
        tags = None
        if all(sentence.tags is not None for sentence in sentences):
            tags = tuple(tag for sentence in sentences for tag in sentence.tags or ())
        first = sentences[0]
        return cls(first.id, words, tags, first.document, tuple(sentences))


def documents(sentences: Iterable[TaggedSentence]) -> Iterator[Document]:
    """The documents of sentences, as they are read."""
    for _, group in itertools.groupby(sentences, key=lambda s: s.document):
        yield Document.of(list(group))
