"""Computes vectors of a stream of texts with a frozen encoder."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.layers.gather import gather_tokens
from bert_tf.models.encoder import BertEncoder
from data_pipelines.datasets.examples import TextExample
from data_pipelines.finetuning import batches
from data_pipelines.finetuning.whole_texts import WholeTextEncoding

# See `TextVectorizer`.
Vectors = Literal["tokens", "cls", "mean", "pooled"]

# Indices of the encoder's states: the embeddings are first, then the output of each
# block. The names are those of `scalar_mix.FEATURES` that need no training.
FEATURES = {
    "embeddings": (0,),
    "second_to_last": (-2,),
    "last": (-1,),
    "concat_last_4": (-4, -3, -2, -1),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, [CLS] and [SEP] included.

    Attributes:
        pieces: the token strings.
        starts, ends: int32 `(tokens,)`, the UTF-8 byte offsets at which each piece
            starts and ends in its text; -1 for [CLS] and [SEP].
    """

    pieces: list[str]
    starts: np.ndarray
    ends: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class TextVectors:
    """The vectors of a text.

    Attributes:
        row: the number of the text, from 0.
        example: the text or the pair of texts.
        vectors: float32 `(tokens, width)` with "tokens", else `(width,)`.
        tokens: with "tokens", the tokens of the vectors; else None.
        num_windows: the number of windows in which the text was run.
        truncated: whether the text was truncated.
        empty: whether it has no pieces and was run as [CLS] [SEP].
    """

    row: int
    example: TextExample
    vectors: np.ndarray
    tokens: Tokens | None
    num_windows: int
    truncated: bool
    empty: bool


def layers_of(features: str, num_layers: int) -> tuple[int, ...]:
    """The indices of the states that are concatenated.

    Args:
        features: a name in `FEATURES`, or a number: 0 for the embeddings, 1 for the
            first block, -1 for the last.
        num_layers: the number of blocks of the encoder.

    Raises:
        ValueError: there is no such name, or the encoder lacks the layer.
    """
    layers = FEATURES.get(features)
    # A concatenation needs its full number of blocks, without the embeddings.
    if layers and -min(layers) <= num_layers + (len(layers) == 1):
        return layers
    is_number = features.removeprefix("-").isdecimal()
    if is_number and -num_layers - 1 <= int(features) <= num_layers:
        return (int(features),)
    hint = ""
    if features.startswith("weighted"):
        hint = " Weighted sums are learned: use bert_tf.finetune --features."
    raise ValueError(
        f"Received features={features!r}. Expected one of {list(FEATURES)}, or a "
        f"layer from 0 (the embeddings) to {num_layers} (the last block), or from -1 "
        f"(the last block) down; this model has {num_layers} blocks.{hint}"
    )


def make_vectorizer(
    loaded: LoadedModel,
    vectors: Vectors | Literal["sentence"],
    features: str = "last",
    *,
    max_length: int | None = None,
    pairs: bool = False,
    in_windows: bool = False,
    prompt_name: str | None = None,
    batch_size: int = 64,
) -> "TextVectorizer":
    """Makes the vectorizer of a model folder.

    Args:
        loaded: the model folder.
        vectors: see `TextVectorizer`; "sentence" is the vector that the model was
            trained to give.
        features: see `layers_of`.
        max_length: the number of tokens of a sequence; None: the model's maximum.
        pairs: whether the texts are pairs.
        in_windows: whether long texts are run in windows, instead of truncated.
        prompt_name: with "sentence", the name of the prompt that precedes each text;
            None: the model's default, if it has one.
        batch_size: the number of sequences that are run at once.

    Raises:
        ValueError: the model does not support the arguments.
    """
    config = loaded.model.encoder.config
    if vectors not in (*get_args(Vectors), "sentence"):
        raise ValueError(
            f"Received vectors={vectors!r}. Expected one of "
            f"{', '.join((*get_args(Vectors), 'sentence'))}."
        )
    normalize, longest, prompt = False, config.max_sequence_length, ""
    if prompt_name is not None and vectors != "sentence":
        raise ValueError(
            f"Received prompt_name={prompt_name!r} with vectors={vectors}. Expected it "
            "only with vectors=sentence, for which prompts were trained."
        )
    if vectors == "sentence":
        sentence = loaded.description.sentence_vector
        if sentence is None:
            raise ValueError(
                "Received vectors=sentence, but this model was not trained to give "
                "sentence vectors. Expected tokens, cls, mean or pooled."
            )
        vectors, normalize = sentence.pooling, sentence.normalize
        prompt = sentence.prompt(prompt_name)
        longest = min(longest, sentence.max_length)
    if vectors == "pooled" and not config.pooler:
        raise ValueError(
            "Received vectors=pooled, but this model has no pooler. Expected tokens, "
            "cls or mean."
        )
    if max_length is None:
        max_length = longest
    # There is room for a piece of each text between the special tokens.
    shortest = 5 if pairs else 3
    if not shortest <= max_length <= longest:
        raise ValueError(
            f"Received max_length={max_length}. Expected {shortest} to {longest}, the "
            "maximum length of this model."
        )
    encoding = WholeTextEncoding(loaded.tokenizer, max_length, in_windows)
    layers = layers_of(features, config.num_hidden_layers)
    return TextVectorizer(
        loaded.model.encoder, encoding, vectors, layers, batch_size, normalize, prompt
    )


