"""Requests whose client has gone or waits no longer: they are not run."""

import asyncio
import contextlib
import json
import re
import socket
import time

import grpc
import pytest
import requests

from bert_tf.serving.client import GrpcClient, RestClient
from tests.bert_tf.serving.server.running import until
from tests.bert_tf.serving.server.stub_server import stub_server

BATCH_THREADS = 2


@pytest.fixture
def server(tmp_path, monkeypatch):
    with stub_server(tmp_path, monkeypatch, max_queued_requests=2) as running:
        yield running


def queued(server):
    page = requests.get(f"{server.url}/monitoring/prometheus/metrics", timeout=10).text
    return float(re.search(r"^bert_tf_queued_requests (.*)$", page, re.M)[1])


@contextlib.contextmanager
def sent(server, text):
    """A request over REST, whose client has not read the answer."""
    body = json.dumps({"signature_name": "wait", "instances": [text]}).encode()
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(
            b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        yield connection


@contextlib.contextmanager
def called(server, text):
    """The same over gRPC."""
    client = GrpcClient(server.address, "m")
    request = client._named(predict_request("wait", text))
    call = client._predictions.Predict.future(request, 10)
    yield call
    call.cancel()


def predict_request(signature, text):
    import tensorflow as tf
    from tensorflow_serving.apis.predict_pb2 import PredictRequest

    request = PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["texts"].CopyFrom(tf.make_tensor_proto([text]))
    return request


@contextlib.contextmanager
def busy(server):
    """All threads run a batch that does not end before the gate opens."""
    with contextlib.ExitStack() as stack:
        for number in range(BATCH_THREADS):
            stack.enter_context(sent(server, f"busy {number}"))
            until(lambda n=number: len(server.stub.waited) == n + 1, "a batch")
        yield


@pytest.mark.parametrize("send", [sent, called])
def test_a_client_that_leaves_leaves_the_queue(server, send):
    with busy(server):
        for _ in range(3):
            # The queue has two places, and is full each time.
            with send(server, "gone"), send(server, "gone"):
                until(lambda: queued(server) == 2, "two waiting")
            until(lambda: queued(server) == 0, "none waiting", 2)
        with send(server, "stays"):
            until(lambda: queued(server) == 1, "one waiting")
            server.stub.gate.set()
            until(lambda: len(server.stub.waited) == BATCH_THREADS + 1, "its turn")
    assert server.stub.waited[BATCH_THREADS:] == [b"stays"]


def test_a_full_queue_refuses_and_says_so(server):
    with busy(server), sent(server, "a"), called(server, "b"):
        until(lambda: queued(server) == 2, "two waiting")
        with pytest.raises(RuntimeError, match="429: 2 requests are waiting already"):
            RestClient(server.url, "m").predict(texts=["c"])
        with pytest.raises(grpc.RpcError) as raised:
            GrpcClient(server.address, "m").predict(texts=["c"])
        assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_client_s_own_deadline_ends_the_wait(server):
    client = GrpcClient(server.address, "m", timeout_seconds=0.2)
    with busy(server):
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as raised:
            client.predict("wait", texts=["late"])
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - begin < 2
        until(lambda: queued(server) == 0, "none waiting", 2)
        server.stub.gate.set()
        assert RestClient(server.url, "m").predict(texts=["abc"]) == [3]
    assert b"late" not in server.stub.waited


def test_the_server_s_time_ends_the_wait(tmp_path, monkeypatch):
    with (
        stub_server(tmp_path, monkeypatch, request_timeout_seconds=0.5) as server,
        sent(server, "a") as first,
        sent(server, "b") as second,
    ):
        until(lambda: len(server.stub.waited) == 2, "two batches")
        with pytest.raises(RuntimeError, match=r"504: The request was not .* 0\.5 s"):
            RestClient(server.url, "m").predict("wait", texts=["c"])
        with pytest.raises(grpc.RpcError) as raised:
            GrpcClient(server.address, "m").predict("wait", texts=["d"])
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "within 0.5 s" in raised.value.details()
        for connection in (first, second):
            assert connection.recv(99).startswith(b"HTTP/1.1 504")
        assert queued(server) == 0
        server.stub.gate.set()
        assert RestClient(server.url, "m").predict(texts=["abc"]) == [3]
        assert len(server.stub.waited) == 2


def test_long_requests_leave_a_thread_to_short_ones(server):
    long = "x" * 10_000
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(sent(server, long))
        until(lambda: len(server.stub.waited) == 1, "a batch")
        until(lambda: queued(server) == 1, "the other one waits")
        # They are of the same signature, and yet not answered together.
        assert RestClient(server.url, "m").predict(texts=["abc"]) == [3]
        with sent(server, "short"):
            until(lambda: b"short" in server.stub.waited, "its turn")
        server.stub.gate.set()
        until(lambda: queued(server) == 0, "the second long one")


def test_nothing_is_left_behind(server):
    """Neither tasks nor connections of clients that have gone."""
    loop = server.loop
    client = RestClient(server.url, "m")
    client.predict(texts=["a"])

    async def num_tasks():
        return len(asyncio.all_tasks())

    def tasks():
        return asyncio.run_coroutine_threadsafe(num_tasks(), loop).result(10)

    before = tasks()
    with busy(server):
        for _ in range(5):
            with sent(server, "gone"), called(server, "gone"):
                until(lambda: queued(server) == 2, "two waiting")
        server.stub.gate.set()
    until(lambda: tasks() <= before, "as many tasks as before")
