"""Perplexity by its definition."""

import numpy as np


def perplexity_of(model, texts):
    """exp of the mean negative logarithm, of all pieces of some texts."""
    found = np.concatenate([model.log_probabilities(text) for text in texts])
    return np.exp(-found.mean())
