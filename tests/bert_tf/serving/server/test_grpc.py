"""gRPC as it comes: sizes, compression, tensors that are none, errors."""

import logging

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import inference_pb2, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from bert_tf.serving.client import GrpcClient
from tests.bert_tf.serving.server.stub_server import stub_server

ALL_COMPRESSIONS = (grpc.Compression.Gzip, grpc.Compression.Deflate)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        stub_server(tmp_path_factory.mktemp("served"), monkeypatch) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def stub(server):
    """A client that knows nothing of this server."""
    with grpc.insecure_channel(server.address) as channel:
        yield PredictionServiceStub(channel)


def request_of(signature="", model="m", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        if not isinstance(value, tensor_pb2.TensorProto):
            value = tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(value)
    return request


def refusal(call, request, **arguments):
    with pytest.raises(grpc.RpcError) as raised:
        call(request, timeout=10, **arguments)
    return raised.value.code().name, raised.value.details()


# --- Sizes and compression.


def test_answers_above_4_mb_arrive_at_our_client(server):
    found = GrpcClient(server.address, "m").predict("vectors", texts=["a"] * 8)
    assert found["vectors"].shape == (8, 2**18)


def test_a_client_with_grpc_s_limit_is_told_of_it(stub):
    code, details = refusal(stub.Predict, request_of("vectors", texts=["a"] * 8))
    assert code == "RESOURCE_EXHAUSTED"
    assert "Received message larger than max (83" in details and "4194304" in details


def test_an_answer_above_the_limit_of_protobuf(stub, monkeypatch):
    monkeypatch.setattr("bert_tf.serving.server.grpc_services._MOST_BYTES", 2**20)
    code, details = refusal(stub.Predict, request_of("vectors", texts=["a"] * 2))
    assert code == "RESOURCE_EXHAUSTED"
    assert details == (
        "The response has 2,097,152 bytes. Expected at most 1,048,576: send fewer "
        "texts at once."
    )


@pytest.mark.parametrize("compression", ALL_COMPRESSIONS, ids=str)
def test_compressed_requests(stub, compression):
    request = request_of(texts=["a" * 50_000])
    found = stub.Predict(request, 10, compression=compression)
    assert tf.make_ndarray(found.outputs["length"]).tolist() == [50_000]


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, *ALL_COMPRESSIONS], ids=str
)
def test_a_long_request_is_refused_however_small_it_is_sent(stub, compression):
    request = request_of(texts=["a" * 2**24])
    code, details = refusal(stub.Predict, request, compression=compression)
    assert code == "RESOURCE_EXHAUSTED"
    assert "message larger than max" in details


# --- Tensors that are none.


def proto(dtype, sizes=(), **values):
    made = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


STRING, FLOAT = types_pb2.DT_STRING, types_pb2.DT_FLOAT
UNKNOWN_RANK = proto(FLOAT, float_val=[1, 2])
UNKNOWN_RANK.tensor_shape.unknown_rank = True
TENSORS = {
    "nothing": tensor_pb2.TensorProto(),
    "an unknown type": proto(99, [1], tensor_content=b"abcd"),
    "a negative type": proto(-1, [1], tensor_content=b"abcd"),
    "a reference": proto(types_pb2.DT_FLOAT_REF, [1, 2], float_val=[1, 2]),
    "bytes of texts": proto(STRING, [1], tensor_content=b"abc"),
    "half of the bytes": proto(FLOAT, [1, 2], tensor_content=b"abc"),
    "more bytes": proto(FLOAT, [1, 2], tensor_content=b"\0" * 12),
    "texts as numbers": proto(FLOAT, [1, 2], string_val=[b"a", b"b"]),
    "numbers as texts": proto(STRING, [2], float_val=[1, 2]),
    "more values": proto(FLOAT, [1, 2], float_val=[1, 2, 3]),
    "fewer values": proto(FLOAT, [3, 2], float_val=[1, 2]),
    "no values": proto(FLOAT, [1, 2]),
    "no rows": proto(FLOAT, [0, 2]),
    "a huge shape": proto(FLOAT, [2**40, 2], float_val=[1]),
    "a huge shape of nothing": proto(FLOAT, [2**40, 2]),
    "huge and empty": proto(FLOAT, [2**62, 0]),
    "an overflowing shape": proto(FLOAT, [2**62] * 30, float_val=[1]),
    "a shape that overflows to little": proto(FLOAT, [2**32, 2**32], float_val=[1]),
    "a negative size": proto(FLOAT, [-1, 2], float_val=[1, 2]),
    "two negative sizes": proto(FLOAT, [-1, -2], float_val=[1, 2]),
    "thousands of dimensions": proto(FLOAT, [1] * 5000, float_val=[1]),
    "33 dimensions": proto(FLOAT, [1] * 33, float_val=[1]),
    "an unknown rank": UNKNOWN_RANK,
    "a scalar": proto(FLOAT, float_val=[1]),
}
for number in types_pb2.DataType.values():
    if number < 100 and number != FLOAT:
        name = types_pb2.DataType.Name(number)
        TENSORS[name] = proto(number, [1, 2])
        TENSORS[f"{name} of bytes"] = proto(number, [1, 2], tensor_content=b"\0" * 8)


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_none(stub, name, caplog):
    with caplog.at_level(logging.WARNING):
        answer = refusal(stub.Predict, request_of("numbers", numbers=TENSORS[name]))
        as_text = refusal(stub.Predict, request_of(texts=TENSORS[name]))
    for code, details in (answer, as_text):
        assert code == "INVALID_ARGUMENT", details
        assert details.startswith("Received ") and "Expected" in details, details
        assert len(details) < 500 and "Traceback" not in details
    # gRPC itself may tell of the calls of earlier tests, whose clients had gone.
    assert not [record for record in caplog.records if "grpc._" not in record.name]


