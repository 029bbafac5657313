"""What the tests of several parts share."""

import functools
from collections.abc import Callable

import pytest

from bert_tf.serving import saved_model
from tests.bert_tf.eager import run_eagerly
from tests.bert_tf.serving.fine_tuned_models import write_model, write_pretrained


@pytest.fixture
def eager():
    """One test in graph is enough where several look at the same computation."""
    with run_eagerly():
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Callable[[str], tuple[str, str]]:
    """Of a kind: the model folder, and `saved/KIND/1` made of it; for reading alone."""

    @functools.cache
    def of(kind: str) -> tuple[str, str]:
        base = tmp_path_factory.mktemp(kind)
        write = write_pretrained if kind == "pretraining" else write_model
        folder = write(base / "model", kind)
        return folder, saved_model.export(
            folder, kind, saved_models_dir=str(base / "saved")
        )

    return of
