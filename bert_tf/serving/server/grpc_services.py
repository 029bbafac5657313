"""TF Serving's PredictionService and ModelService over gRPC."""

import asyncio
import functools
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from bert_tf.serving.server.errors import INTERNAL, RequestError, invalid
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.saved_model import Arrays, text_array

_SERVICES = {
    "tensorflow.serving.PredictionService": (
        "Predict",
        "Classify",
        "Regress",
        "GetModelMetadata",
    ),
    "tensorflow.serving.ModelService": ("GetModelStatus",),
}
_LOGGER = logging.getLogger(__name__)
# The field of a TensorProto that has the values of each type, unless they are bytes.
_VALUES = {
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
}
_MOST_DIMENSIONS = 8
# The maximum size of a protobuf message, less a margin for everything but the values.
_MOST_BYTES = 2**31 - 2**20


def grpc_server(inference: Inference, address: str) -> grpc.aio.Server:
    """Makes a server that is bound to an address but not started.

    Args:
        inference: answers the requests.
        address: HOST:PORT.

    Raises:
        OSError: the address is taken.
    """
    limits = inference.limits
    milliseconds = int(limits.request_timeout_seconds * 1000)
    server = grpc.aio.server(
        # Further requests are refused with RESOURCE_EXHAUSTED.
        maximum_concurrent_rpcs=limits.max_queued_requests + limits.max_batch_size,
        options=[
            ("grpc.max_receive_message_length", limits.max_request_bytes),
            # Responses of any size are sent: clients limit what they accept.
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.max_allowed_incoming_connections", limits.max_connections),
            # A connection that sends nothing, or half a request, is closed. Clients
            # reconnect by themselves without losing requests.
            ("grpc.server_handshake_timeout_ms", milliseconds),
            ("grpc.max_connection_age_ms", milliseconds),
            # Requests in flight end before this by their own timeout.
            ("grpc.max_connection_age_grace_ms", 2 * milliseconds),
        ],
    )
    services = Services(inference)
    for service, methods in _SERVICES.items():
        # gRPC's own deserializers would report a malformed message as an internal error
        # with a traceback.
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(getattr(services, name))
            for name in methods
        }
        generic = grpc.method_handlers_generic_handler(service, handlers)
        server.add_generic_rpc_handlers((generic,))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"Cannot listen on {address} ({error}). Expected a free port: choose "
            "another with --port."
        ) from None
    return server


def _handler(method: str, request_class: Any, response_class: Any) -> Callable:
    """Makes a gRPC handler from a method that fills a response or raises an error."""

    def handler_of(fill: Callable[[Any, Any, Any], Awaitable[None]]) -> Callable:
        @functools.wraps(fill)
        async def handle(self: "Services", received: bytes, context: Any) -> bytes:
            begin, status, message = time.monotonic(), "INTERNAL", INTERNAL
            sent = b""
            try:
                async with self.inference.timeout():
                    response = response_class()
                    await fill(self, _parsed(received, request_class), response)
                    sent = response.SerializeToString()
                status = "OK"
            except asyncio.CancelledError:
                # The client has disconnected, or its own deadline has passed.
                status = "CANCELLED"
                raise
            except RequestError as error:
                status, message = error.code, error.message
            except Exception:  # any other error is the server's
                _LOGGER.exception("%s failed.", method)
            finally:
                seconds = time.monotonic() - begin
                self.inference.monitoring.request("grpc", method, status, seconds)
            if status != "OK":
                await context.abort(getattr(grpc.StatusCode, status), message)
            return sent

        return handle

    return handler_of


def _parsed(received: bytes, request_class: Any) -> Any:
    try:
        return request_class.FromString(received)
    except DecodeError as error:
        raise invalid(
            f"The request is not a valid {request_class.DESCRIPTOR.name}: {error}."
        ) from None


