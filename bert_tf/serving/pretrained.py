"""Strings in, answers out, of a pre-trained model: what `predict` and `export` run."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.sentence_vector import SentenceVector
from bert_tf.models.masked_lm import BertPretrainer
from bert_tf.serving.signatures import power_of_two, row_length, signatures
from bert_tf.serving.stored_weights import Precision, StoredWeights
from bert_tf.tasks.endpoints import Answers, Endpoint, Rows, strings
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.tokenizer import Tokenizer
from data_pipelines.tokenizers.vocabulary import CONTINUATION, MASK, bytes_of

_SPACES_AT_END = r"[\s\v\x{85}\p{Z}]+$"


class TextModel(tf.Module):
    """A pre-trained model that takes plain strings.

    `[MASK]` in a text is the mask; nothing else in it is taken for a control token. A
    text that is longer than the model is cut off at the end, and `truncated` says so.

    Args:
        model: the pre-training model.
        tokenizer: what cuts texts into its pieces.
        top_k: how many guesses `fill_mask` gives.
        embedding_layer: which hidden state `embed` and `features` read: 0 are the
            embeddings, 1 the first block, -1 the last.
        sentence_vector: what `embed` gives as `sentence`; None: the mean, its length
            made 1.
        precision: of the weights.
        num_tokens: how many pieces `generate` adds at most.
    """

    def __init__(
        self,
        model: BertPretrainer,
        tokenizer: Tokenizer,
        top_k: int = 5,
        embedding_layer: int = -1,
        sentence_vector: SentenceVector | None = None,
        precision: Precision = "float32",
        num_tokens: int = 32,
    ) -> None:
        super().__init__(name="text_model")
        config = model.encoder.config
        num_states = config.num_hidden_layers + 1
        if not -num_states <= embedding_layer < num_states:
            raise ValueError(
                f"Received embedding_layer={embedding_layer}. Expected 0 (the "
                f"embeddings) to {num_states - 1} (the last block), or as far from "
                "the end."
            )
        self.has_mlm_head = model.mlm_head is not None
        self.is_causal = config.causal
        self.num_tokens = num_tokens
        vocabulary = tokenizer.vocabulary
        if not 1 <= top_k <= len(vocabulary):
            raise ValueError(
                f"Received top_k={top_k}. Expected 1 to {len(vocabulary)}, the size of "
                "the vocabulary."
            )
        if config.causal and not 1 <= num_tokens <= config.max_sequence_length - 2:
            raise ValueError(
                f"Received num_tokens={num_tokens}. Expected 1 to "
                f"{config.max_sequence_length - 2}, so that there is room for a text "
                "before them."
            )
        if sentence_vector is None:
            sentence_vector = SentenceVector("mean", True, config.max_sequence_length)
        if sentence_vector.pooling == "pooled" and not config.pooler:
            raise ValueError(
                "Received pooling=pooled, but this model has no pooler. Expected mean "
                "or cls."
            )
        # Not the models themselves: Keras would add to a SavedModel that tracks them
        # a signature of its own, which knows nothing of these inputs.
        self._logits, self._encoder = model.__call__, model.encoder.__call__
        # LSTMs have no attention to show, nor has a mere table.
        is_elmo = config.architecture == "elmo"
        self.has_attention = config.num_hidden_layers > 0 and not is_elmo
        if self.has_attention:
            self._attention_probabilities = model.encoder.attention_probabilities
        self._num_layers = config.num_hidden_layers
        self._num_heads = config.num_attention_heads
        self.weights = StoredWeights(model, precision)
        self.tokenizer = tokenizer
        self.sentence_vector = sentence_vector
        self.max_length = min(config.max_sequence_length, sentence_vector.max_length)
        self.top_k = top_k
        self.embedding_layer = embedding_layer
        self._pieces = tf.constant(vocabulary.names)
        self._spelled = None
        if vocabulary.merges is not None:
            self._spelled = tf.constant(
                [bytes_of(piece) for piece in vocabulary.tokens]
            )
        # Traced once for all signatures: most of an export is tracing.
        self._cut = tf.function(
            self._cut_in_graph, input_signature=[strings("texts")], autograph=False
        )
        self._cls, self._sep = vocabulary.cls_id, vocabulary.sep_id
        self._pad, self._mask = vocabulary.pad_id, vocabulary.mask_id

    def signatures(self) -> dict[str, Callable]:
        """Functions by the name under which they are served."""
        ids = [
            tf.TensorSpec([None, None], dtype, name=name)
            for name, dtype in (
                ("token_ids", tf.int32),
                ("segment_ids", tf.int32),
                ("padding_mask", tf.bool),
            )
        ]
        encode = tf.function(self.encode, input_signature=ids)
        return {**signatures(self.endpoints()), "encode": encode}

    def endpoints(self) -> dict[str, Endpoint]:
        """Ways to ask, the default first.

        A model without a head has no `fill_mask`; that of a causal one is `generate`.
        One without attention has no `attention`.
        """
        texts = strings("texts")
        pair = [strings("first"), strings("second")]
        places = [tf.TensorSpec([None], tf.int32, name=n) for n in ("layers", "heads")]
        of_head = {"fill_mask": Endpoint(self.fill_mask, [texts])}
        of_attention = {
            "attention": Endpoint(self.attention, [texts, *places], ("longest",))
        }
        if self.is_causal:
            of_head = {"generate": Endpoint(self.generate, [texts], ("longest",))}
        return {
            **(of_head if self.has_mlm_head else {}),
            "embed": Endpoint(self.embed, [texts]),
            "similarity": Endpoint(self.similarity, pair),
            "features": Endpoint(self.features, [texts]),
            **(of_attention if self.has_attention else {}),
        }

    def fill_mask(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Guesses for each `[MASK]` in the texts.

        Args:
            texts: string (batch,), each with any number of `[MASK]`.
            rows: see `Rows`.

        Returns:
            `tokens` string and `probabilities` float32, both (batch, masks, top_k),
            best first, filled up with "" and 0 where a text has fewer masks than
            another; `truncated` bool (batch,).
        """
        inputs, truncated = self._inputs(texts, rows)
        is_mask = inputs["token_ids"] == self._mask
        positions = tf.ragged.boolean_mask(
            tf.broadcast_to(tf.range(tf.shape(is_mask)[1])[None, :], tf.shape(is_mask)),
            is_mask,
        )
        counts = tf.cast(positions.row_lengths(), tf.int32)[: tf.size(texts)]
        most = tf.reduce_max(tf.pad(counts, [[0, 1]]))
        # One place at least, where no text has a mask.
        width = power_of_two(most) if rows == "compiled" else tf.maximum(most, 1)
        positions = filled_rows(positions, width, 0)
        # A config may have room for more pieces than the vocabulary has.
        num_pieces = self._pieces.shape[0]

        def guesses(inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            logits = self._logits(inputs)["mlm"][:, :, :num_pieces]
            best = tf.math.top_k(tf.nn.softmax(logits), k=self.top_k)
            return best.values, best.indices

        inputs = {**inputs, "mlm_positions": positions}
        best, tokens = (
            values[: tf.size(texts), :most]
            for values in self._run(guesses, inputs, rows, looks_up_only=False)
        )
        real = tf.sequence_mask(counts, most)[:, :, None]
        return {
            "tokens": tf.where(real, tf.gather(self._pieces, tokens), ""),
            "probabilities": tf.where(real, best, 0.0),
            "truncated": truncated,
        }

    def generate(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Goes on with the texts, by the most probable piece each time.

        Args:
            texts: string (batch,). Of one that leaves no room for `num_tokens`, the
                last pieces are read.
            rows: see `Rows`.

        Returns:
            `continuations` string (batch,), up to the end of a sentence of training,
            if there is one: in the words of the vocabulary, with spaces between them,
            or of byte-level BPE what follows the text to the byte;
            `probabilities` float32 (batch, num_tokens), of each piece, 0 after the
            end; `truncated` bool (batch,).
        """
        ids, _, _ = self._cut(texts)
        room = self.max_length - 1 - self.num_tokens
        truncated = ids.row_lengths() > room
        ids = ids[:, -room:]
        opening = tf.fill([ids.nrows(), 1], self._cls)
        ids = tf.concat([opening, ids], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        width = row_length(longest + self.num_tokens, self.max_length, rows)
        token_ids = filled_rows(ids, width, self._pad)
        never = [self._pad, self._cls, self._mask]
        is_piece = tf.constant([n not in never for n in range(self._pieces.shape[0])])

        def add_one(
            step: tf.Tensor, token_ids: tf.Tensor, shares: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            known = lengths + step
            inputs = {
                "token_ids": token_ids,
                "segment_ids": tf.zeros_like(token_ids),
                "padding_mask": tf.sequence_mask(known, width),
                "mlm_positions": (known - 1)[:, tf.newaxis],
            }

            def guess(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
                return self._logits(inputs)["mlm"][:, 0, : self._pieces.shape[0]]

            logits = self._run(guess, inputs, rows, looks_up_only=False)
            share = tf.nn.softmax(tf.where(is_piece, logits, logits.dtype.min))
            best = tf.argmax(share, axis=-1, output_type=tf.int32)
            is_place = tf.range(width) == known[:, tf.newaxis]
            token_ids = tf.where(is_place, best[:, tf.newaxis], token_ids)
            shares = shares.write(step, tf.reduce_max(share, axis=-1))
            return step + 1, token_ids, shares

        _, token_ids, shares = tf.while_loop(
            lambda step, *_: step < self.num_tokens,
            add_one,
            (
                0,
                token_ids,
                tf.TensorArray(tf.float32, self.num_tokens, element_shape=[None]),
            ),
        )
        places = lengths[:, tf.newaxis] + tf.range(self.num_tokens)[tf.newaxis, :]
        added = tf.gather(token_ids, places, batch_dims=1)
        goes_on = tf.math.cumprod(tf.cast(added != self._sep, tf.int32), axis=1) > 0
        return {
            "continuations": self._joined(added, goes_on),
            "probabilities": tf.where(goes_on, tf.transpose(shares.stack()), 0.0),
            "truncated": truncated,
        }

    def _joined(self, ids: tf.Tensor, is_there: tf.Tensor) -> tf.Tensor:
        """string (batch,), what pieces (batch, pieces) spell together."""
        if self._spelled is not None:
            spelled = tf.where(is_there, tf.gather(self._spelled, ids), "")
            return tf.strings.reduce_join(spelled, axis=1)
        pieces = tf.where(is_there, tf.gather(self._pieces, ids), "")
        joined = tf.strings.reduce_join(pieces, axis=1, separator=" ")
        joined = tf.strings.regex_replace(joined, f" {CONTINUATION}", "")
        return tf.strings.strip(joined)

    def embed(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """Vectors of the texts.

        Args:
            texts: string (batch,).
            rows: see `Rows`.

        Returns:
            float32 (batch, hidden): `sentence`, one vector of the last layer, see
            `SentenceVector`; `cls`, the chosen layer at `[CLS]`, and `mean`, its mean
            over all tokens; `pooled`, the output of the pooler, if there is one. And
            `truncated` bool (batch,).
        """
        inputs, truncated = self._inputs(texts, rows)
        vectors = self._run(self._vectors, inputs, rows)
        vectors = {name: v[: tf.size(texts)] for name, v in vectors.items()}
        return {**vectors, "truncated": truncated}

    def _vectors(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        encoded = self._encoder(inputs)
        weights = tf.cast(inputs["padding_mask"], tf.float32)[:, :, None]
        pooled = encoded["pooled_output"]
        of_pooler = {} if pooled is None else {"pooled": tf.cast(pooled, tf.float32)}

        def of_layer(layer: int) -> dict[str, tf.Tensor]:
            states = tf.cast(encoded["hidden_states"][layer], tf.float32)
            mean = tf.reduce_sum(states * weights, 1) / tf.reduce_sum(weights, 1)
            return {"cls": states[:, 0], "mean": mean, **of_pooler}

        sentence = of_layer(-1)[self.sentence_vector.pooling]
        if self.sentence_vector.normalize:
            sentence = tf.math.l2_normalize(sentence, axis=-1)
        return {**of_layer(self.embedding_layer), "sentence": sentence}

    def similarity(
        self, first: tf.Tensor, second: tf.Tensor, *, rows: Rows = "longest"
    ) -> Answers:
        """How much alike texts are.

        Args:
            first, second: string (batch,).
            rows: see `Rows`.

        Returns:
            `similarity` float32 (batch,), the cosine of their `sentence` vectors, from
            -1 to 1; `truncated` bool (batch,), whether one of them was cut off.
        """
        # One batch of both.
        found = self.embed(tf.concat([first, second], axis=0), rows=rows)
        vectors = tf.math.l2_normalize(found["sentence"], axis=-1)
        count = tf.size(first)
        return {
            "similarity": tf.reduce_sum(vectors[:count] * vectors[count:], axis=-1),
            "truncated": found["truncated"][:count] | found["truncated"][count:],
        }

    def features(self, texts: tf.Tensor, *, rows: Rows = "longest") -> Answers:
        """A vector for each token, `[CLS]` and `[SEP]` included.

        Args:
            texts: string (batch,).
            rows: see `Rows`.

        Returns:
            `tokens` string (batch, tokens), filled up with ""; `vectors` float32
            (batch, tokens, hidden), of the chosen layer, filled up with 0; `starts`
            and `ends` int32 (batch, tokens), the bytes of the text that a token is, -1
            for those that are none of it; `truncated` bool (batch,).
        """
        ids, starts, ends = self._cut(texts)
        inputs, truncated = self._inputs_of(ids, rows)

        def states(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
            chosen = self._encoder(inputs)["hidden_states"][self.embedding_layer]
            return tf.cast(chosen, tf.float32)

        count = tf.size(texts)
        vectors = self._run(states, inputs, rows)[:count]
        is_token = inputs["padding_mask"][:count]
        width = tf.shape(is_token)[1]

        def laid_out(places: tf.RaggedTensor) -> tf.Tensor:
            # After [CLS], and no more than there is room for.
            places = filled_rows(places[:, : self.max_length - 2], width - 1, -1)
            return tf.pad(places, [[0, 0], [1, 0]], constant_values=-1)

        return {
            "tokens": self._names(inputs)[:count],
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
        """How much each token looks at each other, in one head of one layer.

        Args:
            texts: string (batch,).
            layers: int32 (batch,), of each text: 1 is the first block.
            heads: int32 (batch,), of each text: 1 is the first head.
            rows: see `Rows`.

        Returns:
            `tokens` string (batch, tokens), filled up with ""; `attention` float32
            (batch, tokens, tokens): from each token (a row, which sums up to 1) to each
            other; `truncated` bool (batch,).

        Raises:
            tf.errors.InvalidArgumentError: there is no such layer or head.
        """
        checks = [
            tf.debugging.Assert(
                tf.reduce_all((numbers >= 1) & (numbers <= most)),
                [f"Expected {name} from 1 to {most}. Received", numbers],
            )
            for name, numbers, most in (
                ("layers", layers, self._num_layers),
                ("heads", heads, self._num_heads),
            )
        ]
        with tf.control_dependencies(checks):
            inputs, truncated = self._inputs(texts, rows)

        def chosen(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
            found: Any = 0.0
            of_blocks = self._attention_probabilities(inputs)
            for number, of_heads in enumerate(of_blocks, start=1):
                of_head = tf.gather(of_heads, heads - 1, axis=1, batch_dims=1)
                is_layer = (layers == number)[:, None, None]
                found = tf.where(is_layer, tf.cast(of_head, tf.float32), found)
            return found

        real = inputs["padding_mask"]
        attention = self._run(chosen, inputs, rows)
        return {
            "tokens": self._names(inputs),
            "attention": tf.where(real[:, :, None], attention, 0.0),
            "truncated": truncated,
        }

    def encode(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> Answers:
        """The encoder on ids.

        Args:
            token_ids: int32 (batch, sequence).
            segment_ids: int32 (batch, sequence).
            padding_mask: bool (batch, sequence), True for real tokens.

        Returns:
            `sequence_output` float32 (batch, sequence, hidden) and, if there is a
            pooler, `pooled_output` float32 (batch, hidden).
        """
        inputs = {
            "token_ids": token_ids,
            "segment_ids": segment_ids,
            "padding_mask": padding_mask,
        }

        def vectors(inputs: dict[str, tf.Tensor]) -> Answers:
            encoded = self._encoder(inputs)
            return {
                name: tf.cast(encoded[name], tf.float32)
                for name in ("sequence_output", "pooled_output")
                if encoded[name] is not None
            }

        return self._run(vectors, inputs, "longest")

    def _run(
        self,
        function: Callable[[dict[str, tf.Tensor]], Any],
        inputs: dict[str, tf.Tensor],
        rows: Rows,
        looks_up_only: bool = True,
    ) -> Any:
        """The function of the inputs, with the weights as they are stored."""

        def run(inputs: dict[str, tf.Tensor]) -> Any:
            ids = inputs["token_ids"]
            with self.weights.in_use(ids, looks_up_only) as token_ids:
                return function({**inputs, "token_ids": token_ids})

        if rows == "compiled":
            return tf.function(run, jit_compile=True)(inputs)
        return run(inputs)

    def _names(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        # Of the tokens that are there.
        names = tf.gather(self._pieces, inputs["token_ids"])
        return tf.where(inputs["padding_mask"], names, "")

    def _inputs(
        self, texts: tf.Tensor, rows: Rows
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Rows `[CLS] text [SEP]` for the encoder, and which texts were cut off."""
        return self._inputs_of(self._cut(texts)[0], rows)

    def _inputs_of(
        self, ids: tf.RaggedTensor, rows: Rows
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        count = tf.cast(ids.nrows(), tf.int32)
        room = self.max_length - 2
        truncated = ids.row_lengths() > room
        ids = ids[:, :room]
        if rows == "compiled":
            # Rows without text, which the answers leave out.
            missing = power_of_two(count) - count
            empty = tf.RaggedTensor.from_row_lengths(
                tf.zeros([0], tf.int32), tf.zeros([missing], tf.int64)
            )
            ids = tf.concat([ids, empty], axis=0)
        ends = tf.ones([ids.nrows(), 1], tf.int32)
        ids = tf.concat([ends * self._cls, ids, ends * self._sep], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        width = row_length(longest, self.max_length, rows)
        token_ids = filled_rows(ids, width, self._pad)
        inputs = {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(token_ids),
            "padding_mask": tf.sequence_mask(lengths, width),
        }
        return inputs, truncated

    def _cut_in_graph(
        self, texts: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Ids of the pieces, and the bytes where each begins and ends."""
        # Only a [MASK] in these strings becomes the mask: the tokenizer itself never
        # takes text for a control token.
        parts = tf.strings.split(texts, MASK)
        # Each part follows the mask and all that is before, but for the first.
        after = tf.strings.length(parts.values) + len(MASK)
        before = tf.cumsum(after, exclusive=True)
        before -= tf.repeat(
            tf.gather(tf.concat([before, [0]], 0), parts.row_starts()),
            parts.row_lengths(),
        )
        before = before[:, tf.newaxis]
        opens, ends_text = (
            tf.scatter_nd(places[:, tf.newaxis], tf.ones_like(places), [size]) > 0
            for size in [tf.size(parts.values, tf.int64)]
            for places in (parts.row_starts(), parts.row_limits() - 1)
        )
        # The space before a mask is of the mask, as the one before a word is of the
        # word.
        values = tf.where(
            ends_text,
            parts.values,
            tf.strings.regex_replace(parts.values, _SPACES_AT_END, ""),
        )
        ids, starts, ends = self.tokenizer.tokenize_with_offsets(values, opens)
        masks = tf.fill(tf.shape(before), self._mask)

        def joined(of_masks: tf.Tensor, of_pieces: tf.RaggedTensor) -> tf.RaggedTensor:
            # A mask in front of each part, and then without the first.
            values = tf.concat([of_masks, of_pieces], axis=1)
            return parts.with_values(values).merge_dims(1, 2)[:, 1:]

        return (
            joined(masks, ids),
            joined(before - len(MASK), starts + before),
            joined(before, ends + before),
        )
