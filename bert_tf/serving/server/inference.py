"""Answers to requests of both APIs, once these are in arrays."""

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable

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

    def start(
        self,
        model_name: str,
        number: int | None,
        method: str,
        signature_name: str,
        read: Callable[[Signature], Arrays],
    ) -> tuple[int, concurrent.futures.Future]:
        """Queues a request.

        Args:
            model_name: of the model.
            number: of the version; None: the newest.
            method: the API: "predict", "classify", "regress".
            signature_name: "serving_default" is, of the other two APIs, the signature
                that is for them.
            read: makes the inputs for a signature.

        Returns:
            The version, and the answers as a future of `Arrays`.

        Raises:
            RequestError: the request cannot be answered.
        """
        deadline = time.monotonic() + self.limits.request_timeout_seconds
        version, model = self.models.acquire(model_name, number)
        try:
            signature = _signature(model, method, signature_name)
            inputs = read(signature)
            rows = signature.check(inputs)
            if not 1 <= rows <= self.limits.max_batch_size:
                raise invalid(
                    f"Received {rows} rows. Expected 1 to "
                    f"{self.limits.max_batch_size}: send several requests."
                )
            future = self.batcher.submit(signature, inputs, rows, deadline)
        except BaseException:
            self.models.release(version)
            raise
        # Held until there is an answer, whether or not it is waited for.
        future.add_done_callback(lambda _: self.models.release(version))
        return version.number, future

    def wait(self, future: concurrent.futures.Future) -> Arrays:
        """The answers, when they are there.

        Raises:
            RequestError: it takes too long, or the model refuses.
        """
        try:
            return future.result(self.limits.request_timeout_seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise too_late(self.limits) from None


def too_late(limits: Limits) -> RequestError:
    """The refusal of a request that takes too long."""
    return RequestError(
        "DEADLINE_EXCEEDED",
        f"The request was not received and answered within "
        f"{limits.request_timeout_seconds:g} s. Expected smaller or fewer requests.",
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
