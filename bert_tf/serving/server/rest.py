"""TF Serving's REST API, Prometheus' page, and the web page."""

import pathlib
import re
import time

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from bert_tf.serving.server import json_tensors
from bert_tf.serving.server.errors import HTTP_STATUS, RequestError, invalid
from bert_tf.serving.server.inference import Inference
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.saved_model import Arrays, Signature

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+))?"
    r"(?:/(?P<describe>metadata)|:(?P<ask>[a-z]+))?"
)
_PAGE = pathlib.Path(__file__).parent / "page"
# The others are refused in the words of the API.
_ALL = ("GET", "POST", "PUT", "DELETE", "PATCH")
_VERBS = {
    "status": "GET",
    "metadata": "GET",
    "predict": "POST",
    "classify": "POST",
    "regress": "POST",
}


def application(inference: Inference) -> Starlette:
    """The ASGI application."""
    found = Starlette(
        routes=[
            Route("/models", _models),
            Route("/monitoring/prometheus/metrics", _metrics),
            Route("/v1/models/{rest:path}", _api, methods=_ALL),
            Route("/", _page),
            Mount("/", StaticFiles(directory=_PAGE)),
        ],
        exception_handlers={404: _unknown},
    )
    found.state.inference = inference
    return found


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


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


async def _api(request: Request) -> Response:
    inference: Inference = request.app.state.inference
    begin = time.monotonic()
    method = "status"
    response: Response = _error(500, "Internal error.")
    try:
        found = _PATH.fullmatch(request.url.path)
        if found is None:
            raise RequestError(
                "NOT_FOUND",
                f"Received {request.url.path[:200]!r}. Expected /v1/models/NAME"
                "[/versions/NUMBER][:predict|:classify|:regress|/metadata].",
            )
        received = found["ask"] or found["describe"] or method
        if _VERBS.get(received) != request.method:
            raise invalid(
                f"Received {request.method} for {received!r}. Expected one of {_VERBS}."
            )
        method = received
        name, number = found["model"], _number(found["version"])
        if found["ask"]:
            response = await _answer(request, inference, name, number, method)
        else:
            response = _describe(inference, name, number, method)
    except RequestError as error:
        response = _error(HTTP_STATUS[error.code], error.message)
    except ClientDisconnect:
        response = Response(status_code=499)
    except ValueError as error:
        # JSON has no words for infinity and NaN.
        response = _error(500, f"The answer cannot be written as JSON: {error}.")
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
    # As TF Serving writes it: names as in the proto.
    text = json_format.MessageToJson(
        message_of(inference.models, name, number),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return Response(text, media_type="application/json")


async def _answer(
    request: Request, inference: Inference, name: str, number: int | None, method: str
) -> Response:
    async with inference.timeout():
        body = await _body(request, inference.limits.max_request_bytes)
        content = json_tensors.parse(body)

        def read(signature: Signature) -> Arrays:
            if method == "predict":
                return json_tensors.inputs_of(content, signature)
            return {"inputs": json_tensors.examples_of(content)}

        signature_name = json_tensors.signature_name(content)
        _, found = await inference.answer(name, number, method, signature_name, read)
    if method == "predict":
        return JSONResponse(json_tensors.predictions(found, "instances" in content))
    return JSONResponse(json_tensors.results(found))


async def _body(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise RequestError(
                "RESOURCE_EXHAUSTED",
                f"The request is longer than {max_bytes:,} bytes. Expected a shorter "
                "one: send several.",
            )
    return bytes(body)
