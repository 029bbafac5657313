"""Connections that do nothing, or little: they end in time, and others get in."""

import contextlib
import json
import socket
import time

import grpc
import pytest
import requests

from bert_tf.serving.client import GrpcClient, RestClient
from tests.bert_tf.serving.server.running import until
from tests.bert_tf.serving.server.stub_server import stub_server

SECONDS = 0.5
HEAD = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /v1/models/m HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Starts a server with a time limit of half a second."""
    with contextlib.ExitStack() as stack:

        def start(**limits):
            limits = {"request_timeout_seconds": SECONDS, **limits}
            return stack.enter_context(stub_server(tmp_path, monkeypatch, **limits))

        yield start


@contextlib.contextmanager
def connected(server, sent=b"", port=None):
    with socket.create_connection((server.host, port or server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(sent)
        yield connection


def all_of(connection):
    """What comes until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(2**20):
            received += part
    return received


def error_in(received, status):
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), received
    assert b"connection: close" in head.lower()
    return json.loads(body)["error"]


def answered(connection):
    """Asks for the state of the model, and reads the whole answer."""
    connection.sendall(GET + b"\r\n")
    received = b""
    while not received.endswith(b"\n}"):
        received += connection.recv(2**16)
    assert received.startswith(b"HTTP/1.1 200")


# --- REST.

# A byte, half a line, half a head.
BEGUN = (b"G", b"GET /v1/mod", GET)


def test_half_a_head_is_given_up(served):
    server = served()
    with contextlib.ExitStack() as stack:
        begin = time.monotonic()
        connections = []
        for sent in BEGUN:
            first = stack.enter_context(connected(server, sent))
            # Behind a request that has been answered.
            second = stack.enter_context(connected(server))
            answered(second)
            second.sendall(sent)
            connections += [first, second]
        for connection in connections:
            assert error_in(all_of(connection), 408) == (
                "The head of the request was not received within 0.5 s. Expected "
                "it within this time."
            )
        assert time.monotonic() - begin < 4 * SECONDS


def test_a_head_that_comes_byte_by_byte_is_given_up(served):
    server = served()
    with connected(server) as connection:
        begin = time.monotonic()
        connection.settimeout(0.05)
        received = b""
        for byte in GET * 10:
            connection.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                received = connection.recv(2**16)
                break
        assert error_in(received, 408)
        assert time.monotonic() - begin < 3 * SECONDS


def test_a_connection_that_says_nothing_is_closed(served):
    server = served()
    with connected(server) as new, connected(server) as used:
        answered(used)
        assert all_of(new) == all_of(used) == b""


BODIES_BEGUN = (
    b"Content-Length: 9\r\n\r\n{",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
)


def test_a_body_that_does_not_come_is_given_up(served):
    server = served()
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(connected(server, HEAD + sent)) for sent in BODIES_BEGUN
        ]
        for connection in connections:
            received = all_of(connection)
            if received.startswith(b"HTTP/1.1 100"):
                received = received.partition(b"\r\n\r\n")[2]
            assert "not received and answered within 0.5 s" in error_in(received, 504)


LONG = b'{"signature_name": "long_answer", "inputs": [%s]}' % b",".join([b'""'] * 16)
ASKED = HEAD + b"Content-Length: %d\r\n" % len(LONG)
UNREAD = {
    "one": ASKED + b"\r\n" + LONG,
    "the last": ASKED + b"Connection: close\r\n\r\n" + LONG,
    "many": (ASKED + b"\r\n" + LONG) * 20,
}


@pytest.mark.slow
@pytest.mark.parametrize("requests_", UNREAD.values(), ids=UNREAD)
def test_an_answer_that_nobody_reads_is_given_up(served, requests_):
    server = served(max_connections=1, request_timeout_seconds=1)
    with socket.socket() as connection:
        connection.settimeout(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
        connection.connect((server.host, server.port))
        connection.sendall(requests_)
        assert connection.recv(99).startswith(b"HTTP/1.1 200")

        def gets_in():
            with contextlib.suppress(RuntimeError):
                return RestClient(server.url, "m").predict(texts=["abc"]) == [3]

        until(gets_in, "the only connection is free", 10)
        assert len(all_of(connection)) < 16 * 2**20


@pytest.mark.slow
def test_more_connections_are_refused_at_once_and_get_in_later(served):
    server = served(max_connections=4, request_timeout_seconds=1)
    url = f"{server.url}/v1/models/m"
    with contextlib.ExitStack() as stack:
        begin = time.monotonic()
        for sent in (b"", b"G", GET, HEAD + b"Content-Length: 9\r\n\r\n{"):
            stack.enter_context(connected(server, sent))
        for _ in range(20):
            response = requests.get(url, timeout=10)
            assert response.status_code == 503
            assert response.json() == {
                "error": "There are 4 connections already. Expected fewer: try later."
            }
        # Nor does one wait that says nothing, or too much.
        for sent in (b"", HEAD + b"Content-Length: 999999\r\n\r\n" + b"x" * 999_999):
            with connected(server) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(sent)
                assert "4 connections already" in error_in(all_of(connection), 503)
        assert time.monotonic() - begin < 1
        until(lambda: requests.get(url, timeout=10).status_code == 200, "it gets in", 5)


# --- gRPC.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def frame(kind, flags, content):
    return len(content).to_bytes(3) + bytes([kind, flags, 0, 0, 0, 1]) + content


def half_a_call():
    """Frames of HTTP/2 of a call whose message does not end."""
    headers = b""
    for name, value in (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/tensorflow.serving.PredictionService/Predict"),
        (":authority", "x"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ):
        # Literals, not indexed.
        for text in (name, value):
            headers += (b"\x00" if text is name else b"") + bytes([len(text)])
            headers += text.encode()
    return frame(1, 4, headers) + frame(0, 0, b"\x00\x00\x00\x00\x09\x0a")


@pytest.mark.slow
def test_half_of_what_grpc_sends_is_given_up(served):
    server = served(max_connections=8)
    port = int(server.address.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        connections = [
            stack.enter_context(connected(server, sent, port))
            for sent in (b"", PREFACE[:9], PREFACE, PREFACE + half_a_call())
        ]
        for connection in connections:
            all_of(connection)


@pytest.mark.slow
def test_grpc_has_room_after_half_calls(served):
    server = served(max_queued_requests=1, max_batch_size=1)
    port = int(server.address.rpartition(":")[2])
    client = GrpcClient(server.address, "m")
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connected(server, PREFACE + half_a_call(), port))

        def code():
            try:
                client.predict(texts=["a"])
            except grpc.RpcError as error:
                return error.code().name

        until(lambda: code() == "RESOURCE_EXHAUSTED", "all places are taken", 1)
        until(lambda: code() is None, "they are free", 5)


@pytest.mark.slow
def test_grpc_refuses_more_connections_and_lets_them_in_later(served):
    server = served(max_connections=2, request_timeout_seconds=1)
    port = int(server.address.rpartition(":")[2])
    client = GrpcClient(server.address, "m")
    with connected(server, PREFACE, port), connected(server, PREFACE, port):
        time.sleep(0.1)
        with pytest.raises(grpc.RpcError) as raised:
            client.predict(texts=["a"])
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE

        def gets_in():
            with contextlib.suppress(grpc.RpcError):
                return client.predict(texts=["a"])

        until(gets_in, "it gets in", 10)


@pytest.mark.slow
def test_a_client_of_grpc_loses_nothing_when_its_connection_is_renewed(served):
    server = served(request_timeout_seconds=0.3)
    client = GrpcClient(server.address, "m")
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert client.predict(texts=["abc"])["length"].tolist() == [3]
