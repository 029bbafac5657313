"""What the tests of several parts share."""

import pytest

from tests.bert_tf.eager import run_eagerly


@pytest.fixture
def eager():
    """One test in graph is enough where several look at the same computation."""
    with run_eagerly():
        yield
