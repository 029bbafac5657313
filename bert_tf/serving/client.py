"""Clients of TF Serving, and of `bert_tf.serve`, which speaks as it does.

from bert_tf.serving.client import RestClient
RestClient("http://127.0.0.1:8501", "demo").predict(texts=["The [MASK] sat."])
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


class RestClient:
    """Asks a model over HTTP; needs `requests` alone.

    Args:
        url: of the server, such as "http://127.0.0.1:8501".
        model: its name.
        version: a number; None: the newest.
        timeout_seconds: for an answer.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        import requests

        self._session = requests.Session()
        self._base = f"{url.rstrip('/')}/v1/models/{model}"
        self._version = "" if version is None else f"/versions/{version}"
        self._timeout = timeout_seconds

    def predict(self, signature: str = "serving_default", **inputs: Any) -> Any:
        """The outputs of a signature, as nested lists by their names.

        Args:
            signature: of the model.
            inputs: nested lists by the names of its inputs.

        Raises:
            RuntimeError: the server refuses; its words.
        """
        return self._post("predict", {"signature_name": signature, "inputs": inputs})[
            "outputs"
        ]

    def classify(self, *examples: Mapping[str, Any]) -> list[list[tuple[str, float]]]:
        """Labels with their probabilities of each example.

        Args:
            examples: features by name, such as `{"text": "A gem."}`.
        """
        found = self._post("classify", {"examples": list(examples)})["result"]
        return [[(label, score) for label, score in row] for row in found]

    def status(self) -> dict[int, str]:
        """The state of each version."""
        found = self._get("")["model_version_status"]
        return {int(version["version"]): version["state"] for version in found}

    def metadata(self) -> dict[str, Any]:
        """Names, types and shapes of the inputs and outputs of each signature."""
        return self._get(f"{self._version}/metadata")["metadata"]["signature_def"][
            "signature_def"
        ]

    def _post(self, method: str, content: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self._base}{self._version}:{method}"
        return _content(self._session.post(url, json=content, timeout=self._timeout))

    def _get(self, path: str) -> dict[str, Any]:
        return _content(self._session.get(self._base + path, timeout=self._timeout))


def _content(response: Any) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        content = {"error": response.text[:500]}
    if response.status_code != 200:
        raise RuntimeError(f"{response.status_code}: {content.get('error', content)}")
    return content


class GrpcClient:
    """Asks a model over gRPC; needs `tensorflow-serving-api`.

    Args:
        address: of the server, such as "127.0.0.1:8500".
        model: its name.
        version: a number; None: the newest.
        timeout_seconds: for an answer.
    """

    def __init__(
        self,
        address: str,
        model: str,
        version: int | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        import grpc
        from tensorflow_serving.apis import (
            model_service_pb2_grpc,
            prediction_service_pb2_grpc,
        )

        channel = grpc.insecure_channel(address)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)
        self._model, self._version = model, version
        self._timeout = timeout_seconds

    def predict(
        self, signature: str = "serving_default", **inputs: Any
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature, as arrays by their names; texts are bytes.

        Args:
            signature: of the model.
            inputs: arrays or nested lists by the names of its inputs.

        Raises:
            grpc.RpcError: the server refuses; `details()` are its words.
        """
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._name(request.model_spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._stub.Predict(request, self._timeout)
        return {name: tf.make_ndarray(v) for name, v in response.outputs.items()}

    def classify(self, *examples: Mapping[str, str]) -> list[list[tuple[str, float]]]:
        """Labels with their probabilities of each example.

        Args:
            examples: texts by the name of the feature, such as `{"text": "A gem."}`.

        Raises:
            grpc.RpcError: as `predict`.
        """
        from tensorflow_serving.apis import classification_pb2

        request = classification_pb2.ClassificationRequest()
        self._name(request.model_spec)
        for values in examples:
            example = request.input.example_list.examples.add()
            for name, text in values.items():
                feature = example.features.feature[name]
                feature.bytes_list.value.append(text.encode())
        response = self._stub.Classify(request, self._timeout)
        return [
            [(found.label, found.score) for found in row.classes]
            for row in response.result.classifications
        ]

    def status(self) -> dict[int, str]:
        """The state of each version.

        Raises:
            grpc.RpcError: as `predict`.
        """
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model
        response = self._models.GetModelStatus(request, self._timeout)
        names = get_model_status_pb2.ModelVersionStatus.State
        return {v.version: names.Name(v.state) for v in response.model_version_status}

    def _name(self, spec: Any) -> None:
        spec.name = self._model
        if self._version is not None:
            spec.version.value = self._version
