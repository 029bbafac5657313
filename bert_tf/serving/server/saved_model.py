"""A loaded SavedModel: checks the inputs of its signatures and runs them."""

import dataclasses
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  its ops
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import prediction_log_pb2

from bert_tf.serving.server.errors import RequestError, invalid
from bert_tf.serving.versions import signature_definitions
from bert_tf.serving.warmup import FILE as WARMUP

Arrays = dict[str, np.ndarray]

# The names of nodes in TensorFlow's errors.
_PLACES = re.compile(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:.*?\]")


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature of a SavedModel.

    Attributes:
        name: its name.
        definition: names, types and shapes of inputs and outputs, and the method.
        function: the graph.
    """

    name: str
    definition: meta_graph_pb2.SignatureDef
    function: Any

    @property
    def method(self) -> str:
        """The API of TF Serving that calls it: "predict", "classify", "regress"."""
        return self.definition.method_name.rpartition("/")[2]

    def spec(self, name: str) -> tuple[tf.DType, tuple[int | None, ...]]:
        """The type and shape of an input, whose first dimension is the rows."""
        info = self.definition.inputs[name]
        sizes = (d.size for d in info.tensor_shape.dim)
        return tf.as_dtype(info.dtype), tuple(None if s < 0 else s for s in sizes)

    def check(self, inputs: Mapping[str, np.ndarray]) -> int:
        """Checks names, types and shapes, and counts the rows.

        Raises:
            RequestError: the inputs do not match this signature.
        """
        expected = sorted(self.definition.inputs)
        if sorted(inputs) != expected:
            raise invalid(
                f"Received the inputs {sorted(inputs)}. Expected {expected}, those of "
                f"the signature {self.name}."
            )
        for name, array in inputs.items():
            dtype, shape = self.spec(name)
            # NumPy arrays of texts have the type object.
            found = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
            fits = len(shape) == array.ndim and all(
                size in (None, other)
                for size, other in zip(shape, array.shape, strict=True)
            )
            if not fits or found != dtype:
                raise invalid(
                    f"Received {name} of type {found.name} and shape "
                    f"{list(array.shape)}. Expected {dtype.name} {list(shape)}, where "
                    "None is any number."
                )
        counts = {name: len(array) for name, array in inputs.items()}
        if len(set(counts.values())) > 1:
            raise invalid(
                f"Received {counts} rows. Expected the same number in each input."
            )
        return next(iter(counts.values()))

    def answer(self, inputs: Mapping[str, np.ndarray]) -> Arrays:
        """Runs the graph.

        Raises:
            RequestError: the graph does not accept these values.
        """
        tensors = {
            name: tf.constant(array, self.spec(name)[0])
            for name, array in inputs.items()
        }
        try:
            found = self.function(**tensors)
        except tf.errors.InvalidArgumentError as error:
            # The message is for clients, without names of nodes in the graph.
            message = " ".join(_PLACES.sub("", error.message).split())
            raise invalid(message.removeprefix("assertion failed: ")[:500]) from None
        except tf.errors.ResourceExhaustedError as error:
            raise RequestError("RESOURCE_EXHAUSTED", error.message[:300]) from None
        # TensorFlow's own order varies from process to process.
        return {name: found[name].numpy() for name in sorted(found)}


def text_array(values: Sequence[bytes | str]) -> np.ndarray:
    """Texts as an array of type object (values,)."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


class LoadedSavedModel:
    """A SavedModel that has run its warm-up requests.

    Args:
        path: the folder of the version.

    Attributes:
        signatures: the signatures, by name.

    Raises:
        OSError, tf.errors.OpError: it cannot be read.
    """

    def __init__(self, path: str) -> None:
        definitions = signature_definitions(path)
        self._model = tf.saved_model.load(path)
        self.signatures = {
            name: Signature(name, definitions[name], function)
            for name, function in self._model.signatures.items()
        }
        self._warm_up(posixpath.join(path, WARMUP))

    def _warm_up(self, path: str) -> None:
        if not tf.io.gfile.exists(path):
            return
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            name = request.model_spec.signature_name or "serving_default"
            self.signatures[name].answer(
                {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            )
