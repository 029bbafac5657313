"""Ports: found taken before models are loaded, open when these can answer."""

import contextlib
import socket

import grpc
import pytest

from bert_tf.serving.client import GrpcClient, RestClient
from tests.bert_tf.serving.server.stub_server import Stub, stub_server


@pytest.fixture
def ports():
    """Two that are free."""
    with socket.socket() as one, socket.socket() as other:
        for found in (one, other):
            found.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def named(ports):
    return dict(zip(("rest_port", "grpc_port"), ports, strict=True))


def test_nobody_listens_before_models_can_answer(tmp_path, monkeypatch, ports):
    refused = []

    def load(path):
        for port in ports:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except ConnectionRefusedError:
                refused.append(port)
        return Stub().load(path)

    with stub_server(tmp_path, monkeypatch, load=load, **named(ports)) as server:
        assert refused == list(ports)
        assert RestClient(f"http://127.0.0.1:{ports[0]}", "m").predict(texts=["a"])
        assert GrpcClient(f"127.0.0.1:{ports[1]}", "m").predict(texts=["a"])
        assert server.port == ports[0]


@pytest.mark.parametrize("taken", [0, 1], ids=["rest_api_port", "port"])
@pytest.mark.parametrize("reuse", [0, 1])
def test_a_taken_port_is_reported_first(tmp_path, monkeypatch, ports, taken, reuse):
    loaded = []
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        other.bind(("127.0.0.1", ports[taken]))
        other.listen()
        option = ("rest_api_port", "port")[taken]
        message = (
            rf"Cannot listen on 127\.0\.0\.1:{ports[taken]} \(Address already in "
            rf"use\)\. Expected a free port: choose another with --{option}\."
        )
        with (
            pytest.raises(OSError, match=message),
            stub_server(tmp_path, monkeypatch, load=loaded.append, **named(ports)),
        ):
            pass
    assert not loaded


@pytest.mark.parametrize("taken", [0, 1], ids=["rest_api_port", "port"])
def test_a_port_taken_while_models_load(tmp_path, monkeypatch, ports, taken):
    with contextlib.ExitStack() as stack:

        def load(path):
            other = stack.enter_context(socket.socket())
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", ports[taken]))
            other.listen()
            return Stub().load(path)

        with (
            pytest.raises(OSError, match=rf"Cannot listen on 127.*:{ports[taken]} "),
            stub_server(tmp_path, monkeypatch, load=load, **named(ports)),
        ):
            pass


def test_a_port_is_free_again_after_the_server(tmp_path, monkeypatch, ports):
    for number in range(2):
        base = tmp_path / str(number)
        with stub_server(base, monkeypatch, **named(ports)) as server:
            assert RestClient(server.url, "m").predict(texts=["a"])
            assert GrpcClient(server.address, "m").predict(texts=["a"])


def test_an_address_of_ipv6(tmp_path, monkeypatch):
    with stub_server(tmp_path, monkeypatch, host="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.address.startswith("[::1]:")
        assert RestClient(server.url, "m").predict(texts=["a"]) == [1]
        assert GrpcClient(server.address, "m").predict(texts=["a"])


def test_a_model_that_cannot_be_loaded(tmp_path, monkeypatch):
    def load(path):
        if "/0/" in path:
            raise OSError("no model")
        return Stub().load(path)

    names = ("broken", "m")
    with stub_server(tmp_path, monkeypatch, names=names, load=load) as server:
        assert RestClient(server.url, "m").predict(texts=["abc"]) == [3]
        assert RestClient(server.url, "broken").status() == {1: "END"}
        with pytest.raises(
            RuntimeError, match="404: Received version any of the model"
        ):
            RestClient(server.url, "broken").predict(texts=["a"])
        with pytest.raises(grpc.RpcError) as raised:
            GrpcClient(server.address, "broken").predict(texts=["a"])
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
