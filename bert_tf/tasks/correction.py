"""Correction: finds errors in a text, and predicts replacements.

The tags are those of GECToR (Omelianchuk et al. 2020) without its list of words: the
masked-LM head predicts the piece to write, as in Soft-Masked BERT (Zhang et al. 2020),
from the sum of the vectors of the piece and of its tag.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.gather import gather_tokens, sequence_layout
from bert_tf.models.config import BertConfig
from bert_tf.models.masked_lm import masked_lm_head
from bert_tf.models.objective import sequence_weights
from bert_tf.tasks import correction_answers
from bert_tf.tasks.edits import edit_tensors
from bert_tf.tasks.endpoints import Answers, Endpoint, Rows, Served, padded, strings
from bert_tf.tasks.heads import EncoderWithHead
from bert_tf.tasks.iterative_refinement import refine, with_iterations
from bert_tf.tasks.kind import Kind
from bert_tf.tasks.piece_edits import edits_of_pieces
from data_pipelines.datasets.examples import CorrectionExample
from data_pipelines.finetuning.correction import (
    DELETE,
    INSERT,
    NONE,
    REPLACE,
    TAGS,
    CorrectionEncoding,
)

# The number of written pieces in the loss of a batch, as a multiple of its sequences:
# the logits over the vocabulary take most of the time of a small model.
MEAN_WRITTEN = 4
# The weight of the loss of a tag that changes something.
EDIT_WEIGHT = 3.0
_NEVER = -1e9


@keras.saving.register_keras_serializable("bert_tf")
class BertCorrector(EncoderWithHead):
    """Computes logits of tags for each piece, and of pieces to write.

    Args:
        mlm_activation, mlm_epsilon: see `BertPretrainer`.

    Call arguments:
        inputs: the inputs of the encoder, as packed rows; `is_asked` int32 (sequences,
            tokens), see `CorrectionEncoding`; in training also `tags` and `written` of
            the same shape.
        training: whether dropout is on, and pieces are predicted at the gold places
            instead of those of the predicted tags.

    Output:
        dict of `tags`, float32 logits (sequences, tokens, tags); `written_places` int32
        (written,), indices into the concatenated sequences; and `pieces`, float32
        logits (written, vocabulary). In training, their number is `MEAN_WRITTEN` times
        that of the sequences: the first places with a piece to write and, if there are
        fewer, some without.

    Raises:
        ValueError: the encoder is frozen (features), or is ELMo's.
    """

    own_arguments = ("mlm_activation", "mlm_epsilon")

    def __init__(
        self,
        config: BertConfig,
        mlm_activation: str | None = None,
        mlm_epsilon: float | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("features") is not None:
            raise ValueError(
                f"Received features={kwargs['features']!r} for kind correction. "
                "Expected none: pieces to write are predicted from the last layer."
            )
        if config.architecture == "elmo":
            raise ValueError(
                "Received an ELMo encoder for kind correction. Expected an encoder "
                "with a table of pieces, from which the pieces to write are chosen."
            )
        self.mlm_activation, self.mlm_epsilon = mlm_activation, mlm_epsilon
        super().__init__(config, len(TAGS), **kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights."""
        config = self.encoder.config
        self.mlm_head = masked_lm_head(
            config, self.mlm_activation, self.mlm_epsilon, self.dtype_policy
        )
        self.mlm_head.build((None, None, config.hidden_size))
        # Zero, so that the head starts as it was pre-trained.
        self.tag_table = self.add_weight(
            name="tag_table",
            shape=(len(TAGS), config.hidden_size),
            initializer="zeros",
            autocast=False,
        )
        super().build(input_shape)

    def _head_inputs(self) -> dict[str, str]:
        return {"is_asked": "int32"}

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> dict[str, Any]:
        """Applies the head."""
        x = encoded["sequence_output"]
        tokens, mask = sequence_layout(inputs, ops.shape(inputs["is_asked"])[1])
        logits = gather_tokens(self.scores(x, training), tokens)
        if training:
            tags = ops.maximum(inputs["tags"], 0)
            is_written = ops.reshape(inputs["written"] >= 0, (-1,))
            count = MEAN_WRITTEN * ops.shape(inputs["tags"])[0]
            _, places = ops.top_k(ops.cast(is_written, "int32"), count)
        else:
            logits = _allowed(logits)
            tags = ops.cast(ops.argmax(logits, axis=-1), "int32")
            is_written = ((tags == REPLACE) | (tags == INSERT)) & mask
            is_written &= inputs["is_asked"] == 1
            (places,) = ops.nonzero(ops.reshape(is_written, (-1,)))
        places = ops.cast(places, "int32")
        tokens, tags = (ops.take(ops.reshape(v, (-1,)), places) for v in (tokens, tags))
        vectors = gather_tokens(x, tokens)
        vectors += ops.cast(ops.take(self.tag_table, tags, axis=0), vectors.dtype)
        table = self.encoder.embeddings.token_table
        pieces = self.mlm_head(vectors[None], table)[0]  # (written, vocabulary)
        return {"tags": logits, "written_places": places, "pieces": pieces}


