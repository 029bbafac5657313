"""The server in this process, with models that are functions."""

import asyncio
import contextlib
import gc
import re
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from bert_tf.serving.server import app
from bert_tf.serving.server.limits import Limits
from bert_tf.serving.server.saved_model import Signature


def signature(name, function, method="predict", **inputs):
    """A signature whose graph is a function of tensors.

    Args:
        name: of the signature.
        function: takes tensors by name, and gives them by name.
        method: its API.
        inputs: type and shape of each.
    """
    definition = meta_graph_pb2.SignatureDef()
    definition.method_name = f"tensorflow/serving/{method}"
    for key, (dtype, shape) in inputs.items():
        info = definition.inputs[key]
        info.dtype = dtype.as_datatype_enum
        info.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return Signature(name, definition, function)


class Stub:
    """What is served: the length of texts; others on the way.

    Attributes:
        gate: while it is closed, the signature `wait` does not answer.
        waited: the texts that it was run with.
    """

    def __init__(self):
        self.gate = threading.Event()
        self.waited = []

    def load(self, path):
        texts = {"texts": (tf.string, [None])}
        numbers = {"numbers": (tf.float32, [None, 2])}
        found = [
            signature("serving_default", self._length, **texts),
            signature("numbers", lambda numbers: {"doubled": 2 * numbers}, **numbers),
            signature("vectors", self._vectors, **texts),
            signature("long_answer", self._long_answer, **texts),
            signature("wait", self._wait, **texts),
            signature("broken", self._broken, **texts),
            signature("not_finite", self._not_finite, **texts),
        ]
        return types.SimpleNamespace(signatures={s.name: s for s in found})

    def _length(self, texts):
        return {"length": tf.strings.length(texts)}

    def _vectors(self, texts):
        """A megabyte for each text."""
        return {"vectors": tf.ones([len(texts), 2**18])}

    def _long_answer(self, texts):
        """A text of a megabyte for each."""
        return {"text": tf.fill([len(texts)], "x" * 2**20)}

    def _wait(self, texts):
        self.waited.extend(texts.numpy().tolist())
        self.gate.wait(20)
        return {"length": tf.strings.length(texts)}

    def _broken(self, texts):
        raise KeyError("a secret of the model")

    def _not_finite(self, texts):
        return {"number": tf.fill([len(texts)], float("nan"))}


class StubServer:
    """A server that runs.

    Attributes:
        url: of REST; `host`, `port` of it.
        address: of gRPC.
        stub: the model.
        loop: in which it runs.
    """

    def __init__(self, stub, loop, line):
        found = re.search(r"http://(\S+):(\d+) \(.*page\), (\S+) \(gRPC\)", line)
        self.stub, self.loop = stub, loop
        self.host, self.port, self.address = found[1], int(found[2]), found[3]
        self.url = f"http://{self.host}:{self.port}"


LIMITS = {
    "max_batch_size": 16,
    "max_queued_requests": 16,
    "max_request_bytes": 2**16,
    "request_timeout_seconds": 10,
    "max_connections": 64,
}


@contextlib.contextmanager
def stub_server(
    base,
    monkeypatch,
    names=("m",),
    load=None,
    host="127.0.0.1",
    rest_port=0,
    grpc_port=0,
    **limits,
):
    """Serves stubs under the names, from folders that it makes below `base`.

    `load`, if it is given, makes a model of a path, and may fail.
    """
    paths = {}
    for number, name in enumerate(names):
        (base / str(number) / "1").mkdir(parents=True)
        paths[name] = str(base / str(number))
    stub = Stub()
    lines, stopping = [], []
    listening = threading.Event()

    def say(line):
        lines.append(line)
        if "(gRPC)" in line:
            listening.set()

    async def serve():
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        await app.serve(
            paths,
            Limits(**{**LIMITS, **limits}),
            host=host,
            rest_port=rest_port,
            grpc_port=grpc_port,
            enable_batching=True,
            batch_timeout_seconds=0,
            load=load or stub.load,
            until=stop.wait,
        )

    monkeypatch.setattr(app, "_report", say)
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(asyncio.run, serve())
        served.add_done_callback(lambda _: listening.set())
        try:
            assert listening.wait(20)
            if served.done():
                served.result()
            yield StubServer(stub, stopping[0][0], lines[-1])
        finally:
            stub.gate.set()
            loop, stop = stopping[0]
            if not served.done():
                loop.call_soon_threadsafe(stop.set)
            served.result(20)
            # gRPC frees its objects here, and not in the middle of another test.
            gc.collect()
