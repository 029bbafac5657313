"""A local server that speaks as TF Serving does, for development.

    python -m bert_tf.serve --model_base_path=saved_models/demo

REST on port 8501, gRPC on 8500, and a page to try the models at
http://127.0.0.1:8501. New versions in the folders are picked up.
"""

import dataclasses
import os
import posixpath
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from data_pipelines.programs import cli


@dataclasses.dataclass(frozen=True)
class ServeOptions:
    """What the program can be told."""

    model_base_path: tuple[str, ...] = cli.option(
        cli.REQUIRED,
        "Folders of models, each with a folder for each version; a model is served "
        "under the name of its folder, or, of NAME=FOLDER, under NAME.",
    )
    host: str = cli.option(
        "127.0.0.1", "Where it listens; 0.0.0.0 is everywhere, for everyone."
    )
    rest_api_port: int = cli.option(8501, "Of REST and the page; 0: any free one.")
    port: int = cli.option(8500, "Of gRPC; 0: any free one.")
    enable_batching: bool = cli.option(
        True, "Whether requests that arrive together are answered together."
    )
    max_batch_size: int = cli.option(64, "Rows of a batch, and of a request.")
    batch_timeout_micros: int = cli.option(
        0, "How long the first request of a batch waits for others."
    )
    num_batch_threads: int = cli.option(2, "Batches that run at once.")
    max_queued_requests: int = cli.option(
        256, "Requests that may wait; more are refused: 429, RESOURCE_EXHAUSTED."
    )
    max_request_bytes: int = cli.option(2**18, "Of a request, as it is sent.")
    request_timeout_seconds: float = cli.option(30.0, "From arrival to answer.")
    max_connections: int = cli.option(512, "Of REST, at once; more are refused: 503.")
    file_system_poll_wait_seconds: float = cli.option(
        1.0, "Between two looks for new versions."
    )

    def __post_init__(self) -> None:
        positive = {
            "max_batch_size": self.max_batch_size,
            "num_batch_threads": self.num_batch_threads,
            "max_queued_requests": self.max_queued_requests,
            "max_request_bytes": self.max_request_bytes,
            "request_timeout_seconds": self.request_timeout_seconds,
            "max_connections": self.max_connections,
            "file_system_poll_wait_seconds": self.file_system_poll_wait_seconds,
        }
        for name, value in positive.items():
            if value <= 0:
                raise ValueError(f"Received {name}={value}. Expected more than 0.")
        if self.batch_timeout_micros < 0:
            raise ValueError(
                f"Received batch_timeout_micros={self.batch_timeout_micros}. Expected "
                "0 or more."
            )

    def base_paths(self) -> dict[str, str]:
        """Of each model, by its name.

        Raises:
            ValueError: two have the same name, or one has none.
        """
        found: dict[str, str] = {}
        for written in self.model_base_path:
            name, _, path = written.rpartition("=")
            path = path.rstrip("/")
            name = name or posixpath.basename(path)
            if not name or not path or name in found:
                raise ValueError(
                    f"Received model_base_path={','.join(self.model_base_path)}. "
                    "Expected FOLDER or NAME=FOLDER, each with another name."
                )
            found[name] = path
        return found


def main(options: ServeOptions, load: Callable[[str], Any] | None = None) -> int:
    """Serves until SIGTERM or SIGINT, and answers what it has been asked till then.

    Args:
        options: of the server.
        load: makes a model of the path of a version; None: that is a SavedModel.
    """
    _say(
        "bert_tf.serve is for development: in production run TF Serving, for which "
        "bert_tf.export writes the files."
    )
    # Late: TensorFlow takes seconds, and the servers are an extra.
    import tensorflow as tf

    try:
        import uvicorn

        from bert_tf.serving.server.batching import Batcher
        from bert_tf.serving.server.grpc_services import grpc_server
        from bert_tf.serving.server.inference import Inference, Limits
        from bert_tf.serving.server.monitoring import Monitoring
        from bert_tf.serving.server.rest import application
        from bert_tf.serving.server.saved_model import LoadedSavedModel
        from bert_tf.serving.server.served_models import ServedModels
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{error.name} is not installed. Expected the packages of the server: pip "
            "install 'bert-tf[serve]'."
        ) from None

    base_paths = _existing(options.base_paths(), tf.io.gfile.isdir)
    monitoring = Monitoring()
    models = ServedModels(base_paths, _say, load or LoadedSavedModel)
    batcher = Batcher(
        options.max_batch_size if options.enable_batching else 0,
        options.batch_timeout_micros / 1e6,
        options.max_queued_requests,
        options.num_batch_threads,
        monitoring.batch,
    )
    monitoring.gauge(
        "bert_tf_queued_requests",
        "Requests that wait for a batch.",
        lambda: batcher.num_queued,
    )
    limits = Limits(
        options.max_batch_size,
        options.max_request_bytes,
        options.request_timeout_seconds,
    )
    inference = Inference(models, batcher, limits, monitoring)
    # The ports first: a taken one is said before models are loaded.
    most = options.max_queued_requests + options.max_batch_size
    rpc, port = grpc_server(inference, f"{options.host}:{options.port}", most)
    listening = _listen(options.host, options.rest_api_port)
    models.poll()
    every = options.file_system_poll_wait_seconds
    threading.Thread(target=models.watch, args=(every,), daemon=True).start()
    rpc.start()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            rest_port = listening.getsockname()[1]
            _say(
                f"Listening: http://{options.host}:{rest_port} (REST and the page), "
                f"{options.host}:{port} (gRPC)."
            )

    seconds = max(1, int(options.request_timeout_seconds))
    server = Server(
        uvicorn.Config(
            application(inference),
            log_level="warning",
            access_log=False,
            limit_concurrency=options.max_connections,
            timeout_keep_alive=seconds,
            timeout_graceful_shutdown=seconds,
            ws="none",
            lifespan="off",
        )
    )
    # uvicorn ends at these, and then sends them once more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[listening])
    finally:
        _say("Shutting down.")
        rpc.stop(options.request_timeout_seconds).wait()
        batcher.stop()
        models.stop()
    # A thread of gRPC or TensorFlow must not keep the process.
    os._exit(0)


def _say(line: str) -> None:
    print(line, flush=True)


def _existing(
    base_paths: dict[str, str], is_folder: Callable[[str], bool]
) -> dict[str, str]:
    for name, path in base_paths.items():
        if not is_folder(path):
            raise FileNotFoundError(
                f"There is no folder {path} for the model {name}. Expected one with a "
                "folder for each version: run bert_tf.export."
            )
    return base_paths


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol said: asyncio turns Nagle's algorithm off for such sockets
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


if __name__ == "__main__":
    cli.run(ServeOptions, main, __doc__)