class CorrectionObjective:
    """The mean cross-entropy of the tags, plus that of the pieces to write.

    A tag that changes something has the weight `EDIT_WEIGHT`, others 1, and each tag
    and piece the weight of its text.
    """

    losses = ("loss_per_tag", "loss_per_piece")

    def weights(self, batch: Any) -> dict[str, Any]:
        """The weight of all tags, the numbers of edits and pieces; float32 scalars."""
        tags = batch["tags"]
        pieces = ops.minimum(
            _sum(batch["written"] >= 0),
            ops.cast(MEAN_WRITTEN * ops.shape(tags)[0], "float32"),
        )
        # The mean weight of the pieces, whichever of them are learned.
        texts, is_written = _text_weights(batch), batch["written"] >= 0
        mean = _sum(ops.cast(is_written, "float32") * texts) + 1e-5
        mean /= _sum(is_written) + 1e-5
        # A batch may be without an edit.
        return {
            "loss_per_tag": _sum(_tag_weights(tags) * texts) + 1e-5,
            "loss_per_piece": pieces * mean + 1e-5,
            "edits_found": _sum(tags > 0) + 1e-5,
            "accuracy": pieces + 1e-5,
        }

    def sums(self, outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
        """The sums of losses, right edit tags and right pieces; float32 scalars."""
        tags = batch["tags"]
        losses, right = elementwise.cross_entropy(outputs["tags"], tags)
        written = ops.reshape(batch["written"], (-1,))
        pieces = ops.take(written, outputs["written_places"])
        is_written = ops.cast(pieces >= 0, "float32")
        texts = ops.broadcast_to(_text_weights(batch), ops.shape(tags))
        weights = ops.take(ops.reshape(texts, (-1,)), outputs["written_places"])
        piece_losses, piece_right = elementwise.cross_entropy(
            outputs["pieces"], ops.maximum(pieces, 0)
        )
        return {
            "loss_per_tag": _sum(losses * _tag_weights(tags) * texts),
            "loss_per_piece": _sum(piece_losses * is_written * weights),
            "edits_found": _sum(right * ops.cast(tags > 0, "float32")),
            "accuracy": _sum(piece_right * is_written),
        }


def decode_edits(outputs: dict[str, Any], batch: Any) -> dict[str, Any]:
    """Finds the best tag and the piece to write for each token of interest; in graph.

    Returns:
        Ragged (sequences, (asked)): `tags` int32; `written` int32, ids of pieces, -1
        for none; `probabilities` float32, of the tag times that of the piece.
    """
    probabilities = tf.nn.softmax(outputs["tags"], axis=-1)
    tags = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    best = tf.reduce_max(probabilities, axis=-1)
    pieces, places = outputs["pieces"], outputs["written_places"][:, tf.newaxis]
    of_pieces = tf.reduce_max(tf.nn.softmax(pieces, axis=-1), axis=-1)
    ids = tf.argmax(pieces, axis=-1, output_type=tf.int32)

    def scattered(values: tf.Tensor, missing: Any) -> tf.Tensor:
        flat = tf.fill([tf.size(tags)], tf.constant(missing, values.dtype))
        filled = tf.tensor_scatter_nd_update(flat, places, values)
        return tf.reshape(filled, tf.shape(tags))

    decoded = {
        "tags": tags,
        "written": scattered(ids, NONE),
        "probabilities": best * scattered(of_pieces, 1.0),
    }
    is_asked = batch["is_asked"] == 1
    return {k: tf.ragged.boolean_mask(v, is_asked) for k, v in decoded.items()}


def _allowed(logits: Any) -> Any:
    """Excludes replacing or deleting `[CLS]`; pieces may be inserted after it."""
    bars = [_NEVER if tag in (REPLACE, DELETE) else 0.0 for tag in range(len(TAGS))]
    place = ops.arange(ops.shape(logits)[1])[None, :, None]
    return logits + ops.where(place == 0, ops.convert_to_tensor(bars, "float32"), 0.0)


def _text_weights(batch: Any) -> Any:
    return sequence_weights(batch, batch["tags"])[:, None]


def _tag_weights(tags: Any) -> Any:
    return ops.where(tags >= 0, ops.where(tags > 0, EDIT_WEIGHT, 1.0), 0.0)


def _sum(values: Any) -> Any:
    return ops.sum(ops.cast(values, "float32"))


def _outputs(answers: Any, columns: dict[str, Any]) -> Answers:
    """The answers of `edit_tensors`, (texts, edits), padded with "", -1 and 0."""
    found = edit_tensors(*answers)
    corrected = found.pop("corrected")
    return {"corrected": corrected, **padded(found)}


def _endpoints(served: Served) -> dict[str, Endpoint]:
    # XLA cannot compile it: the number of written pieces depends on the values.
    rows: tuple[Rows, ...] = ("longest", "fixed")
    ask = served.endpoint([strings("texts")], lambda t: {"text": t}, _outputs, rows)
    return {"correct": ask}


CORRECTION = Kind(
    name="correction",
    encoding=CorrectionEncoding,
    encoding_arguments=lambda lengths, dataset: {
        "stride": lengths.stride or lengths.max_length // 2
    },
    model=BertCorrector,
    head_arguments=lambda dataset, start: {
        name: start.get(name) for name in ("mlm_activation", "mlm_epsilon")
    },
    objective=lambda model: CorrectionObjective(),
    decode=decode_edits,
    answers=lambda decoded, origin, encoding: edits_of_pieces(
        decoded, origin, encoding.tokenizer
    ),
    read=correction_answers.read_corrections,
    columns=correction_answers.correction_columns,
    unanswered=lambda task: {"prediction": None, "edits": []},
    measure=correction_answers.correction_metrics,
    endpoints=_endpoints,
    read_line=lambda name, line, task: (
        {"text": line},
        CorrectionExample(name, line, ()),
    ),
    label_of=lambda example: example.corrected or None,
    best_threshold=correction_answers.best_edit_threshold,
    refine=refine,
    training_examples=with_iterations,
    # A model trained on synthetic errors keeps its tags when trained on real ones.
    reused_heads=("head/", "tag_table"),
    writes_pieces=True,
)
