"""AdamW and LAMB in NumPy and float64, written from the papers for the tests."""

import numpy as np


def adamw(
    variable: np.ndarray,
    gradients: list[np.ndarray],
    learning_rate: float,
    decay: float,
    bias_correction: bool,
    epsilon: float = 1e-6,
) -> np.ndarray:
    """Returns a variable after steps of Loshchilov and Hutter 2017, algorithm 2."""
    first = second = np.zeros_like(variable)
    for step, gradient in enumerate(gradients, 1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        m, v = first, second
        if bias_correction:
            m, v = first / (1 - 0.9**step), second / (1 - 0.999**step)
        update = m / (np.sqrt(v) + epsilon) + decay * variable
        variable = variable - learning_rate * update
    return variable


def lamb(
    variable: np.ndarray,
    gradients: list[np.ndarray],
    learning_rate: float,
    decay: float,
    adapt: bool,
    epsilon: float = 1e-6,
) -> np.ndarray:
    """Returns a variable after steps of You et al. 2019, algorithm 2."""
    first = second = np.zeros_like(variable)
    for step, gradient in enumerate(gradients, 1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        m, v = first / (1 - 0.9**step), second / (1 - 0.999**step)
        update = m / (np.sqrt(v) + epsilon)
        trust = 1.0
        if adapt:
            update = update + decay * variable
            weight_norm, update_norm = np.linalg.norm(variable), np.linalg.norm(update)
            if weight_norm > 0 and update_norm > 0:
                trust = weight_norm / update_norm
        variable = variable - learning_rate * trust * update
    return variable
