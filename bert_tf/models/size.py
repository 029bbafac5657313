"""Parameters and floating-point operations of a model, by closed formula."""

from bert_tf.models.config import BertConfig

# Parameters of ELMo's character embeddings that do not depend on the model: the table
# of characters, 512 filters of five widths, and the highway layer over them.
_CHARACTER_WEIGHTS = 258 * 16 + 33_792 + 2 * (512**2 + 512)


def parameter_formulas(config: BertConfig) -> dict[str, tuple[str, int]]:
    """Returns the formula and its value for each part of the encoder.

    V pieces, P positions, T segments, E width of the embeddings, H hidden, L
    layers, I intermediate.
    """
    hidden, width = config.hidden_size, config.embedding_size or config.hidden_size
    layers = config.num_hidden_layers
    pooler = {"pooler": ("H^2 + H", hidden**2 + hidden)} if config.pooler else {}
    if config.architecture == "elmo":
        return {
            "characters": (
                f"{_CHARACTER_WEIGHTS:,} + 513 H/2",
                _CHARACTER_WEIGHTS + 513 * hidden // 2,
            ),
            "LSTMs": ("L (4 H^2 + 4 H)", layers * 4 * (hidden**2 + hidden)),
            **pooler,
        }
    if config.share_layers:
        layers = min(layers, 1)
    is_learned = config.position_embeddings == "learned"
    positions = config.max_position_embeddings if is_learned else 0
    parts = {
        "token embeddings": ("V E", config.vocab_size * width),
        "position embeddings": ("P E", positions * width),
        "segment embeddings": ("T E", config.type_vocab_size * width),
    }
    # The number of vectors of a normalization.
    vectors = 2 if config.biases else 1
    if config.embedding_norm:
        parts["embedding norm"] = (_times(vectors, "E"), vectors * width)
    if width != hidden:
        parts["projection"] = ("E H + H", width * hidden + hidden)
    parts |= _blocks(config, layers, vectors)
    if config.norm_position == "pre":
        parts["final norm"] = (_times(vectors, "H"), vectors * hidden)
    if config.position_embeddings == "relative":
        buckets = config.relative_buckets or config.max_relative_distance
        parts["relative positions"] = (
            f"{2 * buckets} H + 2 H",
            2 * (buckets + 1) * hidden,
        )
    if config.bias_buckets:
        heads = config.num_attention_heads
        parts["relative bias"] = (
            f"{config.bias_buckets} heads",
            config.bias_buckets * heads,
        )
    if config.convolution_width:
        taps = config.convolution_width
        parts["convolution"] = (f"{taps} H^2 + 3 H", taps * hidden**2 + 3 * hidden)
    return {**parts, **pooler}


def _blocks(
    config: BertConfig, layers: int, vectors: int
) -> dict[str, tuple[str, int]]:
    hidden, inner, gates = config.hidden_size, config.intermediate_size, _gates(config)
    attention, added = "4 H^2", 4 * hidden
    feed_forward = f"{1 + gates} H I"
    inner_bias = gates * inner + hidden
    if config.biases:
        attention += " + 4 H"
        feed_forward += f" + {_times(gates, 'I')} + H"
    else:
        added = inner_bias = 0
    # The first block may lack one of its normalizations.
    norms = 2 * layers - (not config.first_norm)
    return {
        "attention": (f"L ({attention})", layers * (4 * hidden**2 + added)),
        "feed-forward": (
            f"L ({feed_forward})",
            layers * ((1 + gates) * hidden * inner + inner_bias),
        ),
        "block norms": (
            f"L {_times(2 * vectors, 'H')}"
            + ("" if config.first_norm else f" - {_times(vectors, 'H')}"),
            norms * vectors * hidden,
        ),
    }


def _times(factor: int, symbol: str) -> str:
    return symbol if factor == 1 else f"{factor} {symbol}"


def pretraining_step_flops(
    config: BertConfig, batch_size: int, sequence_length: int, max_predictions: int
) -> float:
    """Counts operations of the products in a training step, forward and backward.

    All tokens are counted in all blocks, as the original computes them. The last block
    of `BertPretrainer` leaves out those that nothing reads, so that its MFU is up to an
    eighth higher than the share of the rate that is really used.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    layers, per_row = config.num_hidden_layers, 0
    if config.architecture == "elmo":
        # Two LSTMs of four gates each, and two softmaxes, without the characters.
        half = hidden // 2
        per_token = layers * 2 * 8 * half**2
        per_prediction = 2 * half * config.vocab_size
    else:
        width = config.embedding_size or hidden
        per_token = layers * (
            4 * hidden**2
            + (1 + _gates(config)) * hidden * inner
            + 2 * sequence_length * hidden
        )
        if width != hidden:
            per_token += width * hidden
        per_prediction = hidden * width + width * config.vocab_size
        per_row = hidden**2
    products = batch_size * (
        sequence_length * per_token + max_predictions * per_prediction + per_row
    )
    return 2.0 * 3 * products


def _gates(config: BertConfig) -> int:
    """Returns the number of products in the first layer of a feed-forward part."""
    return 2 if config.hidden_act == "geglu" else 1