class Services:
    """PredictionService without MultiInference, and ModelService without reloading."""

    def __init__(self, inference: Inference) -> None:
        self.inference = inference

    @_handler("predict", predict_pb2.PredictRequest, predict_pb2.PredictResponse)
    async def Predict(self, request: Any, response: Any) -> None:
        """Answers tensors with tensors."""
        found = await self._answer("predict", request, response, _tensors)
        unknown = sorted(set(request.output_filter) - set(found))
        if unknown:
            raise invalid(
                f"Received the outputs {unknown} in output_filter. Expected a subset "
                f"of {sorted(found)}."
            )
        size = sum(values.nbytes for values in found.values())
        if size > _MOST_BYTES:
            raise RequestError(
                "RESOURCE_EXHAUSTED",
                f"The response has {size:,} bytes. Expected at most {_MOST_BYTES:,}: "
                "send fewer texts at once.",
            )
        for name in request.output_filter or found:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(found[name]))

    @_handler(
        "classify",
        classification_pb2.ClassificationRequest,
        classification_pb2.ClassificationResponse,
    )
    async def Classify(self, request: Any, response: Any) -> None:
        """Answers examples with classes and their scores."""
        found = await self._answer("classify", request, response, _examples)
        for labels, scores in zip(found["classes"], found["scores"], strict=True):
            classes = response.result.classifications.add().classes
            for label, score in zip(labels, scores, strict=True):
                classes.add(label=label.decode("utf-8", "replace"), score=score)

    @_handler(
        "regress", regression_pb2.RegressionRequest, regression_pb2.RegressionResponse
    )
    async def Regress(self, request: Any, response: Any) -> None:
        """Answers examples with values."""
        found = await self._answer("regress", request, response, _examples)
        for value in found["outputs"]:
            response.result.regressions.add(value=value)

    @_handler(
        "metadata",
        get_model_metadata_pb2.GetModelMetadataRequest,
        get_model_metadata_pb2.GetModelMetadataResponse,
    )
    async def GetModelMetadata(self, request: Any, response: Any) -> None:
        """Answers with the signatures of a model."""
        if set(request.metadata_field) != {"signature_def"}:
            raise invalid(
                f"Received the metadata_field {sorted(request.metadata_field)}. "
                "Expected signature_def."
            )
        name, number = request.model_spec.name, _number(request.model_spec)
        response.CopyFrom(metadata_proto(self.inference.models, name, number))

    @_handler(
        "status",
        get_model_status_pb2.GetModelStatusRequest,
        get_model_status_pb2.GetModelStatusResponse,
    )
    async def GetModelStatus(self, request: Any, response: Any) -> None:
        """Answers with the states of the versions."""
        name, number = request.model_spec.name, _number(request.model_spec)
        response.CopyFrom(status_proto(self.inference.models, name, number))

    async def _answer(
        self, method: str, request: Any, response: Any, read: Callable[[Any], Arrays]
    ) -> Arrays:
        """Answers the inputs that `read` finds, and sets the model in the response."""
        spec, into = request.model_spec, response.model_spec
        name = spec.signature_name or "serving_default"
        version, found = await self.inference.answer(
            spec.name, _number(spec), method, name, lambda signature: read(request)
        )
        into.name, into.signature_name, into.version.value = spec.name, name, version
        return found


def _number(spec: model_pb2.ModelSpec) -> int | None:
    if spec.HasField("version_label"):
        raise invalid(
            "Received a version_label. Expected a version number: only TF Serving "
            "supports labels."
        )
    if not spec.HasField("version"):
        return None
    if spec.version.value < 0:
        raise invalid(f"Received the version {spec.version.value}. Expected 0 or more.")
    return spec.version.value


def _tensors(request: predict_pb2.PredictRequest) -> Arrays:
    return {name: _array(name, proto) for name, proto in request.inputs.items()}


def _array(name: str, proto: tensor_pb2.TensorProto) -> np.ndarray:
    name = name[:100]
    if proto.dtype not in _VALUES:
        known = ", ".join(types_pb2.DataType.Name(number) for number in _VALUES)
        raise invalid(
            f"Received {name} of type {_type_name(proto.dtype)}. Expected one of "
            f"{known}."
        )
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if len(sizes) > _MOST_DIMENSIONS or proto.tensor_shape.unknown_rank:
        raise invalid(
            f"Received {name} with {len(sizes)} dimensions or an unknown number. "
            f"Expected at most {_MOST_DIMENSIONS}."
        )
    num_sent = max(len(proto.tensor_content), len(getattr(proto, _VALUES[proto.dtype])))
    # In a TensorProto one value may stand for any number of them; such tensors are
    # refused, since they could be huge.
    if min(sizes, default=0) < 0 or math.prod(sizes) > num_sent:
        raise invalid(
            f"Received {name} of shape {sizes} with fewer values. Expected as many "
            "values as the shape requires."
        )
    try:
        array = tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        raise invalid(
            f"Received {name} of shape {sizes} with invalid values: {error}. Expected "
            "as many values as the shape requires."
        ) from None
    return array.astype(object) if array.dtype.kind == "S" else array


def _type_name(number: int) -> str:
    try:
        return types_pb2.DataType.Name(number)
    except ValueError:
        return str(number)


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
