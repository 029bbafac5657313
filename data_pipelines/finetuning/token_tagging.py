"""Encodes sentences as sequences with a tag for the first piece of each word."""

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
    """Encoding `[CLS] pieces of the words [SEP]`, tagged at first pieces (section 5.3).

    A sentence that is longer than the model is split into windows; each word is tagged
    in the window with the most context around it, so that none is lost or tagged twice.

    Attributes:
        tokenizer: tokenizer of the model.
        max_length: maximum number of tokens of a sequence.
        labels: the tags in the order of their ids.
        stride: tokens from the start of one window to the start of the next.
        single: classes of characters that are words by themselves in the training
            data, such as Chinese data tagged by character; running text is split in the
            same way, see `single_characters`.

    Raises:
        ValueError: the windows would leave gaps between them.
    """

    tokenizer: Tokenizer
    max_length: int
    labels: tuple[str, ...]
    stride: int
    single: Sequence[str] = ()
    group_size: int = dataclasses.field(default=1, init=False)

    def __post_init__(self) -> None:
        check_stride(self.stride, self.max_length, self.max_length - 2, "sentence")

    def columns(self, examples: Sequence[TaggedSentence]) -> dict[str, tf.Tensor]:
        """Converts sentences to ragged tensors; missing tags are -1.

        Raises:
            ValueError: a tag is unknown.
        """
        ids = {label: index for index, label in enumerate(self.labels)}
        tags = []
        for example in examples:
            unknown = set(example.tags or ()) - set(ids)
            if unknown:
                raise ValueError(
                    f"Received the tags {sorted(unknown)} (sentence {example.id}). "
                    f"Expected the model's tags: {list(self.labels)}."
                )
            known = [ids[tag] for tag in example.tags or ()]
            tags += known or [-1] * len(example.words)
        words = [word for example in examples for word in example.words]
        rows = tf.RaggedTensor.from_row_lengths(
            tf.constant(words, tf.string), [len(example.words) for example in examples]
        )
        return {"words": rows, "tags": rows.with_values(tf.constant(tags, tf.int32))}

    def encode(self, columns: dict[str, tf.RaggedTensor]) -> tuple[Features, Features]:
        """Encodes words as sequences, in the TensorFlow graph.

        Args:
            columns: `words` string `(sentences, (words))`; optionally `tags` int32 of
                the same shape, which are passed through.

        Returns:
            Two dicts. Inputs of the model and its objective: `token_ids` int32
            `(sequences, (tokens))`; `second_starts` int32 `(sequences,)`;
            `word_positions`, the positions of first pieces in the sequence, and `tags`,
            both int32 `(sequences, (words))`. Origin: `example` int32 `(sequences,)`;
            `words` int32 `(sequences, (words))`, the indices of the words in the
            sentence.
        """
        words = columns["words"]
        by_word = words.with_values(self._pieces(words.values))
        pieces = by_word.merge_dims(1, 2)  # (sentences, (pieces))
        counts = tf.cast(pieces.row_lengths(), tf.int32)

        # For each piece: the index of its word, and whether it begins the word.
        word = tf.ragged.range(words.row_lengths()).values
        places = tf.ragged.range(by_word.values.row_lengths())
        word_of_piece = tf.gather(tf.cast(word, tf.int32), places.value_rowids())
        opens_word = tf.equal(places.values, 0)

        room = self.max_length - 2
        text, start, length = windows(
            counts, tf.fill(tf.shape(counts), room), self.stride
        )
        token_ids, second_starts = join(
            slices(pieces, text, start, length), None, self.tokenizer.vocabulary
        )
        most = most_context(text, start, length, room, self.stride)
        opens = slices(pieces.with_values(opens_word), text, start, length)
        tagged = most.with_values(most.values & opens.values)
        word_of = slices(pieces.with_values(word_of_piece), text, start, length)
        word_of = tf.ragged.boolean_mask(word_of, tagged)
        features: Features = {
            "token_ids": token_ids,
            "second_starts": second_starts,
            "word_positions": tf.ragged.boolean_mask(
                1 + tf.ragged.range(length), tagged
            ),
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
        # A word of only control characters has no pieces: it becomes the unknown token.
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
    """The sentences of a document as one sentence, for the maximum context.

    This is the paper's maximal document context (section 5.3), with windows shared by
    the sentences. Tags are kept only if all sentences have them.
    """

    sentences: tuple[TaggedSentence, ...]


def documents(sentences: Iterable[TaggedSentence]) -> Iterator[Document]:
    """Groups sentences into documents, lazily."""
    for number, group in itertools.groupby(sentences, key=lambda s: s.document):
        whole = tuple(group)
        words = tuple(word for sentence in whole for word in sentence.words)
        tags = None
        if all(sentence.tags is not None for sentence in whole):
            tags = tuple(tag for sentence in whole for tag in sentence.tags or ())
        yield Document(whole[0].id, words, tags, number, whole)
