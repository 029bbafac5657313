"""Answers that no client can use."""

import asyncio
import contextlib
import types
from typing import Any

import numpy as np
import pytest

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.errors import HTTP_STATUS, RequestError
from bert_tf.serving.server.inference import Inference


class Signature:
    """Answers each number with its reciprocal."""

    method = "predict"

    def check(self, inputs):
        return len(inputs["x"])

    def answer(self, inputs):
        with np.errstate(divide="ignore"):
            return {"y": np.float32(1) / inputs["x"], "text": np.array([b"nan"] * 9)}


@pytest.fixture
def inference():
    model = types.SimpleNamespace(signatures={"ask": Signature()})

    @contextlib.contextmanager
    def using(name, number):
        yield types.SimpleNamespace(number=1), model

    models: Any = types.SimpleNamespace(using=using)
    limits: Any = types.SimpleNamespace(max_batch_size=8)
    batcher = Batcher(8, timeout_seconds=0.0, max_queued=9, num_threads=1)
    return Inference(models, batcher, limits, monitoring=None)  # type: ignore[arg-type]


def test_a_request_without_a_finite_answer_is_refused_alone(inference):
    async def ask(*numbers):
        def read(signature):
            return {"x": np.array(numbers, np.float32)}

        return await inference.answer("m", None, "predict", "ask", read)

    async def all_of_them():
        asked = ask(1.0, 2.0), ask(0.0, 1.0), ask(4.0)
        return await asyncio.gather(*asked, return_exceptions=True)

    first, refused, third = asyncio.run(all_of_them())
    assert first[1]["y"].tolist() == [1.0, 0.5] and third[1]["y"].tolist() == [0.25]
    assert isinstance(refused, RequestError)
    assert (refused.code, HTTP_STATUS[refused.code]) == ("INTERNAL", 500)
    assert "output 'y' has NaN or infinity" in refused.message
