"""Answers requests of both APIs once their inputs are arrays."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

import numpy as np

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.errors import RequestError, invalid
from bert_tf.serving.server.limits import Limits
from bert_tf.serving.server.monitoring import Monitoring
from bert_tf.serving.server.saved_model import Arrays, LoadedSavedModel, Signature
from bert_tf.serving.server.served_models import ServedModels


@dataclasses.dataclass(frozen=True)
class Inference:
    """The models, and the threads that run them."""

    models: ServedModels
    batcher: Batcher
    limits: Limits
    monitoring: Monitoring

    async def answer(
        self,
        model_name: str,
        number: int | None,
        method: str,
        signature_name: str,
        read: Callable[[Signature], Arrays],
    ) -> tuple[int, Arrays]:
        """Answers a request.

        Args:
            model_name: the name under which the model is served.
            number: the version; None: the newest.
            method: the API: "predict", "classify", "regress".
            signature_name: the signature; for "classify" and "regress",
                "serving_default" means the signature of that name.
            read: returns the inputs for a signature.

        Returns:
            The number of the version, and its answers.

        Raises:
            RequestError: the request cannot be answered, or an answer is not finite.
        """
        most = self.limits.max_batch_size
        with self.models.using(model_name, number) as (version, model):
            signature = _signature(model, method, signature_name)
            inputs = read(signature)
            rows = signature.check(inputs)
            if not 1 <= rows <= most:
                raise invalid(
                    f"Received {rows} rows. Expected 1 to {most}: use several requests."
                )
            answers = await self.batcher.answer(signature, inputs, rows)
            _check(answers)
            return version.number, answers

    @contextlib.asynccontextmanager
    async def timeout(self) -> AsyncIterator[None]:
        """Raises RequestError if the `with` takes too long."""
        seconds = self.limits.request_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise RequestError(
                "DEADLINE_EXCEEDED",
                f"The request was not received and answered within {seconds:g} s. "
                "Expected smaller or fewer requests.",
            ) from None


def _check(answers: Arrays) -> None:
    """Raises RequestError if numbers are NaN or infinite, which JSON cannot represent.

    TF Serving returns them over gRPC, but no client can use them.
    """
    for name, values in answers.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RequestError(
                "INTERNAL",
                f"The model's output {name!r} has NaN or infinity. Expected finite "
                "numbers: the weights are corrupt, or too large for their precision; "
                "export the model again.",
            )


def _signature(model: LoadedSavedModel, method: str, name: str) -> Signature:
    if name == "serving_default" and method != "predict":
        name = method
    signature = model.signatures.get(name)
    if signature is None or signature.method != method:
        names = [n for n, s in sorted(model.signatures.items()) if s.method == method]
        raise invalid(
            f"Received the signature {name!r} for {method}. Expected one of {names}."
        )
    return signature
