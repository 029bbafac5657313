"""Features of how similar the two texts of a pair are, for a head that reads them."""

from typing import Any

from keras import ops

from bert_tf.layers.gather import gather_tokens, sequence_layout


def compared_width(hidden_dim: int) -> int:
    """The number of features for each layer that `compare_texts` reads."""
    return 2 * hidden_dim + 4


def compare_texts(states: list[Any], inputs: dict[str, Any]) -> Any:
    """Compares the vectors of the two texts of each pair.

    From the sums u and v of the vectors of each text it makes |u - v| and u * v, as
    InferSent does (Conneau et al. 2017, section 3.1). For each token of a text it finds
    the most similar token of the other text, and takes the mean and the least of these
    cosines, for both texts, as BERTScore does (Zhang et al. 2020, section 3). [CLS] and
    [SEP] are left out, since all texts have them.

    All vectors have the length sqrt(hidden), and cosines are multiplied by it, so that
    the features are about as large as the vectors that a head reads beside them.

    Args:
        states: outputs of layers, float (batch, sequence, hidden) each.
        inputs: `segment_ids` int32 (batch, sequence), 1 for the second text, and the
            inputs of `sequence_layout`.

    Returns:
        float32 (sequences, len(states) * compared_width(hidden)); 0 for a sequence
        that is no pair.
    """
    tokens, first, second = _tokens_of_texts(inputs)
    is_pair = ops.cast(ops.any(first, axis=1) & ops.any(second, axis=1), "float32")
    found = []
    for state in states:
        vectors = _scaled(ops.cast(gather_tokens(state, tokens), "float32"))
        found += [*_differences(vectors, first, second)]
        found += [*_alignments(vectors, first, second)]
    return ops.concatenate(found, axis=-1) * is_pair[:, None]


def _tokens_of_texts(inputs: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Finds the tokens of each sequence, and which belong to each of its texts.

    Returns:
        int32, bool and bool (sequences, tokens); for the first see `sequence_layout`.
    """
    tokens, is_token = sequence_layout(inputs)
    segment_ids = ops.take(ops.reshape(inputs["segment_ids"], (-1,)), tokens, axis=0)
    # [CLS] first [SEP] second [SEP]
    lengths = ops.sum(ops.cast(is_token, "int32"), axis=1, keepdims=True)
    in_first = ops.cast(is_token & (segment_ids == 0), "int32")
    first_lengths = ops.sum(in_first, axis=1, keepdims=True)
    places = ops.arange(ops.shape(tokens)[1], dtype="int32")[None, :]
    first = (places > 0) & (places < first_lengths - 1)
    second = (places >= first_lengths) & (places < lengths - 1)
    return tokens, first, second


def _differences(vectors: Any, first: Any, second: Any) -> tuple[Any, Any]:
    """Computes |u - v| and u * v, float32 (sequences, hidden)."""
    masks = (ops.cast(mask, "float32")[:, :, None] for mask in (first, second))
    u, v = (_scaled(ops.sum(vectors * mask, axis=1)) for mask in masks)
    return ops.abs(u - v), u * v


def _alignments(vectors: Any, first: Any, second: Any) -> list[Any]:
    """Computes means and minima over tokens of their best cosines.

    Returns:
        Four of float32 (sequences, 1), multiplied by the length of the vectors.
    """
    width = vectors.shape[-1]
    cosines = ops.matmul(vectors, ops.transpose(vectors, (0, 2, 1))) * width**-0.5
    found = []
    for these, others in ((first, second), (second, first)):
        best = ops.max(ops.where(others[:, None, :], cosines, -(width**0.5)), axis=2)
        count = ops.sum(ops.cast(these, "float32"), axis=1, keepdims=True)
        total = ops.sum(ops.where(these, best, 0.0), axis=1, keepdims=True)
        least = ops.min(ops.where(these, best, width**0.5), axis=1, keepdims=True)
        found += [total / ops.maximum(count, 1.0), least]
    return found


def _scaled(vectors: Any) -> Any:
    """Scales vectors to the length sqrt(width); 0 stays 0."""
    square = ops.mean(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(square + 1e-6)
