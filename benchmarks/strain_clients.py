"""Clients for the stress test: honest ones, slow ones, and those that hang up."""

import asyncio
import collections
import contextlib
import dataclasses
import json
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

MODEL = "strained"
# Seconds per byte of a slow client.
_BYTE_SECONDS = 1.0
_PAUSE_SECONDS = 0.02
# Pause of a client that hangs up; the server must keep up with it.
_ABSENT_SECONDS = 0.1
# A long response: the system buffers megabytes for a client that reads nothing.
_LONG_ANSWER = (
    f"GET /v1/models/{MODEL}/metadata HTTP/1.1\r\nHost: strain\r\n\r\n".encode()
)
_WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "the",
    "dog",
    "ran",
    "to",
    "home",
]


@dataclasses.dataclass
class Server:
    """Address of a server, and the time limit of its clients.

    Attributes:
        host, rest_port, grpc_port: address of the server.
        patience: seconds after which a request or a connection counts as lost.
    """

    host: str
    rest_port: int
    grpc_port: int
    patience: float

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a REST connection."""
        opening = asyncio.open_connection(self.host, self.rest_port)
        return await asyncio.wait_for(opening, self.patience)

    @contextlib.asynccontextmanager
    async def calls(self) -> AsyncIterator[Callable[[], grpc.aio.UnaryUnaryCall]]:
        """Yields a function that starts a gRPC call, on a separate connection."""
        address = f"{self.host}:{self.grpc_port}"
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            yield lambda: stub.Predict(_message(), timeout=self.patience)


@dataclasses.dataclass
class Tally:
    """Counts of the responses that clients received.

    Attributes:
        seconds: latency of each answer.
        refused: number of requests refused with a message, by status.
        lost: number of requests without an answer or message, by what came instead.
    """

    seconds: list[float] = dataclasses.field(default_factory=list)
    refused: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    lost: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    async def count(self, asked: Awaitable[tuple[str, bool]], patience: float) -> bool:
        """Waits for a response and counts it; returns True if it is an answer.

        Args:
            asked: gives "" for an answer or else the status, and whether there is a
                message.
            patience: see `Server`.
        """
        begin = time.perf_counter()
        try:
            status, has_words = await asyncio.wait_for(asked, patience)
        except TimeoutError:
            self.lost["no answer"] += 1
        except (OSError, EOFError) as error:
            self.lost[type(error).__name__] += 1
        else:
            if not status:
                self.seconds.append(time.perf_counter() - begin)
                return True
            (self.refused if has_words else self.lost)[status] += 1
        return False


class RestClient:
    """REST connection that is reopened when the server closes it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> tuple[str, bool]:
        """Requests a prediction; see `Tally.count`."""
        if self._streams is None:
            self._streams = await self._server.connect()
        reader, writer = self._streams
        try:
            # If the server refused before the request was sent, the reason can be read.
            with contextlib.suppress(ConnectionError):
                writer.write(_request())
                await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            content = await reader.readexactly(length)
        except BaseException:
            self.close()
            raise
        if b"connection: close" in head:
            self.close()
        status = head.split()[1].decode()
        if status == "200" and b'"predictions"' in content:
            return "", True
        return status, status in ("429", "503") and _has_words(content)

    def close(self) -> None:
        """Closes the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def ask_grpc(call: grpc.aio.UnaryUnaryCall) -> tuple[str, bool]:
    """Waits for the response to a call; see `Tally.count`."""
    try:
        response = await call
    except grpc.aio.AioRpcError as error:
        status, words = error.code().name, str(error.details())
        if status == "RESOURCE_EXHAUSTED" and words:
            return status, True
        return f"{status} ({words[:80]})", False
    return ("", True) if response.outputs else ("no outputs", False)


@contextlib.asynccontextmanager
async def honest(server: Server, num_clients: int) -> AsyncIterator[Tally]:
    """Runs clients of both APIs that send a request, wait for the answer, and pause."""
    tally, stopped = Tally(), asyncio.Event()

    async def by_rest() -> None:
        client = RestClient(server)
        while not stopped.is_set():
            await tally.count(client.ask(), server.patience)
            await asyncio.sleep(_PAUSE_SECONDS)
        client.close()

    async def by_grpc() -> None:
        async with server.calls() as call:
            while not stopped.is_set():
                await tally.count(ask_grpc(call()), server.patience)
                await asyncio.sleep(_PAUSE_SECONDS)

    async with asyncio.TaskGroup() as group:
        for number in range(num_clients):
            group.create_task((by_rest, by_grpc)[number % 2]())
        try:
            yield tally
        finally:
            stopped.set()


async def slow_writer(server: Server, *, has_head: bool) -> bool:
    """Sends the headers, or the body after the headers, a byte at a time.

    Returns:
        Whether the server closed the connection.
    """
    request = _request()
    start = request.index(b"\r\n\r\n") + 4 if has_head else 0
    reader, writer = await server.connect()
    with _closing(writer):
        end = time.monotonic() + server.patience
        writer.write(request[:start])
        for byte in _bytes(request[start:]):
            if time.monotonic() > end:
                return False
            try:
                writer.write(byte)
                await asyncio.wait_for(reader.read(1), _BYTE_SECONDS)
                return True
            except TimeoutError:
                continue
            except ConnectionError:
                return True
    return False


async def deaf(server: Server) -> bool:
    """Requests more long responses than the system buffers, and reads none.

    Returns:
        Whether the server closed the connection.
    """
    # A small buffer set before connecting keeps the buffer of the server small, too.
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(small, (server.host, server.rest_port))
    _, writer = await asyncio.open_connection(sock=small, limit=1)
    with _closing(writer):
        end = time.monotonic() + server.patience
        writer.write(_LONG_ANSWER * 200)
        while time.monotonic() < end:
            writer.write(_LONG_ANSWER * 16)
            await asyncio.sleep(_BYTE_SECONDS)
            if writer.transport.is_closing():
                return True
    return False


async def hang_up(server: Server) -> None:
    """Aborts a request in its headers, in its body, or before the response."""
    await asyncio.sleep(_ABSENT_SECONDS)
    request = _request()
    part = random.choice((0.1, 0.9, 1.0))
    with contextlib.suppress(OSError):
        _, writer = await server.connect()
        if random.random() < 0.5:
            # Closes with a reset (RST) instead of FIN.
            writer.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        writer.write(request[: int(len(request) * part)])
        await asyncio.sleep(random.random() * 0.02)
        writer.close()


async def cancel(call: grpc.aio.UnaryUnaryCall) -> None:
    """Cancels a call before or just after its response."""
    await asyncio.sleep(random.random() * 0.02)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
        await call
    await asyncio.sleep(_ABSENT_SECONDS)


@contextlib.contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()


def _bytes(content: bytes) -> Iterator[bytes]:
    return (content[place : place + 1] for place in range(len(content)))


def _text() -> str:
    return " ".join(random.choices(_WORDS, k=random.randint(1, 60)))


def _request() -> bytes:
    body = json.dumps({"instances": [_text()]}).encode()
    head = (
        f"POST /v1/models/{MODEL}:predict HTTP/1.1\r\nHost: strain\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _message() -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = MODEL
    message.inputs["texts"].CopyFrom(tf.make_tensor_proto([_text()]))
    return message


def _has_words(content: bytes) -> bool:
    try:
        return bool(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return False
