"""The development server: models, batches, REST and gRPC in one process."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import uvicorn

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.grpc_services import grpc_server
from bert_tf.serving.server.http_protocol import BoundedProtocol
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.limits import Limits
from bert_tf.serving.server.monitoring import Monitoring
from bert_tf.serving.server.rest import application as rest_application
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.server.served_models import ServedModels
from data_pipelines.files.paths import is_folder

# The number of batches that run at once, and seconds between checks for new versions.
_NUM_BATCH_THREADS = 2
_POLL_SECONDS = 1.0


async def _until_signal() -> None:
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()
    # uvicorn's own handlers replace these, and at the end raise the signal again.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(signalled.set))
    await signalled.wait()


async def serve(
    base_paths: Mapping[str, str],
    limits: Limits,
    *,
    host: str,
    rest_port: int,
    grpc_port: int,
    enable_batching: bool,
    batch_timeout_seconds: float,
    load: Callable[[str], Any] = LoadedSavedModel,
    until: Callable[[], Awaitable[object]] = _until_signal,
) -> None:
    """Serves until SIGTERM or SIGINT, and answers the requests received until then.

    As in TF Serving, the ports open once each model is loaded or has failed: until
    then, the system refuses clients and probes.

    Args:
        base_paths: a folder for each model, by name, with a folder for each version.
        limits: limits beyond which requests are refused.
        host: the address to listen on.
        rest_port, grpc_port: the ports of the two APIs; 0 for any free one.
        enable_batching: whether requests that arrive together are batched.
        batch_timeout_seconds: how long the first request of a batch waits for others.
        load: loads a model from the path of a version.
        until: returns when the server should stop.

    Raises:
        FileNotFoundError: a folder is missing.
        OSError: a port is taken.
    """
    for name, path in base_paths.items():
        if not is_folder(path):
            raise FileNotFoundError(
                f"There is no folder {path} for the model {name}. Expected one with a "
                "folder for each version: run bert_tf.export."
            )
    monitoring = Monitoring(lambda: batcher.num_queued)
    batcher = Batcher(
        limits.max_batch_size if enable_batching else 0,
        batch_timeout_seconds,
        limits.max_queued_requests,
        _NUM_BATCH_THREADS,
        monitoring.batch,
    )
    models = ServedModels(base_paths, _report, load)
    inference = Inference(models, batcher, limits, monitoring)
    in_url = f"[{host}]" if ":" in host else host
    # A port that is in use is reported before models are loaded.
    with _bound(host, rest_port, "rest_api_port") as listening:
        with _bound(host, grpc_port, "port") as reserved:
            await models.poll()
            with _reporting(host, rest_port, "rest_api_port"):
                listening.listen(1024)
            # Since nothing listens there, gRPC can bind the reserved port, too.
            rpc_address = f"{in_url}:{reserved.getsockname()[1]}"
            rpc = grpc_server(inference, rpc_address)
        rest = _rest_server(rest_application(inference), limits)
        # These tasks start while gRPC starts, so that signals are handled before the
        # server reports that it is listening.
        watcher = asyncio.create_task(models.watch(_POLL_SECONDS))
        stopping = asyncio.create_task(_stop(rest, until))
        await rpc.start()
        _report(
            f"Listening: http://{in_url}:{listening.getsockname()[1]} (REST and the "
            f"page), {rpc_address} (gRPC)."
        )
        try:
            await rest.serve(sockets=[listening])
        finally:
            _report("Shutting down.")
            await rpc.stop(limits.request_timeout_seconds)
            watcher.cancel()
            stopping.cancel()


async def _stop(rest: uvicorn.Server, until: Callable[[], Awaitable[object]]) -> None:
    await until()
    rest.should_exit = True


def _rest_server(application: Any, limits: Limits) -> uvicorn.Server:
    config = uvicorn.Config(
        application,
        http=BoundedProtocol,
        # Errors of clients are reported to them, and not logged.
        log_level="error",
        access_log=False,
        limit_concurrency=limits.max_connections,
        ws="none",
        lifespan="off",
    )
    # uvicorn declares these as integers, but accepts any number.
    seconds: Any = limits.request_timeout_seconds
    config.timeout_keep_alive = config.timeout_graceful_shutdown = seconds
    return uvicorn.Server(config)


def _report(line: str) -> None:
    print(line, flush=True)


def _bound(host: str, port: int, option: str) -> socket.socket:
    """Makes a bound socket that does not listen yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets with an explicit protocol;
    # otherwise a response waits 40 ms for the client's acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with _reporting(host, port, option):
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
    return bound


@contextlib.contextmanager
def _reporting(host: str, port: int, option: str) -> Iterator[None]:
    """Reports a port that is in use, and the option to choose another."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Expected a free port: "
            f"choose another with --{option}."
        ) from None
