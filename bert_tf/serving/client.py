"""Clients of TF Serving and of `bert_tf.serve`, which has the same APIs.

from bert_tf.serving.client import RestClient
RestClient("http://127.0.0.1:8501", "demo").predict(texts=["The [MASK] sat."])
"""

import dataclasses
import urllib.parse
from collections.abc import Mapping
from typing import Any

import numpy as np


@dataclasses.dataclass
class _Client:
    """A model on a server.

    Args:
        address: for REST as in "http://127.0.0.1:8501", for gRPC "127.0.0.1:8500".
        model: the name of the model.
        version: the number of the version; None: the newest.
        timeout_seconds: the maximum time to wait for a response.
    """

    address: str
    model: str
    version: int | None = None
    timeout_seconds: float = 30.0


@dataclasses.dataclass
class RestClient(_Client):
    """Queries a model over HTTP; needs `requests`.

    Its methods raise RuntimeError, with the server's message, if a request is refused.
    """

    def __post_init__(self) -> None:
        import requests

        self._session = requests.Session()
        self._version = "" if self.version is None else f"/versions/{self.version}"

    def predict(self, signature: str = "serving_default", **inputs: Any) -> Any:
        """Outputs of a signature for its inputs, both nested lists, by name."""
        content = {"signature_name": signature, "inputs": inputs}
        return self._ask("POST", f"{self._version}:predict", content)["outputs"]

    def classify(self, *examples: Mapping[str, Any]) -> list[list[tuple[str, float]]]:
        """Labels with probabilities for examples such as `{"text": "A gem."}`."""
        content = {"examples": list(examples)}
        found = self._ask("POST", f"{self._version}:classify", content)["result"]
        return [[(label, score) for label, score in row] for row in found]

    def status(self) -> dict[int, str]:
        """The state of each version."""
        found = self._ask("GET", "")["model_version_status"]
        return {int(version["version"]): version["state"] for version in found}

    def metadata(self) -> dict[str, Any]:
        """Names, types and shapes of the inputs and outputs of each signature."""
        found = self._ask("GET", f"{self._version}/metadata")["metadata"]
        return found["signature_def"]["signature_def"]

    def _ask(self, verb: str, path: str, content: Any = None) -> dict[str, Any]:
        name = urllib.parse.quote(self.model, safe="")
        url = f"{self.address.rstrip('/')}/v1/models/{name}{path}"
        response = self._session.request(
            verb, url, json=content, timeout=self.timeout_seconds
        )
        try:
            found = response.json()
        except ValueError:
            found = {"error": response.text[:500]}
        if response.status_code != 200:
            raise RuntimeError(f"{response.status_code}: {found.get('error', found)}")
        return found


@dataclasses.dataclass
class GrpcClient(_Client):
    """Queries a model over gRPC; needs `tensorflow-serving-api`.

    Its methods raise `grpc.RpcError`, whose `details()` is the server's message, if a
    request is refused.
    """

    def __post_init__(self) -> None:
        import grpc

        try:
            from tensorflow_serving.apis import (
                model_service_pb2_grpc,
                prediction_service_pb2_grpc,
            )
        except ModuleNotFoundError:
            raise ImportError(
                "tensorflow-serving-api is not installed. GrpcClient needs it: pip "
                "install 'bert-tf[serve]', or use RestClient."
            ) from None
        # By default gRPC refuses responses above 4 MB, and the vectors of a few long
        # texts are larger.
        channel = grpc.insecure_channel(
            self.address, [("grpc.max_receive_message_length", -1)]
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)

    def predict(
        self, signature: str = "serving_default", **inputs: Any
    ) -> dict[str, np.ndarray]:
        """Outputs of a signature, arrays by name; texts are bytes.

        Args:
            signature: the name of the signature.
            inputs: arrays or nested lists, by name.
        """
        import tensorflow as tf
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = self._named(PredictRequest())
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        response = self._predictions.Predict(request, self.timeout_seconds)
        return {name: tf.make_ndarray(v) for name, v in response.outputs.items()}

    def classify(self, *examples: Mapping[str, str]) -> list[list[tuple[str, float]]]:
        """Labels with probabilities for examples such as `{"text": "A gem."}`."""
        from tensorflow_serving.apis.classification_pb2 import ClassificationRequest

        request = self._named(ClassificationRequest())
        for values in examples:
            example = request.input.example_list.examples.add()
            for name, text in values.items():
                feature = example.features.feature[name]
                feature.bytes_list.value.append(text.encode())
        response = self._predictions.Classify(request, self.timeout_seconds)
        return [
            [(found.label, found.score) for found in row.classes]
            for row in response.result.classifications
        ]

    def status(self) -> dict[int, str]:
        """The state of each version."""
        from tensorflow_serving.apis import get_model_status_pb2 as messages

        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.model
        response = self._models.GetModelStatus(request, self.timeout_seconds)
        state_name = messages.ModelVersionStatus.State.Name
        return {v.version: state_name(v.state) for v in response.model_version_status}

    def _named(self, request: Any) -> Any:
        request.model_spec.name = self.model
        if self.version is not None:
            request.model_spec.version.value = self.version
        return request
