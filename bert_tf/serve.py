"""A local server that speaks as TF Serving does, for development.

    python -m bert_tf.serve --model_base_path=saved_models/demo

REST on port 8501, gRPC on 8500, and a page to try the models at
http://127.0.0.1:8501. New versions in the folders are picked up.
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
        True, "Whether requests that arrive together are answered together."
    )
    max_batch_size: int = cli.option(64, "Rows of a batch, and of a request.")
    batch_timeout_micros: int = cli.option(
        0, "How long the first request of a batch waits for others."
    )
    max_queued_requests: int = cli.option(
        256, "Requests that may wait; more are refused: 429, RESOURCE_EXHAUSTED."
    )
    max_request_bytes: int = cli.option(
        2**18, "Size of a request, as it is sent and, if it is compressed, unpacked."
    )
    request_timeout_seconds: float = cli.option(
        30.0, "Request timeout, from arrival to response; and for the reading of it."
    )
    max_connections: int = cli.option(
        512, "Connections at once, of REST (more are refused: 503) and of gRPC."
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
                "ports."
            )

    def base_paths(self) -> dict[str, str]:
        """Folders by the names of the models.

        Raises:
            ValueError: two have the same name, or one has none that a URL can have.
        """
        found: dict[str, str] = {}
        for written in self.model_base_path:
            name, equals, path = written.partition("=")
            if not equals or "/" in name:
                # A folder without a name, which may have the sign in its own.
                name, path = "", written
            path = path.rstrip("/")
            name = name or posixpath.basename(path)
            if not path or name in found:
                raise ValueError(
                    f"Received model_base_path={','.join(self.model_base_path)}. "
                    "Expected FOLDER or NAME=FOLDER, each with another name."
                )
            try:
                require_model_name(name)
            except ValueError as error:
                raise ValueError(f"{error} Give it one by NAME={path}.") from None
            found[name] = path
        return found

    def limits(self) -> Limits:
        """Limits of requests.

        Raises:
            ValueError: one is not positive.
        """
        names = (field.name for field in dataclasses.fields(Limits))
        values = {name: getattr(self, name) for name in names}
        cli.require_positive(**values)
        return Limits(**values)


def main(options: ServeOptions) -> None:
    """Serves until SIGTERM or SIGINT, and answers the requests received until then."""
    print(
        "bert_tf.serve is for development: in production run TF Serving, for which "
        "bert_tf.export writes the files.",
        flush=True,
    )
    # Imported here: TensorFlow takes seconds.
    with extra("serve"):
        from bert_tf.serving.server import app
    # TensorFlow's half a million objects stay: to look for garbage without them takes a
    # third of the time, in which nothing is answered.
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
