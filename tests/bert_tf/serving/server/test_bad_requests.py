"""Whatever is sent: a clear refusal, a server that lives, and no more memory."""

import concurrent.futures
import contextlib
import itertools
import json
import socket
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from bert_tf.serving.client import RestClient
from tests.bert_tf.serving.server.running import base_paths, running, until

pytestmark = [pytest.mark.slow, pytest.mark.long]
MODELS = ("pretraining", "classification", "token_tagging", "span_qa")
MAX_BYTES = 2**16


@pytest.fixture(scope="module")
def server(exported):
    flags = (
        base_paths(exported, *MODELS),
        f"--max_request_bytes={MAX_BYTES}",
        "--max_batch_size=16",
        "--request_timeout_seconds=4",
        "--max_connections=64",
    )
    with running(*flags) as running_server:
        yield running_server


@pytest.fixture(autouse=True)
def alive(server):
    """After each test, the server answers as before."""
    client = RestClient(server.url, "pretraining")
    expected = client.predict(texts=["The [MASK] sat."])
    yield
    assert server.process.poll() is None
    assert client.predict(texts=["The [MASK] sat."]) == expected


# --- REST.

# What stands where a text, a row, or a list of them is expected.
VALUES = {
    "null": None,
    "number": 1,
    "float": 1.5,
    "huge number": 10**400,
    "true": True,
    "object": {"a": 1},
    "empty object": {},
    "list": ["a"],
    "empty list": [],
    "nested": [[["a"]]],
    "ragged": ["a", ["b"]],
    "broken b64": {"b64": "%%%"},
    "b64 of a number": {"b64": 1},
    "half a surrogate": "\ud800",
}
QUESTIONS = {
    "pretraining": ("fill_mask", {"texts": "a"}),
    "classification": ("classify_pairs", {"first": "a", "second": "b"}),
    "token_tagging": ("tag_words", {"words": ["the", "cat"]}),
    "span_qa": ("answer", {"questions": "a", "contexts": "b"}),
}


def bodies():
    """Name, model, and an object that is no good request."""
    for model, (signature, row) in QUESTIONS.items():
        field = next(iter(row))
        base = {"signature_name": signature}
        for name, value in VALUES.items():
            fits = model == "token_tagging" and name in ("list", "empty list")
            if not fits:
                bad = {**row, field: value}
                yield f"{name} in a row", model, {**base, "instances": [bad]}
            columns = {key: [other] for key, other in row.items()}
            if not (name == "list" and model != "token_tagging"):
                bad = {**columns, field: value}
                yield f"{name} as a column", model, {**base, "inputs": bad}
            if name != "list":
                yield f"{name} as instances", model, {**base, "instances": value}
            yield (
                f"{name} as signature",
                model,
                {
                    "signature_name": value if name != "null" else 0,
                    "instances": [row],
                },
            )
        yield "nothing", model, base
        yield "both", model, {**base, "instances": [row], "inputs": row}
        yield (
            "an unknown signature",
            model,
            {
                "signature_name": "none",
                "instances": [row],
            },
        )
        yield "an unknown input", model, {**base, "instances": [{**row, "x": "a"}]}
        yield "another unknown input", model, {**base, "instances": [row, {"x": "a"}]}
        yield "a missing input", model, {**base, "instances": [{}]}
        yield "too many rows", model, {**base, "instances": [row] * 17}
        if len(row) > 1:
            lengths = {key: ["a"] * n for n, key in enumerate(row, start=1)}
            yield "columns of two lengths", model, {**base, "inputs": lengths}


BODIES = list(bodies())


def refused(response, statuses=(400,)):
    assert response.status_code in statuses, (response.status_code, response.text)
    error = response.json()["error"]
    assert 10 < len(error) < 700 and "Traceback" not in error, error
    return error


@pytest.mark.parametrize("model", MODELS)
def test_json_that_is_no_request(server, model):
    url = f"{server.url}/v1/models/{model}:predict"
    for name, asked, body in BODIES:
        if asked == model:
            try:
                refused(requests.post(url, data=json.dumps(body)))
            except AssertionError as error:
                raise AssertionError(f"{name}: {body}"[:500]) from error


RAW = {
    "empty": b"",
    "no JSON": b"{",
    "a text": b'"a"',
    "a list": b"[1]",
    "null": b"null",
    "not UTF-8": b'{"instances": ["\xff"]}',
    "NaN": b'{"instances": [NaN]}',
    "infinity": b'{"instances": [Infinity]}',
    "deep": b'{"instances": ' + b"[" * 20000,
    "deep and whole": b'{"instances": ' + b"[" * 20000 + b"]" * 20000 + b"}",
    "deep objects": b'{"a":' * 9000 + b"1" + b"}" * 9000,
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"instances": ["a"]}'.encode("utf-16"),
    "zero": b"\x00" * 100,
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_no_json(server, name):
    for method in ("predict", "classify"):
        url = f"{server.url}/v1/models/classification:{method}"
        refused(requests.post(url, data=RAW[name]))


