"""The development server: models, batches, REST and gRPC in one process."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn

from bert_tf.serving.server.batching import Batcher
from bert_tf.serving.server.grpc_services import grpc_server
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.limits import Limits
from bert_tf.serving.server.monitoring import Monitoring
from bert_tf.serving.server.rest import application as rest_application
from bert_tf.serving.server.saved_model import LoadedSavedModel
from bert_tf.serving.server.served_models import ServedModels
from data_pipelines.files.paths import is_folder

# Batches that run at once, and seconds between checks for new versions.
_NUM_BATCH_THREADS = 2
_POLL_SECONDS = 1.0


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
) -> None:
    """Serves until SIGTERM or SIGINT, and answers the requests received until then.

    Args:
        base_paths: folders with a folder for each version, by the names of models.
        limits: beyond which requests are refused.
        host: the address to listen on.
        rest_port, grpc_port: of the two APIs; 0: any free one.
        enable_batching: whether requests that arrive together are answered together.
        batch_timeout_seconds: how long the first request of a batch waits for others.
        load: makes a model of the path of a version.

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
    models = ServedModels(base_paths, _say, load)
    inference = Inference(models, batcher, limits, monitoring)
    # The ports first: a taken one is reported before models are loaded.
    rpc, grpc_port = grpc_server(inference, f"{host}:{grpc_port}")
    listening = _listen(host, rest_port)
    await models.poll()
    watcher = asyncio.create_task(models.watch(_POLL_SECONDS))
    await rpc.start()
    rest = _rest_server(rest_application(inference), limits)
    # For signals before uvicorn has handlers of its own. When it ends, it sends those
    # that it received once more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(rest, "should_exit", True))
    _say(
        f"Listening: http://{host}:{listening.getsockname()[1]} (REST and the page), "
        f"{host}:{grpc_port} (gRPC)."
    )
    try:
        await rest.serve(sockets=[listening])
    finally:
        _say("Shutting down.")
        await rpc.stop(limits.request_timeout_seconds)
        watcher.cancel()


def _rest_server(application: Any, limits: Limits) -> uvicorn.Server:
    seconds = max(1, int(limits.request_timeout_seconds))
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        limit_concurrency=limits.max_connections,
        timeout_keep_alive=seconds,
        timeout_graceful_shutdown=seconds,
        ws="none",
        lifespan="off",
    )
    return uvicorn.Server(config)


def _say(line: str) -> None:
    print(line, flush=True)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is given: asyncio turns Nagle's algorithm off for such sockets
    # alone, and with it an answer waits 40 ms for the client's acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        return listening
    except OSError as error:
        listening.close()
        raise OSError(
            f"Cannot listen on {host}:{port} ({error.strerror}). Expected a free port: "
            "choose another by --rest_api_port."
        ) from None
