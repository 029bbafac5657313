"""BERT in NumPy straight from the variables of google-research/bert, by their names.

Written from the paper and from the meaning of the names; it knows nothing of ours.
"""

import math

import numpy as np


def run(variables, config, token_ids, segment_ids, padding_mask, positions):
    """Returns token vectors, pooled vectors, and the logits of both heads.

    Args:
        variables: arrays by name.
        config: Google's bert_config.json.
        token_ids, segment_ids, padding_mask: int (batch, sequence).
        positions: int (batch, predictions).
    """
    v = {name: np.asarray(value, np.float64) for name, value in variables.items()}
    heads = config["num_attention_heads"]
    batch, length = token_ids.shape

    def norm(name, x):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        normal = (x - mean) / np.sqrt(variance + 1e-12)
        return normal * v[f"{name}/gamma"] + v[f"{name}/beta"]

    def dense(name, x):
        return x @ v[f"{name}/kernel"] + v[f"{name}/bias"]

    def split(x):
        return x.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)

    table = v["bert/embeddings/word_embeddings"]
    x = table[token_ids] + v["bert/embeddings/position_embeddings"][:length]
    x = x + v["bert/embeddings/token_type_embeddings"][segment_ids]
    x = norm("bert/embeddings/LayerNorm", x)
    for layer in range(config["num_hidden_layers"]):
        name = f"bert/encoder/layer_{layer}"
        query, key, value = (
            split(dense(f"{name}/attention/self/{part}", x))
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(query.shape[-1])
        scores = scores - 10000.0 * (1 - padding_mask[:, None, None, :])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        context = (weights @ value).transpose(0, 2, 1, 3).reshape(batch, length, -1)
        context = dense(f"{name}/attention/output/dense", context)
        x = norm(f"{name}/attention/output/LayerNorm", x + context)
        inner = _gelu(dense(f"{name}/intermediate/dense", x))
        x = norm(f"{name}/output/LayerNorm", x + dense(f"{name}/output/dense", inner))
    pooled = np.tanh(dense("bert/pooler/dense", x[:, 0]))
    masked = np.take_along_axis(x, positions[:, :, None], axis=1)
    transformed = _gelu(dense("cls/predictions/transform/dense", masked))
    transformed = norm("cls/predictions/transform/LayerNorm", transformed)
    mlm = transformed @ table.T + v["cls/predictions/output_bias"]
    sentence = pooled @ v["cls/seq_relationship/output_weights"].T
    return x, pooled, mlm, sentence + v["cls/seq_relationship/output_bias"]


def _gelu(x):
    return x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