EXAMPLES = [None, [], {}, "a", [1], ["a"], [None], [{}], [{"x": "a"}]]
FEATURES = [1, 1.5, None, [], ["a", "b"], {"b64": "%"}, [True], [[1]], {"a": 1}]


@pytest.mark.parametrize("examples", EXAMPLES + [[{"text": f}] for f in FEATURES])
def test_examples_that_are_none(server, examples):
    url = f"{server.url}/v1/models/classification:classify"
    refused(requests.post(url, json={"examples": examples}))
    refused(requests.post(url, json={"examples": examples, "context": 1}))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "pretraining:predict", 405),
        ("PUT", "pretraining:predict", 405),
        ("DELETE", "pretraining", 405),
        ("POST", "pretraining", 405),
        ("POST", "pretraining/metadata", 405),
        ("POST", "pretraining:train", 400),
        ("POST", "pretraining:classify", 400),
        ("POST", "pretraining:regress", 400),
        ("POST", "none:predict", 404),
        ("GET", "none", 404),
        ("GET", "none/metadata", 404),
        ("GET", "pretraining/versions/7", 404),
        ("GET", "pretraining/versions/7/metadata", 404),
        ("POST", "pretraining/versions/7:predict", 404),
        ("POST", "pretraining/versions/-1:predict", 400),
        ("POST", "pretraining/versions/1.5:predict", 400),
        ("POST", "pretraining/versions/x:predict", 400),
        ("POST", "pretraining/versions/99999999999999999999:predict", 400),
        ("POST", "pretraining/labels/stable:predict", 404),
        ("GET", "pretraining/other", 404),
        ("GET", "..%2f..%2fetc%2fpasswd", 404),
        ("GET", "a" * 5000, 404),
        ("GET", "%00", 404),
    ],
)
def test_paths(server, method, path, status):
    url = f"{server.url}/v1/models/{path}"
    response = requests.request(method, url, json={"instances": ["a"]})
    refused(response, [status])


def test_other_paths(server):
    for path in ("/v1", "/v2/models/x", "/page.js/../../serve.py", "/secret", "//"):
        response = requests.get(server.url + path)
        assert response.status_code == 404, path
        assert "error" in response.json(), path


def test_too_long(server):
    url = f"{server.url}/v1/models/pretraining:predict"
    error = refused(requests.post(url, data=b"x" * (MAX_BYTES + 1)), [429])
    assert error.startswith("The request is longer than 65,536 bytes. Expected")

    def parts():
        for _ in range(10**4):
            yield b"[" * 10**4

    # Without a length said first; the server does not read on.
    with contextlib.suppress(requests.exceptions.ConnectionError):
        refused(requests.post(url, data=parts()), [429])