@dataclasses.dataclass(eq=False)
class TextVectorizer:
    """Runs texts through an encoder, with several short texts packed into a row.

    Args:
        encoder: the encoder, which is run without dropout.
        encoding: the encoding of the texts.
        vectors: "tokens": a vector for each token. "cls" or "mean": a vector for the
            text, at [CLS] or over all tokens, [CLS] and [SEP] included. "pooled": the
            output of the pooler. For a text in several windows, "mean" counts each
            token once, and "cls" and "pooled" are means over the windows.
        layers: the states that are concatenated, from `layers_of`.
        batch_size: the number of sequences that are run at once.
        normalize: whether each vector is scaled to length 1.
        prompt: a text that precedes each text.
    """

    encoder: BertEncoder
    encoding: WholeTextEncoding
    vectors: Vectors
    layers: Sequence[int] = (-1,)
    batch_size: int = 64
    normalize: bool = False
    prompt: str = ""

    def __post_init__(self) -> None:
        self._run = tf.function(
            self._run_in_graph, reduce_retracing=True, autograph=False
        )

    @property
    def width(self) -> int:
        """The number of dimensions of a vector."""
        return self.encoder.config.hidden_size * len(self.layers)

    def vectorize(self, examples: Iterable[TextExample]) -> Iterator[TextVectors]:
        """Yields the vectors of each text, in order, as the texts are read.

        Raises:
            ValueError: a vector is not finite.
        """
        first_row = 0
        batches_of = batches.batch_maker(self.encoding, self.batch_size)
        if self.prompt:
            examples = (
                dataclasses.replace(example, first=self.prompt + example.first)
                for example in examples
            )
        for chunk in batches.evaluation_chunks(self.encoding, examples, batches_of):
            yield from self._texts(chunk, first_row)
            first_row += len(chunk.examples)

    def _texts(self, chunk: batches.Chunk, first_row: int) -> Iterator[TextVectors]:
        origin = chunk.origin
        truncated, empty = origin["truncated"].numpy(), origin["empty"].numpy()
        token_ids, starts, ends = (
            _rows(origin[name]) for name in ("token_ids", "starts", "ends")
        )
        pieces = self.encoding.tokenizer.vocabulary.tokens
        sequences = zip(origin["example"].numpy(), self._sequences(chunk), strict=True)
        for index, group in itertools.groupby(sequences, key=lambda pair: pair[0]):
            parts = [part for _, part in group]
            tokens = None
            if self.vectors == "tokens":
                vectors = np.concatenate([values for values, _ in parts])
                names = [pieces[token] for token in token_ids[index]]
                tokens = Tokens(names, starts[index], ends[index])
            else:
                weight = np.float32(sum(weight for _, weight in parts))
                vectors = np.sum([values for values, _ in parts], axis=0) / weight
            row = first_row + int(index)
            if not np.isfinite(vectors).all():
                raise ValueError(
                    f"A vector of text {row} (from 0) has NaN or infinity. Expected "
                    "finite numbers: check that training has not diverged; with dtype "
                    "float16, try float32."
                )
            if self.normalize:
                vectors = normalized(vectors)
            yield TextVectors(
                row,
                self._as_given(chunk.examples[index]),
                vectors,
                tokens,
                num_windows=len(parts),
                truncated=bool(truncated[index]),
                empty=bool(empty[index]),
            )

    def _as_given(self, example: TextExample) -> TextExample:
        return dataclasses.replace(
            example, first=example.first.removeprefix(self.prompt)
        )

    def _sequences(self, chunk: batches.Chunk) -> Iterator[tuple[np.ndarray, int]]:
        """Yields the vectors of each sequence, or their sum, and their number."""
        for batch in chunk.batches:
            vectors, counts = (values.numpy() for values in self._run(batch))
            if self.vectors == "tokens":
                vectors = np.split(vectors, np.cumsum(counts)[:-1])
            yield from zip(vectors, counts, strict=True)

    def _run_in_graph(self, batch: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        inputs = {name: batch[name] for name in (*batches.PACKED_INPUTS, "lengths")}
        encoded = self.encoder(inputs, training=False, return_hidden_states=True)
        first_tokens = batch["first_tokens"]
        ones = tf.ones_like(first_tokens)
        if self.vectors == "pooled":
            return tf.cast(encoded["pooled_output"], tf.float32), ones
        states = [encoded["hidden_states"][layer] for layer in self.layers]

        def vectors_at(tokens: tf.Tensor) -> tf.Tensor:
            chosen = [gather_tokens(state, tokens) for state in states]
            return tf.cast(tf.concat(chosen, axis=-1), tf.float32)

        if self.vectors == "cls":
            return vectors_at(first_tokens), ones
        is_asked = batch["is_asked"] > 0  # (sequences, width)
        tokens = first_tokens[:, None] + tf.range(tf.shape(is_asked)[1])[None, :]
        vectors = vectors_at(tf.boolean_mask(tokens, is_asked))
        counts = tf.reduce_sum(tf.cast(is_asked, tf.int32), axis=1)
        if self.vectors == "mean":
            sequence = tf.repeat(tf.range(tf.size(counts)), counts)
            vectors = tf.math.unsorted_segment_sum(vectors, sequence, tf.size(counts))
        return vectors, counts


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Scales vectors (..., width) to length 1; zero vectors are unchanged."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _rows(values: tf.RaggedTensor) -> list[np.ndarray]:
    return np.split(values.values.numpy(), values.row_splits.numpy()[1:-1])
