"""Warm-up requests, which TF Serving runs before a version is available.

TensorFlow prepares a graph when it first runs, so that the first request would take
seconds. TF Serving replays the requests in `assets.extra` of a version.
"""

import itertools
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from bert_tf.serving.signatures import SUFFIXES
from data_pipelines.tokenizers.vocabulary import MASK, Vocabulary

FILE = posixpath.join("assets.extra", "tf_serving_warmup_requests")

# The number of texts, and of words in each.
_SIZES = ((1, 8), (8, 32))
# The length of rows of words or ids: short enough for any model.
_COLUMNS = 8


def write_warmup(
    folder: str, name: str, functions: Mapping[str, Any], vocabulary: Vocabulary
) -> None:
    """Writes `PredictionLog` records into the SavedModel of a folder.

    The XLA signatures are left out: TF Serving answers them with an error unless it
    runs with an option that enables compilation, and an error would keep the version
    from being served. So are the signatures that take serialized records.
    """
    path = posixpath.join(folder, FILE)
    tf.io.gfile.makedirs(posixpath.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        for signature, function in functions.items():
            specs = function.input_signature
            is_compiled = signature.endswith(SUFFIXES["compiled"])
            if is_compiled or any(spec.name == "inputs" for spec in specs):
                continue
            for inputs in warmup_inputs(specs, vocabulary):
                writer.write(_prediction_log(name, signature, inputs))


def warmup_inputs(
    specs: list[tf.TensorSpec], vocabulary: Vocabulary
) -> Iterator[dict[str, tf.Tensor]]:
    """Inputs of a signature, by name: one short text, then a batch of longer ones."""
    words = [
        word.strip()
        for word, continues in zip(vocabulary.names, vocabulary.continues, strict=True)
        if not continues and not word.startswith("[") and len(word.strip()) > 1
    ] or [MASK]
    for rows, length in _SIZES:
        text = " ".join([MASK, *itertools.islice(itertools.cycle(words), length)])
        inputs = {}
        for spec in specs:
            shape = [rows, *(size or _COLUMNS for size in spec.shape[1:])]
            # 1 is a valid id, layer and head in every model.
            values = {tf.string: text, tf.bool: True}.get(spec.dtype, 1)
            inputs[spec.name] = tf.fill(shape, tf.constant(values, spec.dtype))
        yield inputs


def _prediction_log(name: str, signature: str, inputs: Mapping[str, Any]) -> bytes:
    """A serialized `PredictionLog`; field numbers are those of TF Serving's protos.

    It is encoded by hand so that an export does not need TF Serving's protobuf package.
    """
    spec = _field(1, name.encode()) + _field(3, signature.encode())
    request = _field(1, spec)  # PredictRequest.model_spec
    for key, values in inputs.items():
        tensor = tf.make_tensor_proto(values).SerializeToString()
        request += _field(2, _field(1, key.encode()) + _field(2, tensor))  # inputs
    return _field(6, _field(1, request))  # predict_log.request


def _field(number: int, content: bytes) -> bytes:
    """A string or message as a field of a message: tag, length, content."""
    size, head = len(content), bytearray([number << 3 | 2])
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes([*head, size]) + content
