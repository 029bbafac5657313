"""TF Serving's PredictionService and ModelService over gRPC."""

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from bert_tf.serving.server.errors import RequestError, invalid
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.saved_model import Arrays, text_array


def grpc_server(inference: Inference, address: str) -> tuple[grpc.aio.Server, int]:
    """A server that listens, not yet started, and its port.

    Args:
        inference: answers.
        address: HOST:PORT; the port 0 is any that is free.

    Raises:
        OSError: the address is taken.
    """
    limits = inference.limits
    server = grpc.aio.server(
        # More are refused with RESOURCE_EXHAUSTED.
        maximum_concurrent_rpcs=limits.max_queued_requests + limits.max_batch_size,
        options=[
            ("grpc.max_receive_message_length", limits.max_request_bytes),
            ("grpc.so_reuseport", 0),
        ],
    )
    services = Services(inference)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        services, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"Cannot listen on {address} ({error}). Expected a free port: choose "
            "another by --port."
        ) from None


def _handler(method: str, response_class: Any) -> Callable:
    """Makes a handler of gRPC of a method that fills a response or raises an error."""

    def handler_of(fill: Callable[[Any, Any, Any], Awaitable[None]]) -> Callable:
        @functools.wraps(fill)
        async def handle(self: "Services", request: Any, context: Any) -> Any:
            begin, status = time.monotonic(), "INTERNAL"
            response = response_class()
            try:
                async with self.inference.timeout():
                    await fill(self, request, response)
                status = "OK"
            except RequestError as error:
                status = error.code
                await context.abort(getattr(grpc.StatusCode, status), error.message)
            finally:
                seconds = time.monotonic() - begin
                self.inference.monitoring.request("grpc", method, status, seconds)
            return response

        return handle

    return handler_of


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """PredictionService without MultiInference, and ModelService without reloading."""

    def __init__(self, inference: Inference) -> None:
        self.inference = inference

    @_handler("predict", predict_pb2.PredictResponse)
    async def Predict(self, request: Any, response: Any) -> None:
        """Tensors in, tensors out."""
        found = await self._answer("predict", request, response, _tensors)
        unknown = sorted(set(request.output_filter) - set(found))
        if unknown:
            raise invalid(
                f"Received the outputs {unknown}. Expected some of {sorted(found)}."
            )
        for name in request.output_filter or found:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(found[name]))

    @_handler("classify", classification_pb2.ClassificationResponse)
    async def Classify(self, request: Any, response: Any) -> None:
        """Examples in, classes with scores out."""
        found = await self._answer("classify", request, response, _examples)
        for labels, scores in zip(found["classes"], found["scores"], strict=True):
            classes = response.result.classifications.add().classes
            for label, score in zip(labels, scores, strict=True):
                classes.add(label=label.decode("utf-8", "replace"), score=score)

    @_handler("regress", regression_pb2.RegressionResponse)
    async def Regress(self, request: Any, response: Any) -> None:
        """Examples in, values out."""
        found = await self._answer("regress", request, response, _examples)
        for value in found["outputs"]:
            response.result.regressions.add(value=value)

    @_handler("metadata", get_model_metadata_pb2.GetModelMetadataResponse)
    async def GetModelMetadata(self, request: Any, response: Any) -> None:
        """The signatures of a model."""
        if set(request.metadata_field) != {"signature_def"}:
            raise invalid(
                f"Received the metadata_field {sorted(request.metadata_field)}. "
                "Expected signature_def."
            )
        name, number = request.model_spec.name, _number(request.model_spec)
        response.CopyFrom(metadata_proto(self.inference.models, name, number))

    @_handler("status", get_model_status_pb2.GetModelStatusResponse)
    async def GetModelStatus(self, request: Any, response: Any) -> None:
        """The states of the versions."""
        name, number = request.model_spec.name, _number(request.model_spec)
        response.CopyFrom(status_proto(self.inference.models, name, number))

    async def _answer(
        self, method: str, request: Any, response: Any, read: Callable[[Any], Arrays]
    ) -> Arrays:
        """Answers what `read` finds in the request; the response names the model."""
        spec, into = request.model_spec, response.model_spec
        name = spec.signature_name or "serving_default"
        version, found = await self.inference.answer(
            spec.name, _number(spec), method, name, lambda signature: read(request)
        )
        into.name, into.signature_name, into.version.value = spec.name, name, version
        return found


def _number(spec: model_pb2.ModelSpec) -> int | None:
    if spec.HasField("version_label"):
        raise invalid("Received a version_label. Expected none: TF Serving has them.")
    if not spec.HasField("version"):
        return None
    if spec.version.value < 0:
        raise invalid(f"Received the version {spec.version.value}. Expected 0 or more.")
    return spec.version.value


def _tensors(request: predict_pb2.PredictRequest) -> Arrays:
    arrays = {}
    for name, proto in request.inputs.items():
        sizes = [dim.size for dim in proto.tensor_shape.dim]
        count = int(np.prod([float(size) for size in sizes], initial=1.0))
        # A single value may stand for any number: what is not sent is not made.
        if any(size < 0 for size in sizes) or count > _sent(proto):
            raise invalid(
                f"Received {name} of shape {sizes} with fewer values. Expected as many "
                "as the shape says."
            )
        try:
            array = tf.make_ndarray(proto)
        except (TypeError, ValueError) as error:
            raise invalid(f"Received {name} that is no tensor: {error}.") from None
        if array.dtype.kind == "S":
            array = array.astype(object)
        arrays[name] = array
    return arrays


def _sent(proto: tensor_pb2.TensorProto) -> int:
    """The number of values, or of the bytes that hold them."""
    counts = [
        len(values)
        for field, values in proto.ListFields()
        if field.name.endswith("_val")
    ]
    return max([len(proto.tensor_content), *counts])


def _examples(request: Any) -> Arrays:
    kind = request.input.WhichOneof("kind")
    if kind is None:
        raise invalid("Received no examples. Expected an example_list.")
    examples = getattr(request.input, kind).examples
    context = request.input.example_list_with_context.context
    serialized = []
    for example in examples:
        merged = tf.train.Example()
        merged.CopyFrom(context)
        merged.MergeFrom(example)
        serialized.append(merged.SerializeToString())
    return {"inputs": text_array(serialized)}
