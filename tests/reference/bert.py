"""BERT in NumPy and float64, written from the papers for the tests.

Devlin et al. 2018 (section 3 and appendix A) for the model, Vaswani et al. 2017
(section 3) for attention, and for the variants: Xiong et al. 2020 (pre-LN), Su et al.
2021 (rotary positions), Lan et al. 2019 (factorised embeddings), Shazeer 2020 (GEGLU),
Radford et al. 2018 (causal attention), Warner et al. 2024 (local attention).

`weights` maps the names that a model folder gives to its weights onto arrays.
"""

import math

import numpy as np

Weights = dict[str, np.ndarray]


def encode(
    weights: Weights,
    config: dict,
    token_ids: np.ndarray,
    segment_ids: np.ndarray,
    padding_mask: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns token vectors (batch, sequence, hidden) and pooled (batch, hidden)."""
    weights = {name: w.astype(np.float64) for name, w in weights.items()}
    x = _embeddings(weights, config, token_ids, segment_ids)
    pre = config["norm_position"] == "pre"
    for layer in range(config["num_hidden_layers"]):
        may_look = _may_look(config, layer, padding_mask)
        block = "block_0" if config["share_layers"] else f"block_{layer}"
        for part in (_attention, _feed_forward):
            name = part.__name__[1:]
            norm = f"{block}/{name}_norm"
            if pre:
                normed = _norm(weights, norm, x, config)
                x = x + part(weights, f"{block}/{name}", normed, may_look, config)
            else:
                added = part(weights, f"{block}/{name}", x, may_look, config)
                x = _norm(weights, norm, x + added, config)
    if pre:
        x = _norm(weights, "final_norm", x, config)
    row = np.arange(len(x))
    place = padding_mask.sum(1) - 1 if config["causal"] else 0 * row
    return x, np.tanh(_dense(weights, "pooler", x[row, place]))


def pretraining_logits(
    weights: Weights,
    config: dict,
    sequence_output: np.ndarray,
    pooled_output: np.ndarray,
    positions: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits of both heads: (batch, predictions, vocabulary), (batch, 2)."""
    encoder = {n.removeprefix("encoder/"): w for n, w in weights.items()}
    rows = np.stack([x[p] for x, p in zip(sequence_output, positions, strict=True)])
    x = _dense(encoder, "mlm_head/transform", rows)
    x = _ACTIVATIONS[config["hidden_act"]](x)
    x = _norm(encoder, "mlm_head/norm", x, config)
    mlm = x @ encoder["embeddings/token_table"].T + encoder["mlm_head/output_bias"]
    return mlm, _dense(encoder, "sentence_head", pooled_output)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the negative log-likelihood of each label."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(-1))
    return log_sums - np.take_along_axis(shifted, labels[..., None], -1)[..., 0]


def _embeddings(weights, config, token_ids, segment_ids):
    x = weights["embeddings/token_table"][token_ids]
    if config["type_vocab_size"]:
        x = x + weights["embeddings/segment_table"][segment_ids]
    places = np.arange(token_ids.shape[1]) + config["position_offset"]
    if config["position_embeddings"] == "learned":
        x = x + weights["embeddings/position_table"][places]
    if config["position_embeddings"] == "sinusoidal":
        half = x.shape[-1] // 2
        table = np.zeros((len(places), 2 * half))
        for place in range(len(places)):
            for i in range(half):
                angle = places[place] / 10000 ** (i / max(half - 1, 1))
                table[place, i] = math.sin(angle)
                table[place, half + i] = math.cos(angle)
        x = x + table
    x = _norm(weights, "embeddings/norm", x, config)
    if config["embedding_size"] not in (None, config["hidden_size"]):
        x = _dense(weights, "embeddings/projection", x)
    return x


def _may_look(config, layer, padding_mask):
    """Returns which tokens (first) of each row attend to which tokens (second)."""
    length = padding_mask.shape[1]
    allowed = np.zeros([len(padding_mask), length, length], bool)
    is_global = layer % config["global_attention_every"] == 0
    for row, real in enumerate(padding_mask):
        for query in range(length):
            for key in range(length):
                if config["causal"] and key > query:
                    continue
                far = config["local_attention"] or length
                if not is_global and abs(query - key) > far:
                    continue
                allowed[row, query, key] = real[key]
    return allowed


def _attention(weights, name, x, may_look, config):
    batch, _, hidden = x.shape
    heads = config["num_attention_heads"]
    width = hidden // heads
    query, key, value = np.split(_dense(weights, f"{name}/query_key_value", x), 3, -1)
    out = np.zeros_like(x)
    for row in range(batch):
        for head in range(heads):
            columns = slice(head * width, (head + 1) * width)
            q, k, v = (
                query[row, :, columns],
                key[row, :, columns],
                value[row, :, columns],
            )
            if config["position_embeddings"] == "rotary":
                q, k = _turned(q), _turned(k)
            scores = q @ k.T / math.sqrt(width)
            scores = np.exp(scores - scores.max(-1, keepdims=True)) * may_look[row]
            # Of the padding, some tokens look at nothing.
            total = np.maximum(scores.sum(-1, keepdims=True), 1e-300)
            out[row, :, columns] = scores / total @ v
    return _dense(weights, f"{name}/output", out)


def _turned(x):
    """Rotates features i and i + half, as complex numbers, by e^(i angle)."""
    half = x.shape[1] // 2
    places = np.arange(len(x))[:, None]
    angles = places * 10000.0 ** (-np.arange(half) / half)
    turned = (x[:, :half] + 1j * x[:, half:]) * np.exp(1j * angles)
    return np.concatenate([turned.real, turned.imag], 1)


def _feed_forward(weights, name, x, may_look, config):
    x = _ACTIVATIONS[config["hidden_act"]](_dense(weights, f"{name}/expansion", x))
    return _dense(weights, f"{name}/contraction", x)


def _gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def _gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _geglu(x):
    gate, x = np.split(x, 2, -1)
    return _gelu(gate) * x


_ACTIVATIONS = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "relu": lambda x: np.maximum(x, 0),
    "geglu": _geglu,
}


def _dense(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def _norm(weights, name, x, config):
    mean = x.mean(-1, keepdims=True)
    deviation = np.sqrt(
        ((x - mean) ** 2).mean(-1, keepdims=True) + config["layer_norm_eps"]
    )
    return (x - mean) / deviation * weights[f"{name}/scale"] + weights[f"{name}/offset"]