def test_numbers_as_they_may_be_sent(stub):
    for numbers in (
        np.ones([1, 2], np.float32),
        proto(FLOAT, [1, 2], float_val=[1, 1]),
        proto(FLOAT, [1, 2], tensor_content=np.ones(2, np.float32).tobytes()),
    ):
        found = stub.Predict(request_of("numbers", numbers=numbers), 10)
        assert tf.make_ndarray(found.outputs["doubled"]).tolist() == [[2, 2]]


# --- Errors.


def test_an_error_of_the_model_is_told_to_the_log_alone(stub, caplog):
    with caplog.at_level(logging.ERROR):
        answer = refusal(stub.Predict, request_of("broken", texts=["a"]))
    assert answer == ("INTERNAL", "Internal error; see the log of the server.")
    (record,) = caplog.records
    assert "a secret of the model" in record.exc_text


def test_an_error_of_the_server_is_told_to_the_log_alone(stub, server, caplog):
    """Of one that no request should find."""
    request = request_of(texts=["a"])
    with caplog.at_level(logging.ERROR), pytest.MonkeyPatch.context() as monkeypatch:
        name = "bert_tf.serving.server.grpc_services._tensors"
        monkeypatch.setattr(name, lambda request: 1 / 0)
        answer = refusal(stub.Predict, request)
    assert answer == ("INTERNAL", "Internal error; see the log of the server.")
    (record,) = caplog.records
    assert "ZeroDivisionError" in record.exc_text


@pytest.mark.parametrize(
    ("request_", "code", "details"),
    [
        (request_of(model="", texts=["a"]), "NOT_FOUND", "Received the model ''"),
        (request_of("none", texts=["a"]), "INVALID_ARGUMENT", "Received the signature"),
        (request_of("numbers", texts=["a"]), "INVALID_ARGUMENT", "Received the inputs"),
        (request_of(), "INVALID_ARGUMENT", "Received the inputs []"),
        (
            request_of(**{"x" * 50_000: ["a"]}),
            "INVALID_ARGUMENT",
            "Received the inputs ['xxx",
        ),
        (request_of(texts=["a"] * 17), "INVALID_ARGUMENT", "Received 17 rows"),
    ],
    ids=[
        "no name",
        "no signature",
        "another input",
        "no input",
        "a long name",
        "many rows",
    ],
)
def test_specs_that_name_nothing(stub, request_, code, details):
    found = refusal(stub.Predict, request_)
    assert found[0] == code and found[1].startswith(details), found


def test_what_is_no_message(server, caplog):
    with (
        caplog.at_level(logging.WARNING),
        grpc.insecure_channel(server.address) as channel,
    ):
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        code, details = refusal(predict, b"\xff\xff\xff")
        assert code == "INVALID_ARGUMENT" and "Traceback" not in details, (
            code,
            details,
        )
        other = channel.unary_unary("/tensorflow.serving.PredictionService/None")
        assert refusal(other, b"")[0] == "UNIMPLEMENTED"
    assert len(caplog.records) == 0


def test_multi_inference_is_not_there(stub, caplog):
    with caplog.at_level(logging.WARNING):
        code, _ = refusal(stub.MultiInference, inference_pb2.MultiInferenceRequest())
    assert code == "UNIMPLEMENTED" and not caplog.records
