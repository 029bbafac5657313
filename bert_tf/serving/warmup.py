"""Requests that TF Serving answers to itself before it answers others.

TensorFlow prepares a graph when it first runs: a first request takes seconds. TF
Serving replays the requests in `assets.extra` of a version before it is available.
"""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from bert_tf.serving.signatures import SUFFIXES
from data_pipelines.tokenizers.vocabulary import MASK, Vocabulary

FILE = posixpath.join("assets.extra", "tf_serving_warmup_requests")

# How many texts, of how many words: one short one, and a batch of longer ones.
_SIZES = ((1, 8), (8, 32))
# Of words or ids that are given one by one: fewer than any model allows.
_COLUMNS = 8


def write_warmup(
    folder: str, name: str, functions: Mapping[str, Any], vocabulary: Vocabulary
) -> int:
    """Writes `PredictionLog` records into a SavedModel.

    Signatures of XLA are left out: TF Serving answers them with an error unless it is
    told to compile, and an error would keep the version from being served.

    Args:
        folder: of the SavedModel.
        name: under which the model is served.
        functions: its signatures.
        vocabulary: whose words texts are made of.

    Returns:
        How many records there are.
    """
    # Late: protos of TF Serving, which only an export needs.
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path = posixpath.join(folder, FILE)
    tf.io.gfile.makedirs(posixpath.dirname(path))
    count = 0
    with tf.io.TFRecordWriter(path) as writer:
        for signature, function in functions.items():
            if signature.endswith(SUFFIXES["compiled"]) or not _is_plain(function):
                continue
            for inputs in _requests(function.input_signature, vocabulary):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for key, values in inputs.items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())
                count += 1
    return count


def _is_plain(function: Any) -> bool:
    """Whether it takes values that can be thought of: no serialized records."""
    return all(spec.name != "inputs" for spec in function.input_signature)


def _requests(
    specs: list[tf.TensorSpec], vocabulary: Vocabulary
) -> Iterator[dict[str, tf.Tensor]]:
    words = [
        word.strip()
        for word, continues in zip(vocabulary.names, vocabulary.continues, strict=True)
        if not continues and not word.startswith("[") and len(word.strip()) > 1
    ] or [MASK]
    for rows, length in _SIZES:
        chosen = (words * (length // len(words) + 1))[:length]
        text = " ".join([MASK, *chosen])
        inputs = {}
        for spec in specs:
            shape = [rows, *(size or _COLUMNS for size in spec.shape[1:])]
            # Of ids and places, 1 is always one.
            values = {tf.string: text, tf.bool: True}.get(spec.dtype, 1)
            inputs[spec.name] = tf.fill(shape, tf.constant(values, spec.dtype))
        yield inputs
