"""An LSTM in NumPy, written for the tests from Hochreiter and Schmidhuber 1997.

With the forget gate of Gers et al. 2000; the gates are concatenated as in Keras: input,
forget, cell, output.
"""

import numpy as np


def lstm(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Maps float (length, features) to (length, units), step by step."""
    units = weights["recurrent_kernel"].shape[0]
    state = memory = np.zeros(units)
    found = []
    for row in x:
        gates = row @ weights["kernel"] + state @ weights["recurrent_kernel"]
        into, forget, new, out = np.split(gates + weights["bias"], 4)
        memory = _sigmoid(forget) * memory + _sigmoid(into) * np.tanh(new)
        state = _sigmoid(out) * np.tanh(memory)
        found.append(state)
    return np.array(found)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
