"""Pre-trained models behind `predict` and `export`: strings in, answers out."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.description import SentenceVector, Similarity
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.masked_lm import BertPretrainer
from bert_tf.serving.generate import generate_ids, join_pieces
from bert_tf.serving.signatures import longest, power_of_two, signatures
from bert_tf.serving.stored_weights import Precision, StoredWeights
from bert_tf.serving.text_inputs import cut_texts, pack_texts
from bert_tf.tasks.endpoints import Answers, Endpoint, Rows, strings
from data_pipelines.rows.ids import id_check
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.tokenizer import Tokenizer

Inputs = dict[str, tf.Tensor]


class TextModel(tf.Module):
    """A pre-trained model that takes plain strings.

    Its endpoints take `texts`, string (batch,), and `rows`, see `Rows`. They return
    tensors by name, among them `truncated`, bool (batch,): whether the text was too
    long for the model and was truncated at its end. `[MASK]` in a text is the mask
    token.

    Args:
        model: a pre-trained model with its heads.
        tokenizer: the tokenizer of its texts.
        top_k: the number of predictions of `fill_mask` for a mask.
        sentence_vector: the settings of `sentence` in `embed`; None: the mean, scaled
            to length 1.
        precision: the precision of the stored weights.
        num_tokens: the maximum number of pieces that `generate` appends; None: 32, or
            half a row if that is less.

    Raises:
        ValueError: the model does not allow one of these numbers, or has no pooler.
    """

    def __init__(
        self,
        model: BertPretrainer,
        tokenizer: Tokenizer,
        top_k: int = 5,
        sentence_vector: SentenceVector | None = None,
        precision: Precision = "float32",
        num_tokens: int | None = None,
    ) -> None:
        super().__init__(name="text_model")
        config, vocabulary = model.encoder.config, tokenizer.vocabulary
        most = config.max_sequence_length
        sentence_vector = sentence_vector or SentenceVector("mean", True, most)
        if num_tokens is None:
            num_tokens = min(32, most // 2)
        if not 1 <= top_k <= len(vocabulary):
            raise ValueError(
                f"Received top_k={top_k}. Expected 1 to {len(vocabulary)}, the size of "
                "the vocabulary."
            )
        if config.causal and not 1 <= num_tokens <= most - 2:
            raise ValueError(
                f"Received num_tokens={num_tokens}. Expected 1 to {most - 2}, to leave "
                "room for the text before them."
            )
        if sentence_vector.pooling == "pooled" and not config.pooler:
            raise ValueError(
                "Received pooling=pooled, but this model has no pooler. Expected mean "
                "or cls."
            )
        # Functions, not the models: Keras would add a signature with other inputs to a
        # SavedModel that tracks a model.
        self._logits, self._encoder = model.__call__, model.encoder.__call__
        self.config, self.vocabulary = config, vocabulary
        self.has_mlm_head = model.mlm_head is not None
        # LSTMs and plain embedding tables have no attention.
        is_elmo = config.architecture == "elmo"
        self.has_attention = config.num_hidden_layers > 0 and not is_elmo
        if self.has_attention:
            self._attention = model.encoder.attention_probabilities
        self.weights = StoredWeights(model, precision)
        self.sentence_vector = sentence_vector
        self.max_length = min(most, sentence_vector.max_length)
        self._prompt = sentence_vector.prompt()
        self.top_k, self.num_tokens = top_k, num_tokens
        # Tracked: SentencePiece's op reads a resource.
        self._tokenizer = tokenizer
        self._names = tf.constant(vocabulary.names)
        # Traced once for all signatures, since tracing takes most of an export.
        self._cut = tf.function(
            lambda texts: cut_texts(texts, tokenizer),
            input_signature=[strings("texts")],
            autograph=False,
        )

    def signatures(self) -> dict[str, Callable]:
        """The served functions, by the name of their signature."""
        inputs = [
            tf.TensorSpec([None, None], tf.int32, "token_ids"),
            tf.TensorSpec([None, None], tf.int32, "segment_ids"),
            tf.TensorSpec([None, None], tf.bool, "padding_mask"),
        ]
        encode = tf.function(self.encode, input_signature=inputs, autograph=False)
        return {**signatures(self.endpoints()), "encode": encode}

    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints that take texts, the default first.

        A model without a masked-LM head has no `fill_mask`; a causal model has
        `generate` instead. A model without attention has no `attention`.
        """
        texts = strings("texts")
        pair = [strings("first"), strings("second")]
        places = [tf.TensorSpec([None], tf.int32, name=n) for n in ("layers", "heads")]
        found = {}
        if self.has_mlm_head and self.config.causal:
            found["generate"] = Endpoint(self.generate, [texts], ("longest",))
        elif self.has_mlm_head:
            found["fill_mask"] = Endpoint(self.fill_mask, [texts])
        found["embed"] = Endpoint(self.embed, [texts])
        found["similarity"] = Endpoint(self.similarity, pair)
        found["features"] = Endpoint(self.features, [texts])
        if self.has_attention:
            inputs = [texts, *places]
            found["attention"] = Endpoint(self.attention, inputs, ("longest",))
        return found

    def fill_mask(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Predicts the token of each `[MASK]` in the texts.

        Returns:
            `tokens` string and `probabilities` float32, both (batch, masks, top_k),
            best first, padded with "" and 0 for texts with fewer masks.
        """
        inputs, truncated = self._inputs(texts, rows)
        is_mask = inputs["token_ids"] == self.vocabulary.mask_id
        columns = tf.zeros_like(inputs["token_ids"]) + tf.range(tf.shape(is_mask)[1])
        positions = tf.ragged.boolean_mask(columns, is_mask)
        most = longest(tf.cast(positions.row_lengths(), tf.int32))
        # At least one position, even if no text has a mask.
        width = power_of_two(most) if rows == "compiled" else tf.maximum(most, 1)
        inputs["mlm_positions"] = filled_rows(positions, width, 0)

        def guesses(inputs: Inputs) -> tuple[tf.Tensor, tf.Tensor]:
            # The config may allow more pieces than the vocabulary has.
            logits = self._logits(inputs)["mlm"][:, :, : len(self.vocabulary)]
            best = tf.math.top_k(tf.nn.softmax(logits), k=self.top_k)
            return best.values, best.indices

        found = self._run(guesses, inputs, rows, looks_up_only=False)
        # The place of each mask among the guesses of all rows, and its text.
        number = tf.cumsum(tf.cast(is_mask, tf.int32), axis=1, exclusive=True)
        number += tf.range(tf.shape(is_mask)[0])[:, None] * width
        of_texts, is_token = _by_text(
            tf.stack([number, tf.cast(is_mask, tf.int32)], axis=2), inputs
        )
        numbers = tf.ragged.boolean_mask(
            of_texts[:, :, 0], (of_texts[:, :, 1] > 0) & is_token
        )[: tf.size(texts)]
        counts = tf.cast(numbers.row_lengths(), tf.int32)
        most = longest(counts)
        numbers = filled_rows(numbers, most, 0)
        best, tokens = (
            tf.gather(tf.reshape(values, [-1, self.top_k]), numbers) for values in found
        )
        real = tf.sequence_mask(counts, most)[:, :, None]
        return {
            "tokens": tf.where(real, tf.gather(self._names, tokens), ""),
            "probabilities": tf.where(real, best, 0.0),
            "truncated": truncated,
        }

    def generate(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Continues the texts greedily, with the most probable piece at each step.

        A text that leaves no room for `num_tokens` is truncated at its beginning.

        Returns:
            `continuations` string (batch,), up to the first [SEP] that the model
            generates: words joined by spaces, or, with byte-level BPE, exactly the
            bytes that follow the text;
            `probabilities` float32 (batch, num_tokens), of each piece, 0 after the
            end.
        """
        ids = self._cut(texts)[0]
        room = self.max_length - 1 - self.num_tokens

        def logits(inputs: Inputs) -> tf.Tensor:
            return self._logits(inputs)["mlm"][:, 0, : len(self.vocabulary)]

        added, probabilities = generate_ids(
            lambda inputs: self._run(logits, inputs, rows, looks_up_only=False),
            ids[:, -room:],
            self.vocabulary,
            self.num_tokens,
            self.max_length,
            rows,
        )
        is_piece = tf.cast(added != self.vocabulary.sep_id, tf.int32)
        before_end = tf.math.cumprod(is_piece, axis=1) > 0
        return {
            "continuations": join_pieces(added, before_end, self.vocabulary),
            "probabilities": tf.where(before_end, probabilities, 0.0),
            "truncated": ids.row_lengths() > room,
        }

    def embed(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Computes vectors of the texts, each after the default prompt, if any.

        Returns:
            float32 (batch, hidden), from the last layer: `sentence`, see
            `SentenceVector`; `cls`, the vector of `[CLS]`; `mean`, the mean over all
            tokens; `pooled`, the output of the pooler, if there is one.
        """
        if self._prompt:
            texts = tf.strings.join([self._prompt, texts])
        inputs, truncated = self._inputs(texts, rows)
        vectors = self._run(self._vectors, inputs, rows)
        vectors = {name: v[: tf.size(texts)] for name, v in vectors.items()}
        return {**vectors, "truncated": truncated}

    def _vectors(self, inputs: Inputs) -> dict[str, tf.Tensor]:
        encoded = self._encoder(inputs)
        states, is_token = _by_text(encoded["sequence_output"], inputs)
        states = tf.cast(states, tf.float32)
        weights = tf.cast(is_token, tf.float32)[:, :, None]
        vectors = {
            "cls": states[:, 0],
            "mean": tf.reduce_sum(states * weights, 1) / tf.reduce_sum(weights, 1),
        }
        if "pooled_output" in encoded:
            vectors["pooled"] = tf.cast(encoded["pooled_output"], tf.float32)
        sentence = vectors[self.sentence_vector.pooling]
        if self.sentence_vector.normalize:
            sentence = tf.math.l2_normalize(sentence, axis=-1)
        return {**vectors, "sentence": sentence}

    def similarity(
        self, first: tf.Tensor, second: tf.Tensor, *, rows: Rows = "longest"
    ) -> Answers:
        """Computes the similarity of pairs of texts.

        Returns:
            `similarity` float32 (batch,), of their `sentence` vectors: the cosine, from
            -1 to 1, or the measure the model was trained for, see `SentenceVector`.
        """
        found = self.embed(tf.concat([first, second], axis=0), rows=rows)
        count = tf.size(first)
        of_first, of_second = found["sentence"][:count], found["sentence"][count:]
        return {
            "similarity": similarity_of(
                of_first, of_second, self.sentence_vector.similarity
            ),
            "truncated": found["truncated"][:count] | found["truncated"][count:],
        }

    def features(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Computes a vector for each token, `[CLS]` and `[SEP]` included.

        Returns:
            `tokens` string (batch, tokens), padded with ""; `vectors` float32 (batch,
            tokens, hidden), from the last layer, padded with 0; `starts` and `ends`
            int32 (batch, tokens), the byte offsets of a token in the text, -1 for a
            token that is not in it.
        """
        ids, starts, ends = self._cut(texts)
        inputs, truncated = pack_texts(ids, self.vocabulary, self.max_length, rows)

        def states(inputs: Inputs) -> tf.Tensor:
            return tf.cast(self._encoder(inputs)["sequence_output"], tf.float32)

        count = tf.size(texts)
        vectors, is_token = _by_text(self._run(states, inputs, rows), inputs)
        token_ids = _by_text(inputs["token_ids"][:, :, None], inputs)[0]
        names = tf.gather(self._names, token_ids[:count, :, 0])
        vectors, is_token = vectors[:count], is_token[:count]
        width = tf.shape(is_token)[1]

        def laid_out(places: tf.RaggedTensor) -> tf.Tensor:
            # Shifted by one for [CLS]; pieces that were truncated are left out.
            places = filled_rows(places[:, : self.max_length - 2], width - 1, -1)
            return tf.pad(places, [[0, 0], [1, 0]], constant_values=-1)

        return {
            "tokens": tf.where(is_token, names, ""),
            "vectors": tf.where(is_token[:, :, None], vectors, 0.0),
            "starts": laid_out(starts),
            "ends": laid_out(ends),
            "truncated": truncated,
        }

    def attention(
        self,
        texts: tf.Tensor,
        layers: tf.Tensor,
        heads: tf.Tensor,
        *,
        rows: Rows = "longest",
    ) -> Answers:
        """Computes the attention of each token to each other, in one head of one layer.

        Args:
            texts: string (batch,).
            layers: int32 (batch,), the layer for each text; 1 is the first block.
            heads: int32 (batch,), the head for each text; 1 is the first.
            rows: see `Rows`.

        Returns:
            `tokens` string (batch, tokens), padded with ""; `attention` float32
            (batch, tokens, tokens): from each token (a row, which sums to 1) to each
            token.

        Raises:
            tf.errors.InvalidArgumentError: there is no such layer or head.
        """
        checks = [
            tf.debugging.Assert(
                tf.reduce_all((numbers >= 1) & (numbers <= most)),
                [f"Expected {name} from 1 to {most}. Received", numbers],
            )
            for name, numbers, most in (
                ("layers", layers, self.config.num_hidden_layers),
                ("heads", heads, self.config.num_attention_heads),
            )
        ]
        with tf.control_dependencies(checks):
            inputs, truncated = self._inputs(texts, rows, share_rows=False)

        def chosen(inputs: Inputs) -> tf.Tensor:
            found: Any = 0.0
            for number, of_heads in enumerate(self._attention(inputs), start=1):
                of_head = tf.gather(of_heads, heads - 1, axis=1, batch_dims=1)
                is_layer = (layers == number)[:, None, None]
                found = tf.where(is_layer, tf.cast(of_head, tf.float32), found)
            return found

        attention = self._run(chosen, inputs, rows)
        is_token = inputs["padding_mask"]
        names = tf.gather(self._names, inputs["token_ids"])
        return {
            "tokens": tf.where(is_token, names, ""),
            "attention": tf.where(is_token[:, :, None], attention, 0.0),
            "truncated": truncated,
        }

    def encode(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> Answers:
        """Computes the outputs of the encoder for token ids.

        Args:
            token_ids, segment_ids: int32 (batch, sequence).
            padding_mask: bool (batch, sequence), True for real tokens.

        Returns:
            `sequence_output` float32 (batch, sequence, hidden) and, if there is a
            pooler, `pooled_output` float32 (batch, hidden).

        Raises:
            tf.errors.InvalidArgumentError: ids are out of range, or rows too long.
        """

        def outputs(inputs: Inputs) -> Answers:
            encoded = self._encoder(inputs)
            return {
                name: tf.cast(output, tf.float32) for name, output in encoded.items()
            }

        length, most = tf.shape(token_ids)[1], self.config.max_sequence_length
        checks = [
            id_check("token_ids", token_ids, self.config.vocab_size),
            # A model with fewer segments ignores the ids.
            id_check("segment_ids", segment_ids, max(self.config.type_vocab_size, 2)),
            tf.debugging.Assert(
                length <= most,
                [f"Expected rows of at most {most} tokens. Received", length],
            ),
        ]
        with tf.control_dependencies(checks):
            inputs = {
                "token_ids": tf.identity(token_ids),
                "segment_ids": tf.identity(segment_ids),
                "padding_mask": tf.identity(padding_mask),
            }
        return self._run(outputs, inputs, "longest")

    def _run(
        self,
        function: Callable[[Inputs], Any],
        inputs: Inputs,
        rows: Rows,
        looks_up_only: bool = True,
    ) -> Any:
        """Runs a function of the inputs with the stored weights."""

        def run(inputs: Inputs) -> Any:
            ids = inputs["token_ids"]
            with self.weights.in_use(ids, looks_up_only) as token_ids:
                return function({**inputs, "token_ids": token_ids})

        if rows == "compiled":
            return tf.function(run, jit_compile=True, autograph=False)(inputs)
        return run(inputs)

    def _inputs(
        self, texts: tf.Tensor, rows: Rows, share_rows: bool = True
    ) -> tuple[Inputs, tf.Tensor]:
        ids = self._cut(texts)[0]
        return pack_texts(
            ids, self.vocabulary, self.max_length, rows, share_rows=share_rows
        )


def _by_text(values: tf.Tensor, inputs: Inputs) -> tuple[tf.Tensor, tf.Tensor]:
    """Lays values of tokens out by text.

    Args:
        values: (rows, tokens, width), for the tokens of `inputs`.
        inputs: from `pack_texts`.

    Returns:
        (texts, tokens, width); and bool (texts, tokens), whether the token belongs to
        the text.
    """
    if "first_tokens" not in inputs:
        return values, inputs["padding_mask"]
    tokens, is_token = sequence_layout(inputs)
    return gather_tokens(values, tokens), is_token


def similarity_of(first: tf.Tensor, second: tf.Tensor, name: Similarity) -> tf.Tensor:
    """Similarities float32 (batch,) of vectors (batch, width), see `SentenceVector`."""
    if name == "cosine":
        first, second = (tf.math.l2_normalize(x, axis=-1) for x in (first, second))
    if name in ("cosine", "dot"):
        return tf.reduce_sum(first * second, axis=-1)
    order = "euclidean" if name == "euclidean" else 1
    return -tf.norm(first - second, ord=order, axis=-1)
