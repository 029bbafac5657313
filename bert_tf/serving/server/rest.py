"""TF Serving's REST API, Prometheus' page, and the web page."""

import asyncio
import contextlib
import functools
import logging
import pathlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, request_response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bert_tf.serving.server import json_tensors
from bert_tf.serving.server.errors import (
    HTTP_STATUS,
    INTERNAL,
    RequestError,
    invalid,
)
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.request_body import ENCODINGS, UnknownEncoding, read_body
from bert_tf.serving.server.saved_model import Arrays, Signature

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+))?"
    r"(?:/(?P<describe>metadata)|:(?P<ask>[a-z]+))?"
)
_PAGE = pathlib.Path(__file__).parent / "page"
_METHODS = {
    "status": ("GET", "HEAD"),
    "metadata": ("GET", "HEAD"),
    "predict": ("POST",),
    "classify": ("POST",),
    "regress": ("POST",),
}
# Compressing smaller responses takes longer than it saves.
_COMPRESSED_BYTES = 2**14
_LOGGER = logging.getLogger(__name__)


def application(inference: Inference) -> Starlette:
    """The ASGI application."""
    found = Starlette(
        routes=[
            Route("/models", _models),
            Route("/monitoring/prometheus/metrics", _metrics),
            # A Route would refuse HTTP methods that it does not know.
            Mount("/v1/models", request_response(_api)),
            Route("/", _page),
            Mount("/", StaticFiles(directory=_PAGE)),
        ],
        middleware=[
            Middleware(_OriginForm),
            Middleware(GZipMiddleware, minimum_size=_COMPRESSED_BYTES, compresslevel=1),
        ],
        exception_handlers={404: _unknown, 405: _wrong_method},
    )
    found.state.inference = inference
    return found


class _OriginForm:
    """Removes the scheme and the host from a request target, as sent to proxies."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = re.match(r"https?://[^/]*(.*)", scope["path"], re.I | re.S)
        if found:
            scope = {**scope, "path": found[1] or "/"}
        await self._app(scope, receive, send)


async def _page(request: Request) -> Response:
    return FileResponse(_PAGE / "index.html")


async def _models(request: Request) -> Response:
    available = request.app.state.inference.models.available().values()
    return JSONResponse(
        [
            {
                "name": version.name,
                "version": version.number,
                "signatures": sorted(version.model.signatures),
            }
            for version in available
            if version.model is not None
        ]
    )


async def _metrics(request: Request) -> Response:
    monitoring = request.app.state.inference.monitoring
    return Response(monitoring.page(), media_type=monitoring.content_type)


async def _unknown(request: Request, error: Exception) -> Response:
    return _error(404, f"There is nothing at {request.url.path[:200]!r}.")


async def _wrong_method(request: Request, error: Exception) -> Response:
    return _refused_method(request, ("GET", "HEAD"))


def _refused_method(request: Request, methods: Sequence[str]) -> Response:
    allowed = ", ".join(methods)
    return _error(
        405,
        f"Received {request.method[:20]} for {request.url.path[:200]!r}. Expected "
        f"{allowed}.",
        {"Allow": allowed},
    )


def _error(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse({"error": message}, status, headers)


async def _api(request: Request) -> Response:
    inference: Inference = request.app.state.inference
    begin = time.monotonic()
    method = "status"
    response = _error(500, INTERNAL)
    try:
        found = _PATH.fullmatch(request.url.path)
        if found is None:
            raise RequestError(
                "NOT_FOUND",
                f"Received {request.url.path[:200]!r}. Expected /v1/models/NAME"
                "[/versions/NUMBER][:predict|:classify|:regress|/metadata].",
            )
        received = found["ask"] or found["describe"] or method
        if received not in _METHODS:
            raise invalid(
                f"Received {received[:50]!r}. Expected predict, classify or regress."
            )
        method = received
        name, number = found["model"], _number(found["version"])
        if request.method not in _METHODS[method]:
            response = _refused_method(request, _METHODS[method])
        elif found["ask"]:
            response = await _answer(request, inference, name, number, method)
        else:
            response = _describe(inference, name, number, method)
    except RequestError as error:
        # The rest of a request that was not received in time is not read.
        is_late = error.code == "DEADLINE_EXCEEDED"
        headers = {"Connection": "close"} if is_late else None
        response = _error(HTTP_STATUS[error.code], error.message, headers)
    except UnknownEncoding as error:
        response = _error(415, str(error), {"Accept-Encoding": ENCODINGS})
    except ClientDisconnect:
        response = Response(status_code=499)
    except Exception:  # whatever a model may raise
        _LOGGER.exception("%s failed.", method)
    finally:
        seconds = time.monotonic() - begin
        status = str(response.status_code)
        inference.monitoring.request("rest", method, status, seconds)
    return response


def _number(text: str | None) -> int | None:
    if text is not None and not re.fullmatch(r"[0-9]{1,18}", text):
        raise invalid(f"Received the version {text[:50]!r}. Expected a number.")
    return None if text is None else int(text)


def _describe(
    inference: Inference, name: str, number: int | None, method: str
) -> Response:
    message_of = metadata_proto if method == "metadata" else status_proto
    message = message_of(inference.models, name, number)
    content = message.SerializeToString(deterministic=True)
    message_class: Any = type(message)
    text = _as_json(message_class, content)
    return Response(text, media_type="application/json")


@functools.lru_cache(maxsize=64)
def _as_json(message_class: type[Message], content: bytes) -> str:
    """A message in the JSON of TF Serving, with the field names of the proto.

    It is cached: formatting long metadata takes as long as many predictions.
    """
    return json_format.MessageToJson(
        message_class.FromString(content),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


async def _answer(
    request: Request, inference: Inference, name: str, number: int | None, method: str
) -> Response:
    async with inference.timeout():
        body = await read_body(request, inference.limits.max_request_bytes)
        content = json_tensors.parse(body)

        def read(signature: Signature) -> Arrays:
            if method == "predict":
                return json_tensors.inputs_of(content, signature)
            return {"inputs": json_tensors.examples_of(content)}

        signature_name = json_tensors.signature_name(content)
        async with _while_connected(request):
            _, found = await inference.answer(
                name, number, method, signature_name, read
            )
            if method != "predict":
                return JSONResponse(json_tensors.results(found))
            written = bytearray()
            for part in json_tensors.predictions(found, "instances" in content):
                written += part.encode()
                # The response may be long: other requests get a turn.
                await asyncio.sleep(0)
    return Response(bytes(written), media_type="application/json")


@contextlib.asynccontextmanager
async def _while_connected(request: Request) -> AsyncIterator[None]:
    """Cancels the `with` if the client disconnects after its request was read.

    Raises:
        ClientDisconnect: the client has disconnected.
    """

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        connected.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as connected:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise ClientDisconnect from None
