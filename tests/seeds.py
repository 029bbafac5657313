"""The seed of what a test draws."""

import random

import numpy as np


def set_seed(seed: int) -> None:
    """Seeds Python, from which Keras draws the seeds of weights, and NumPy.

    Not `keras.utils.set_random_seed`: it seeds TensorFlow's stateful random ops, too,
    which nothing here uses, and so makes it forget the kernels of all ops and the
    optimized graphs of all functions.
    """
    random.seed(seed)
    np.random.seed(seed)
