"""Serves models through the APIs of TF Serving, for development.

    python -m bert_tf.serve --model_base_path=saved_models/demo

It serves REST on port 8501, gRPC on 8500, and a web page to try the models at
http://127.0.0.1:8501. New versions in the folders are loaded as they appear.
"""

import asyncio
import dataclasses
import gc
import posixpath

from bert_tf.serving.model_names import require_model_name
from bert_tf.serving.server.limits import Limits
from data_pipelines.programs import cli
from data_pipelines.programs.extras import extra


@dataclasses.dataclass(frozen=True)
class ServeOptions:
    """Options of the program."""

    model_base_path: tuple[str, ...] = cli.option(
        cli.REQUIRED,
        "Folders of models, each with a folder for each version; a model is served "
        "under the name of its folder, or, for NAME=FOLDER, under NAME.",
    )
    host: str = cli.option(
        "127.0.0.1", "Address to listen on; 0.0.0.0 opens it to the network."
    )
    rest_api_port: int = cli.option(
        8501, "Port for REST and the web page; 0 picks a free one."
    )
    port: int = cli.option(8500, "Port for gRPC; 0 picks a free one.")
    enable_batching: bool = cli.option(
        True, "Whether requests that arrive together are answered in one batch."
    )
    max_batch_size: int = cli.option(
        64, "Maximum number of rows of a batch, and of a request."
    )
    batch_timeout_micros: int = cli.option(
        0, "Microseconds that the first request of a batch waits for others."
    )
    max_queued_requests: int = cli.option(
        256,
        "Maximum number of waiting requests; more are refused (429, "
        "RESOURCE_EXHAUSTED).",
    )
    max_request_bytes: int = cli.option(
        2**18, "Maximum size of a request, both as received and decompressed."
    )
    request_timeout_seconds: float = cli.option(
        30.0,
        "Request timeout, from arrival to response; also the time for a client to "
        "read a response.",
    )
    max_connections: int = cli.option(
        512,
        "Maximum number of simultaneous connections of REST (more are refused: 503), "
        "and of gRPC.",
    )

    def __post_init__(self) -> None:
        if self.batch_timeout_micros < 0:
            raise ValueError(
                f"Received batch_timeout_micros={self.batch_timeout_micros}. Expected "
                "0 or more."
            )
        if self.port == self.rest_api_port != 0:
            raise ValueError(
                f"Received {self.port} as port and as rest_api_port. Expected two "
                "different ports."
            )

    def base_paths(self) -> dict[str, str]:
        """The folders, by the names of the models.

        Raises:
            ValueError: two models have the same name, or a name cannot be in a URL.
        """
        found: dict[str, str] = {}
        for written in self.model_base_path:
            name, equals, path = written.partition("=")
            if not equals or "/" in name:
                # A folder without NAME=, whose path may contain the sign.
                name, path = "", written
            path = path.rstrip("/")
            name = name or posixpath.basename(path)
            if not path or name in found:
                raise ValueError(
                    f"Received model_base_path={','.join(self.model_base_path)}. "
                    "Expected FOLDER or NAME=FOLDER, each with a distinct name."
                )
            try:
                require_model_name(name)
            except ValueError as error:
                raise ValueError(f"{error} Use NAME={path} to name it.") from None
            found[name] = path
        return found

    def limits(self) -> Limits:
        """The limits of requests.

        Raises:
            ValueError: a limit is not positive.
        """
        names = (field.name for field in dataclasses.fields(Limits))
        values = {name: getattr(self, name) for name in names}
        cli.require_positive(**values)
        return Limits(**values)


def main(options: ServeOptions) -> None:
    """Serves until SIGTERM or SIGINT, and answers the requests received until then."""
    print(
        "bert_tf.serve is for development. In production, run TF Serving, for which "
        "bert_tf.export writes the files.",
        flush=True,
    )
    # Imported here: TensorFlow takes seconds to load.
    with extra("serve"):
        from bert_tf.serving.server import app
    # Excluding TensorFlow's half a million objects from garbage collection cuts its
    # pauses, in which no request is answered, to a third.
    gc.freeze()
    asyncio.run(
        app.serve(
            options.base_paths(),
            options.limits(),
            host=options.host,
            rest_port=options.rest_api_port,
            grpc_port=options.port,
            enable_batching=options.enable_batching,
            batch_timeout_seconds=options.batch_timeout_micros / 1e6,
        )
    )


if __name__ == "__main__":
    cli.run(ServeOptions, main, __doc__)