def test_long_texts_are_answered(server):
    text = "cat " * (MAX_BYTES // 5)
    content = {
        "signature_name": "answer",
        "instances": [{"questions": "a", "contexts": text}],
    }
    url = f"{server.url}/v1/models/span_qa:predict"
    response = requests.post(url, json=content)
    # Four seconds may be too few for thousands of windows, and they are finished first.
    assert response.status_code in (200, 504)
    client = RestClient(server.url, "pretraining")
    answers = []

    def answered() -> bool:
        with contextlib.suppress(RuntimeError):
            answers.append(client.predict("embed", texts=[text[:9000]]))
        return bool(answers)

    until(answered, "an answer after a long text", 120)
    assert answers[0]["truncated"] == [True]


def test_strange_texts_are_answered(server):
    client = RestClient(server.url, "token_tagging")
    texts = ["", " ", "\x00", "\u202e", "\N{ZERO WIDTH JOINER}" * 50, "e\u0301" * 90]
    texts += ["[MASK]" * 20, "a" * 5000, "\U0001f600" * 300, "\ufffd", "\n\t\r"]
    found = client.predict("tag", texts=texts)
    assert len(found["tags"]) == len(texts)
    broken = {"instances": [{"b64": "//79"}], "signature_name": "tag"}
    url = f"{server.url}/v1/models/token_tagging:predict"
    assert requests.post(url, json=broken).status_code == 200


# --- gRPC.


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(server.address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def predict_request(inputs, signature="fill_mask", model="pretraining", version=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        if not isinstance(value, tensor_pb2.TensorProto):
            value = tf.make_tensor_proto(value)
        request.inputs[name].CopyFrom(value)
    return request


def proto(dtype, sizes, **values):
    made = tensor_pb2.TensorProto(dtype=dtype, **values)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


STRING, FLOAT = tf.string.as_datatype_enum, tf.float32.as_datatype_enum
TENSORS = {
    "numbers": np.ones([2], np.float32),
    "integers": np.ones([2], np.int64),
    "bools": np.ones([2], bool),
    "NaN": np.full([2], np.nan, np.float32),
    "a scalar": "a",
    "a matrix": [["a"]],
    "nothing": np.zeros([0], object),
    "too many": ["a"] * 17,
    "a shape without values": proto(STRING, [5]),
    "a huge shape": proto(STRING, [10**12], string_val=[b"a"]),
    "an overflowing shape": proto(FLOAT, [2**40, 2**40], float_val=[1.0]),
    "a negative size": proto(STRING, [-1], string_val=[b"a"]),
    "more values than places": proto(STRING, [1], string_val=[b"a", b"b"]),
    "an unknown type": proto(99, [1]),
    "no type": tensor_pb2.TensorProto(),
    "half of the bytes": proto(FLOAT, [2], tensor_content=b"abc"),
    "a resource": proto(tf.resource.as_datatype_enum, [1]),
    "a variant": proto(tf.variant.as_datatype_enum, [1]),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit(stub, name):
    for model, (signature, row) in QUESTIONS.items():
        if name == "a matrix" and model == "token_tagging":
            continue
        fields = list(row)
        inputs = {field: ["a"] for field in fields}
        inputs[fields[0]] = TENSORS[name]
        request = predict_request(inputs, signature, model)
        assert refused_by_grpc(stub.Predict, request) == "INVALID_ARGUMENT", model


def refused_by_grpc(call, request):
    with pytest.raises(grpc.RpcError) as raised:
        call(request, 10)
    assert 5 < len(raised.value.details()) < 700, raised.value.details()
    return raised.value.code().name


def test_specs_that_name_nothing(stub):
    texts = {"texts": ["a"]}
    cases = [
        (predict_request(texts, model="none"), "NOT_FOUND"),
        (predict_request(texts, model=""), "NOT_FOUND"),
        (predict_request(texts, version=9), "NOT_FOUND"),
        (predict_request(texts, version=-1), "INVALID_ARGUMENT"),
        (predict_request(texts, signature="none"), "INVALID_ARGUMENT"),
        (predict_request({}), "INVALID_ARGUMENT"),
        (predict_request({"x": ["a"]}), "INVALID_ARGUMENT"),
        (predict_request({**texts, "x": ["a"]}), "INVALID_ARGUMENT"),
    ]
    label = predict_request(texts)
    label.model_spec.version_label = "stable"
    outputs = predict_request(texts)
    outputs.output_filter.append("none")
    cases += [(label, "INVALID_ARGUMENT"), (outputs, "INVALID_ARGUMENT")]
    for request, code in cases:
        assert refused_by_grpc(stub.Predict, request) == code, request


def test_other_methods(server, stub):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "classification"
    assert refused_by_grpc(stub.Classify, request) == "INVALID_ARGUMENT"
    request.input.example_list.examples.add()
    assert refused_by_grpc(stub.Classify, request) == "INVALID_ARGUMENT"
    request.model_spec.name = "pretraining"
    assert refused_by_grpc(stub.Classify, request) == "INVALID_ARGUMENT"
    metadata = get_model_metadata_pb2.GetModelMetadataRequest()
    metadata.model_spec.name = "classification"
    assert refused_by_grpc(stub.GetModelMetadata, metadata) == "INVALID_ARGUMENT"
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "none"
    with grpc.insecure_channel(server.address) as channel:
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        assert refused_by_grpc(models.GetModelStatus, status) == "NOT_FOUND"
    long = predict_request({"texts": ["a" * MAX_BYTES]})
    assert refused_by_grpc(stub.Predict, long) == "RESOURCE_EXHAUSTED"


def test_no_grpc_at_all(server):
    host, port = server.address.split(":")
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1000, b"PRI * HTTP/2.0\r\n\r\n"):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(data)


# --- Clients that are slow, or many.


def address_of(server):
    host, port = server.url.removeprefix("http://").split(":")
    return host, int(port)


HEAD = b"POST /v1/models/pretraining:predict HTTP/1.1\r\nHost: x\r\n"


def test_slow_clients(server):
    """A request that never ends is given up; others do not wait for it."""
    connections = []
    for _ in range(20):
        connection = socket.create_connection(address_of(server))
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
        connections.append(connection)
    begin = time.monotonic()
    client = RestClient(server.url, "pretraining")
    assert client.predict(texts=["[MASK]"])
    assert time.monotonic() - begin < 2
    for connection in connections:
        connection.settimeout(15)
        answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 504"), answer
        connection.close()


def test_clients_that_go_away(server):
    body = json.dumps({"instances": ["[MASK]"] * 16}).encode()
    for _ in range(50):
        connection = socket.create_connection(address_of(server))
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        connection.close()


def test_many_connections(server):
    """More than are allowed: the rest is refused, and the server answers again."""

    def status(_):
        url = f"{server.url}/v1/models/pretraining:predict"
        content = {"instances": ["[MASK]"] * 16}
        return requests.post(url, json=content, timeout=60).status_code

    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        statuses = set(pool.map(status, range(200)))
    assert 200 in statuses and statuses <= {200, 429, 503, 504}


def test_memory_is_flat(server):
    """After thousands of bad requests there is as much as after hundreds."""
    url = f"{server.url}/v1/models"
    session = requests.Session()

    def bad(count):
        for _, model, body in itertools.islice(itertools.cycle(BODIES), count):
            session.post(f"{url}/{model}:predict", data=json.dumps(body))

    bad(500)
    before = server.memory()
    bad(3000)
    assert server.memory() - before < 30e6
