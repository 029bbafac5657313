"""HTTP as it comes: methods, encodings, targets, heads; on real sockets."""

import gzip
import json
import logging
import socket
import zlib

import pytest
import requests

from bert_tf.serving.client import RestClient
from tests.bert_tf.serving.server.stub_server import LIMITS, stub_server

BODY = b'{"instances": ["abc"]}'
ANSWER = {"predictions": [3]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        stub_server(tmp_path_factory.mktemp("served"), monkeypatch) as running,
    ):
        yield running


def asked(server, body=BODY, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{server.url}/v1/models/m:predict"
    return requests.post(url, data=body, headers=named, timeout=10)


def exchanged(server, sent):
    """The bytes that come back until the server closes the connection."""
    with socket.create_connection((server.host, server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(sent)
        received = b""
        while part := connection.recv(2**16):
            received += part
    return received


def post(path="/v1/models/m:predict", *headers, version="1.1", body=BODY):
    lines = [f"POST {path} HTTP/{version}", "Host: x", "Connection: close", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def status_of(received):
    return int(received.split(b" ")[1])


def content_of(received):
    return json.loads(received.partition(b"\r\n\r\n")[2])


# --- Methods.

PATHS = {
    "/v1/models/m": "GET, HEAD",
    "/v1/models/m/versions/1": "GET, HEAD",
    "/v1/models/m/metadata": "GET, HEAD",
    "/v1/models/m:predict": "POST",
    "/v1/models/m/versions/1:predict": "POST",
    "/v1/models/m:classify": "POST",
    "/v1/models/m:regress": "POST",
    "/models": "GET, HEAD",
    "/monitoring/prometheus/metrics": "GET, HEAD",
    "/": "GET, HEAD",
    "/page.js": "GET, HEAD",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")


@pytest.mark.parametrize("path", PATHS)
def test_other_methods_are_405_and_say_which_are_not(server, path):
    allowed = PATHS[path]
    for method in METHODS:
        response = requests.request(method, server.url + path, timeout=10)
        if method in allowed.split(", "):
            assert response.status_code != 405, method
            continue
        assert response.status_code == 405, method
        assert response.headers["Allow"] == allowed
        if method != "HEAD":
            message = f"Received {method} for {path!r}. Expected {allowed}."
            assert response.json() == {"error": message}


# The page of the metrics is another each time.
@pytest.mark.parametrize(
    "path", [p for p in PATHS if "GET" in PATHS[p] and "mon" not in p]
)
def test_head_is_get_without_a_body(server, path):
    get, head = (
        requests.request(m, server.url + path, timeout=10) for m in ("GET", "HEAD")
    )
    assert head.status_code == get.status_code == 200 and head.content == b""
    names = ("content-type", "content-length")
    assert [head.headers[n] for n in names] == [get.headers[n] for n in names]


# --- Encodings.


def deflated(body):
    return zlib.compress(body)


def test_compressed_requests(server):
    for encoding, pack in (
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", deflated),
        ("identity", bytes),
        ("", bytes),
    ):
        response = asked(server, pack(BODY), Content_Encoding=encoding)
        assert response.json() == ANSWER, encoding


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "x" * 99])
def test_unknown_encodings_are_415(server, encoding):
    response = asked(server, gzip.compress(BODY), Content_Encoding=encoding)
    assert response.status_code == 415
    assert response.headers["Accept-Encoding"] == "gzip, deflate"
    message = f"Received Content-Encoding: {encoding[:50]!r}. Expected gzip, deflate"
    assert response.json()["error"].startswith(message)


PACKED = gzip.compress(BODY)
BROKEN = {
    "not gzip": ("gzip", BODY),
    "gzip as deflate": ("deflate", PACKED),
    "deflate as gzip": ("gzip", zlib.compress(BODY)),
    "half of it": ("gzip", PACKED[: len(PACKED) // 2]),
    "without its checksum": ("gzip", PACKED[:-8]),
    "a wrong checksum": ("gzip", PACKED[:-8] + b"\x00" * 8),
    "more behind it": ("gzip", PACKED + b"x"),
    "nothing": ("gzip", b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_compression_is_400(server, name):
    encoding, body = BROKEN[name]
    response = asked(server, body, Content_Encoding=encoding)
    assert response.status_code == 400, response.text
    assert f"The request is not valid {encoding}: " in response.json()["error"] or (
        f"The request is not one complete {encoding} stream." in response.text
    )


@pytest.mark.parametrize("pack", [gzip.compress, deflated])
def test_a_small_request_that_is_large_inside_is_refused(server, pack):
    body = pack(b" " * 2**24)
    assert len(body) < LIMITS["max_request_bytes"]
    encoding = "gzip" if pack is gzip.compress else "deflate"
    response = asked(server, body, Content_Encoding=encoding)
    assert response.status_code == 429
    assert response.json()["error"].startswith(
        "The request is longer than 65,536 bytes. Expected a shorter one"
    )


def test_long_answers_are_compressed_if_the_client_can(server):
    body = json.dumps({"inputs": ["abc"], "signature_name": "vectors"})
    packed = asked(server, body, Accept_Encoding="gzip")
    plain = asked(server, body, Accept_Encoding="identity")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json() == {"outputs": [[1.0] * 2**18]}
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 100
    assert "Content-Encoding" not in asked(server, Accept_Encoding="gzip").headers


# --- Answers.


def test_answers_that_json_cannot_carry(server, monkeypatch):
    client = RestClient(server.url, "m")
    with pytest.raises(RuntimeError, match=r"500: The model's output .* has NaN"):
        client.predict("not_finite", texts=["a"])
    monkeypatch.setattr("bert_tf.serving.server.json_tensors._MOST_VALUES", 2**18)
    with pytest.raises(RuntimeError, match="429: The response has 524,288 values"):
        client.predict("vectors", texts=["a", "b"])


def test_an_error_of_the_model_is_told_to_the_log_alone(server, caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(RuntimeError, match=r"^500: Internal error; see the log"),
    ):
        RestClient(server.url, "m").predict("broken", texts=["a"])
    (record,) = caplog.records
    assert "a secret of the model" in record.exc_text


# --- Targets and heads.

TARGETS = {
    "absolute": "http://elsewhere:80/v1/models/m:predict",
    "absolute, large": "HTTP://elsewhere/v1/models/m:predict",
    "encoded": "/v1/models/%6d:predict",
    "encoded, all": "/%76%31/models/m%3Apredict",
    "query": "/v1/models/m:predict?a=b",
}


@pytest.mark.parametrize("name", TARGETS)
def test_targets_that_mean_the_model(server, name):
    received = exchanged(server, post(TARGETS[name]))
    assert (status_of(received), content_of(received)) == (200, ANSWER)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models/m:predict/",
        "/v1/models/m/:predict",
        "/v1/models/:predict",
        "/v1/models//m:predict",
        "/v1/models/m%2f..:predict",
        "/v1/models/m%0a:predict",
        "/v1/models/m%ff:predict",
        "/v1/models/",
        "/v1/models",
        "//v1/models/m:predict",
        "http://elsewhere",
        "*",
    ],
)
def test_targets_that_mean_nothing(server, target):
    received = exchanged(server, post(target))
    assert status_of(received) in (404, 405), received
    assert content_of(received)["error"].startswith(("Received ", "There is nothing"))


HEADS = {
    "HTTP/1.0": post(version="1.0"),
    "no type": post(),
    "a type of text": post("/v1/models/m:predict", "Content-Type: text/plain"),
    "a type that is none": post("/v1/models/m:predict", "Content-Type: ;;;"),
    "a form": post(
        "/v1/models/m:predict", "Content-Type: application/x-www-form-urlencoded"
    ),
    "the length twice": post("/v1/models/m:predict", "Content-Length: 22"),
    "chunks": post("/v1/models/m:predict", "Transfer-Encoding: chunked", body=None)
    + b'9\r\n{"instanc\r\nd\r\nes": ["abc"]}\r\n0\r\n\r\n',
    "an upgrade": post("/v1/models/m:predict", "Upgrade: h2c"),
    "a WebSocket": post("/v1/models/m:predict", "Upgrade: websocket"),
    "expecting to go on": post("/v1/models/m:predict", "Expect: 100-continue"),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_are_understood(server, name):
    received = exchanged(server, HEADS[name])
    received = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert (status_of(received), content_of(received)) == (200, ANSWER)


WRONG = {
    "lengths that differ": (post("/v1/models/m:predict", "Content-Length: 7"), 400),
    "a length that is none": (
        post("/v1/models/m:predict", "Content-Length: x", body=None),
        400,
    ),
    "a negative length": (
        post("/v1/models/m:predict", "Content-Length: -1", body=None),
        400,
    ),
    "a large head": (post("/v1/models/m:predict", "X: " + "x" * 2**20), 431),
    "many headers": (post("/v1/models/m:predict", *["X: y"] * 2**18), 431),
    "a large target": (post("/" + "x" * 2**20), 431),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "another transfer": (
        post("/v1/models/m:predict", "Transfer-Encoding: gzip", body=None),
        501,
    ),
    "chunks that are none": (
        post("/v1/models/m:predict", "Transfer-Encoding: chunked", body=None)
        + b"xyz\r\n",
        400,
    ),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 99 + b"\r\n", 400),
    "zeros": (b"\x00" * 99 + b"\r\n\r\n", 400),
    "not ASCII": ("GET /\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode(), 400),
}


@pytest.mark.parametrize("name", WRONG)
def test_heads_that_are_wrong(server, name, caplog):
    sent, status = WRONG[name]
    with caplog.at_level(logging.WARNING):
        received = exchanged(server, sent)
    assert status_of(received) == status, received
    error = content_of(received)["error"]
    assert error.startswith("The request cannot be read: "), error
    assert error.endswith(". Expected HTTP/1.1."), error
    assert not caplog.records
    assert asked(server).json() == ANSWER


def test_a_long_body_is_refused_before_it_is_sent(server):
    sent = post("/v1/models/m:predict", "Expect: 100-continue", body=None)
    sent = sent[:-2] + b"Content-Length: 99999999999999999999\r\n\r\n"
    received = exchanged(server, sent)
    assert received.startswith(b"HTTP/1.1 429 ")
    assert "is longer than 65,536 bytes" in content_of(received)["error"]


def test_requests_one_behind_the_other(server):
    first = post().replace(b"Connection: close\r\n", b"")
    received = exchanged(server, first * 3 + post())
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b'{"predictions') == 4
