"""Without graphs, whose tracing takes most of the time of a small test."""

import contextlib

import pytest
import tensorflow as tf


@contextlib.contextmanager
def run_eagerly():
    """Runs `tf.function`s as they stand."""
    with pytest.MonkeyPatch.context() as patch:
        # Keras, which refuses the maximum of an empty batch only if it runs eagerly.
        patch.setattr(tf, "assert_greater", lambda *_, **__: None)
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
