"""Strings in, answers out: the functions that `predict` runs and `export` saves."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.sentence_vector import SentenceVector
from bert_tf.tasks.pretraining import BertPretrainer
from data_pipelines.vocabulary import MASK
from data_pipelines.wordpiece import WordPieceTokenizer

TEXTS = tf.TensorSpec([None], tf.string, name="texts")


class TextModel(tf.Module):
    """A pre-trained model that takes plain strings.

    A text that is longer than the model is cut off at the end, and `truncated` says
    so. Rows are padded to the longest of their batch.

    Args:
        model: the pre-training model.
        tokenizer: what cuts texts into its pieces.
        top_k: how many guesses `fill_mask` gives.
        embedding_layer: which hidden state `embed` reads: 0 are the embeddings, 1
            the first block, -1 the last.
        sentence_vector: what `embed` gives as `sentence`; None: nothing.
    """

    def __init__(
        self,
        model: BertPretrainer,
        tokenizer: WordPieceTokenizer,
        top_k: int = 5,
        embedding_layer: int = -1,
        sentence_vector: SentenceVector | None = None,
    ) -> None:
        super().__init__(name="text_model")
        num_states = model.encoder.config.num_hidden_layers + 1
        if not -num_states <= embedding_layer < num_states:
            raise ValueError(
                f"Received embedding_layer={embedding_layer}. Expected 0 (the "
                f"embeddings) to {num_states - 1} (the last block), or as far from "
                "the end."
            )
        self.has_mlm_head = model.mlm_head is not None
        vocabulary = tokenizer.vocabulary
        if not 1 <= top_k <= len(vocabulary):
            raise ValueError(
                f"Received top_k={top_k}. Expected 1 to {len(vocabulary)}, the size of "
                "the vocabulary."
            )
        # Not the models themselves: Keras would add to a SavedModel that tracks them
        # a signature of its own, which knows nothing of these inputs.
        self._logits, self._encoder = model.__call__, model.encoder.__call__
        self._weights = [variable.value for variable in model.trainable_variables]
        self.tokenizer = tokenizer
        self.max_length = model.encoder.config.max_sequence_length
        self.sentence_vector = sentence_vector
        if sentence_vector is not None:
            self.max_length = min(self.max_length, sentence_vector.max_length)
        self.top_k = top_k
        self.embedding_layer = embedding_layer
        self._pieces = tf.constant(vocabulary.tokens)
        self._cls, self._sep = vocabulary.cls_id, vocabulary.sep_id
        self._pad, self._mask = vocabulary.pad_id, vocabulary.mask_id

    def signatures(self) -> dict[str, Callable]:
        """Functions by the name under which they are served.

        A model without a head for masked tokens has no `fill_mask`, and `embed` is what
        it serves by default.
        """
        functions = {"embed": tf.function(self.embed, input_signature=[TEXTS])}
        functions["serving_default"] = functions["embed"]
        if self.has_mlm_head:
            fill_mask = tf.function(self.fill_mask, input_signature=[TEXTS])
            functions |= {"fill_mask": fill_mask, "serving_default": fill_mask}
        ids = tf.TensorSpec([None, None], tf.int32)
        return {
            **functions,
            "encode": tf.function(
                self.encode,
                input_signature=[
                    tf.TensorSpec(ids.shape, tf.int32, name="token_ids"),
                    tf.TensorSpec(ids.shape, tf.int32, name="segment_ids"),
                    tf.TensorSpec(ids.shape, tf.bool, name="padding_mask"),
                ],
            ),
        }

    def fill_mask(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Guesses for each `[MASK]` in the texts.

        Args:
            texts: string (batch,), each with any number of `[MASK]`.

        Returns:
            `tokens` string and `probabilities` float32, both (batch, masks, top_k),
            best first, filled up with "" and 0 where a text has fewer masks than
            another; `truncated` bool (batch,).
        """
        inputs, truncated = self._inputs(texts)
        is_mask = inputs["token_ids"] == self._mask
        positions = tf.ragged.boolean_mask(
            tf.broadcast_to(tf.range(tf.shape(is_mask)[1])[None, :], tf.shape(is_mask)),
            is_mask,
        )
        real = tf.sequence_mask(positions.row_lengths())[:, :, None]
        outputs = self._logits({**inputs, "mlm_positions": positions.to_tensor()})
        # A config may have room for more pieces than the vocabulary has.
        logits = outputs["mlm"][:, :, : self._pieces.shape[0]]
        best, tokens = tf.math.top_k(tf.nn.softmax(logits), k=self.top_k)
        return {
            "tokens": tf.where(real, tf.gather(self._pieces, tokens), ""),
            "probabilities": tf.where(real, best, 0.0),
            "truncated": truncated,
        }

    def embed(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Vectors of the texts.

        Args:
            texts: string (batch,).

        Returns:
            `cls`, the chosen layer at `[CLS]`, and `mean`, its mean over all tokens,
            both float32 (batch, hidden); `pooled`, the output of the pooler, if there
            is one; `sentence`, the vector that the model was trained to give, if it
            was; `truncated` bool (batch,).
        """
        inputs, truncated = self._inputs(texts)
        encoded = self._encoder(inputs)
        weights = tf.cast(inputs["padding_mask"], tf.float32)[:, :, None]

        def of_layer(layer: int) -> dict[str, tf.Tensor]:
            states = tf.cast(encoded["hidden_states"][layer], tf.float32)
            mean = tf.reduce_sum(states * weights, 1) / tf.reduce_sum(weights, 1)
            return {"cls": states[:, 0], "mean": mean}

        vectors = of_layer(self.embedding_layer)
        if self.sentence_vector is not None:
            sentence = of_layer(-1)[self.sentence_vector.pooling]
            if self.sentence_vector.normalize:
                sentence = tf.math.l2_normalize(sentence, axis=-1)
            vectors["sentence"] = sentence
        if encoded["pooled_output"] is not None:
            vectors["pooled"] = tf.cast(encoded["pooled_output"], tf.float32)
        return {**vectors, "truncated": truncated}

    def encode(
        self, token_ids: tf.Tensor, segment_ids: tf.Tensor, padding_mask: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The encoder on ids.

        Args:
            token_ids: int32 (batch, sequence).
            segment_ids: int32 (batch, sequence).
            padding_mask: bool (batch, sequence), True for real tokens.

        Returns:
            `sequence_output` float32 (batch, sequence, hidden) and, if there is a
            pooler, `pooled_output` float32 (batch, hidden).
        """
        encoded = self._encoder(
            {
                "token_ids": token_ids,
                "segment_ids": segment_ids,
                "padding_mask": padding_mask,
            }
        )
        vectors = {
            name: encoded[name]
            for name in ("sequence_output", "pooled_output")
            if encoded[name] is not None
        }
        return {name: tf.cast(value, tf.float32) for name, value in vectors.items()}

    def _inputs(self, texts: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        """Rows `[CLS] text [SEP]` for the encoder, and which texts were cut off."""
        # Only a [MASK] in these strings becomes the mask: the tokenizer itself never
        # takes text for a control token.
        parts = tf.strings.split(texts, MASK)
        pieces = parts.with_values(self.tokenizer.tokenize(parts.values))
        # A mask in front of each part, and then without the first.
        masks = tf.fill([tf.size(parts.values), 1], self._mask)
        joined = parts.with_values(tf.concat([masks, pieces.values], axis=1))
        ids = joined.merge_dims(1, 2)[:, 1:]
        room = self.max_length - 2
        truncated = ids.row_lengths() > room
        ids = ids[:, :room]
        ends = tf.ones([tf.shape(texts)[0], 1], tf.int32)
        ids = tf.concat([ends * self._cls, ids, ends * self._sep], axis=1)
        padding_mask = tf.sequence_mask(ids.row_lengths())
        token_ids = tf.where(padding_mask, ids.to_tensor(), self._pad)
        inputs = {
            "token_ids": token_ids,
            "segment_ids": tf.zeros_like(token_ids),
            "padding_mask": padding_mask,
        }
        return inputs, truncated
