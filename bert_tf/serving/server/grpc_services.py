"""TF Serving's PredictionService and ModelService over gRPC."""

import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    input_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from bert_tf.serving.server.errors import RequestError, invalid
from bert_tf.serving.server.inference import Inference, text_array
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.saved_model import Arrays, Signature

# Handlers wait for the batches: as many as may be on their way.
_NUM_THREADS = 64


def grpc_server(
    inference: Inference, address: str, max_concurrent: int
) -> tuple[grpc.Server, int]:
    """A server that listens, not yet started, and its port.

    Args:
        inference: answers.
        address: HOST:PORT; the port 0 is any that is free.
        max_concurrent: requests beyond are refused with RESOURCE_EXHAUSTED.

    Raises:
        OSError: the address is taken.
    """
    most = inference.limits.max_request_bytes
    server = grpc.server(
        futures.ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="grpc"),
        maximum_concurrent_rpcs=max_concurrent,
        options=[
            ("grpc.max_receive_message_length", most),
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(inference), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelService(inference), server
    )
    try:
        return server, server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"Cannot listen on {address} ({error}). Expected a free port: choose "
            "another by --port."
        ) from None


class _Service:
    def __init__(self, inference: Inference) -> None:
        self.inference = inference

    def _answer(self, method: str, context: Any, answer: Callable[[], Any]) -> Any:
        begin, status = time.monotonic(), "INTERNAL"
        try:
            found = answer()
            status = "OK"
            return found
        except RequestError as error:
            status = error.code
            context.abort(getattr(grpc.StatusCode, error.code), error.message)
        finally:
            seconds = time.monotonic() - begin
            self.inference.monitoring.request("grpc", method, status, seconds)

    def _ask(
        self,
        spec: model_pb2.ModelSpec,
        method: str,
        read: Callable[[Signature], Arrays],
    ) -> tuple[int, Arrays]:
        version, future = self.inference.start(
            spec.name,
            _number(spec),
            method,
            spec.signature_name or "serving_default",
            read,
        )
        return version, self.inference.wait(future)


class PredictionService(
    _Service, prediction_service_pb2_grpc.PredictionServiceServicer
):
    """Predict, Classify, Regress, GetModelMetadata; MultiInference is not there."""

    def Predict(
        self, request: predict_pb2.PredictRequest, context: Any
    ) -> predict_pb2.PredictResponse:
        """Tensors in, tensors out."""

        def answer() -> predict_pb2.PredictResponse:
            spec = request.model_spec
            version, found = self._ask(
                spec, "predict", lambda signature: _arrays(request.inputs)
            )
            unknown = sorted(set(request.output_filter) - set(found))
            if unknown:
                raise invalid(
                    f"Received the outputs {unknown}. Expected some of {sorted(found)}."
                )
            response = predict_pb2.PredictResponse()
            _fill(response.model_spec, spec, version)
            for name in request.output_filter or found:
                response.outputs[name].CopyFrom(tf.make_tensor_proto(found[name]))
            return response

        return self._answer("predict", context, answer)

    def Classify(
        self, request: classification_pb2.ClassificationRequest, context: Any
    ) -> classification_pb2.ClassificationResponse:
        """Examples in, classes with scores out."""

        def answer() -> classification_pb2.ClassificationResponse:
            version, found = self._ask(
                request.model_spec, "classify", lambda _: _examples(request.input)
            )
            response = classification_pb2.ClassificationResponse()
            _fill(response.model_spec, request.model_spec, version)
            for labels, scores in zip(found["classes"], found["scores"], strict=True):
                classes = response.result.classifications.add().classes
                for label, score in zip(labels, scores, strict=True):
                    classes.add(label=label.decode("utf-8", "replace"), score=score)
            return response

        return self._answer("classify", context, answer)

    def Regress(
        self, request: regression_pb2.RegressionRequest, context: Any
    ) -> regression_pb2.RegressionResponse:
        """Examples in, values out."""

        def answer() -> regression_pb2.RegressionResponse:
            version, found = self._ask(
                request.model_spec, "regress", lambda _: _examples(request.input)
            )
            response = regression_pb2.RegressionResponse()
            _fill(response.model_spec, request.model_spec, version)
            for value in found["outputs"]:
                response.result.regressions.add(value=value)
            return response

        return self._answer("regress", context, answer)

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: Any
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a model."""

        def answer() -> get_model_metadata_pb2.GetModelMetadataResponse:
            unknown = sorted(set(request.metadata_field) - {"signature_def"})
            if unknown or not request.metadata_field:
                raise invalid(
                    f"Received the metadata_field {unknown}. Expected signature_def."
                )
            spec = request.model_spec
            return metadata_proto(self.inference.models, spec.name, _number(spec))

        return self._answer("metadata", context, answer)


class ModelService(_Service, model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus; which models there are is told to the server at its start."""

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: Any
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of the versions."""
        spec = request.model_spec
        return self._answer(
            "status",
            context,
            lambda: status_proto(self.inference.models, spec.name, _number(spec)),
        )


def _number(spec: model_pb2.ModelSpec) -> int | None:
    if spec.HasField("version_label"):
        raise invalid("Received a version_label. Expected none: TF Serving has them.")
    if not spec.HasField("version"):
        return None
    if spec.version.value < 0:
        raise invalid(f"Received the version {spec.version.value}. Expected 0 or more.")
    return spec.version.value


def _fill(into: model_pb2.ModelSpec, spec: model_pb2.ModelSpec, version: int) -> None:
    into.name = spec.name
    into.version.value = version
    into.signature_name = spec.signature_name or "serving_default"


def _arrays(inputs: Mapping[str, tensor_pb2.TensorProto]) -> Arrays:
    arrays = {}
    for name, proto in inputs.items():
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
    """How many values there are, or bytes that they are in."""
    counts = [
        len(values)
        for field, values in proto.ListFields()
        if field.name.endswith("_val")
    ]
    return max([len(proto.tensor_content), *counts])


def _examples(message: input_pb2.Input) -> Arrays:
    kind = message.WhichOneof("kind")
    if kind is None:
        raise invalid("Received no examples. Expected an example_list.")
    examples = getattr(message, kind).examples
    context = message.example_list_with_context.context
    serialized = []
    for example in examples:
        merged = tf.train.Example()
        merged.CopyFrom(context)
        merged.MergeFrom(example)
        serialized.append(merged.SerializeToString())
    return {"inputs": text_array(serialized)}
