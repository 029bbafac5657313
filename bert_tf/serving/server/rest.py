"""TF Serving's REST API, Prometheus' page, and the web page."""

import asyncio
import importlib.resources
import re
import time
from typing import Any

from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from bert_tf.serving.server import json_tensors
from bert_tf.serving.server.errors import HTTP_STATUS, RequestError, invalid
from bert_tf.serving.server.inference import Inference, too_late
from bert_tf.serving.server.protos import metadata_proto, status_proto
from bert_tf.serving.server.saved_model import Arrays, Signature

METRICS_PATH = "/monitoring/prometheus/metrics"
_MODEL = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+))?"
    r"(?P<metadata>/metadata)?(?::(?P<method>[a-z]+))?"
)
_METHODS = ("predict", "classify", "regress")
_PAGE = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
}


def application(inference: Inference) -> Starlette:
    """The ASGI application."""

    async def model(request: Request) -> Response:
        begin = time.monotonic()
        method, status = "status", 500
        try:
            found = _MODEL.fullmatch(request.url.path)
            if found is None:
                raise RequestError(
                    "NOT_FOUND",
                    f"Received {request.url.path[:200]!r}. Expected /v1/models/NAME"
                    "[/versions/NUMBER][:predict|:classify|:regress|/metadata].",
                )
            number = _number(found["version"])
            if found["method"] is not None:
                if found["method"] not in _METHODS or found["metadata"]:
                    raise invalid(
                        f"Received {found['method']!r}. Expected one of {_METHODS}."
                    )
                method = found["method"]
                _only(request, "POST")
                answer = await _ask(inference, request, found["model"], number, method)
                response: Response = JSONResponse(answer)
            else:
                _only(request, "GET")
                method = "metadata" if found["metadata"] else "status"
                response = _describe(inference, found["model"], number, method)
            status = response.status_code
            return response
        except RequestError as error:
            status = HTTP_STATUS[error.code]
            return JSONResponse({"error": error.message}, status)
        except ClientDisconnect:
            status = 499
            return Response(status_code=400)
        except ValueError as error:
            # Numbers that are none: JSON has no word for them.
            message = f"The answer cannot be written as JSON: {error}."
            return JSONResponse({"error": message}, status)
        finally:
            seconds = time.monotonic() - begin
            inference.monitoring.request("rest", method, str(status), seconds)

    async def metrics(request: Request) -> Response:
        page = inference.monitoring.page()
        return Response(page, media_type=inference.monitoring.content_type)

    async def file(request: Request) -> Response:
        name = request.url.path.lstrip("/") or "index.html"
        folder = importlib.resources.files("bert_tf.serving.server") / "page"
        return Response((folder / name).read_bytes(), media_type=_PAGE[name])

    async def models(request: Request) -> Response:
        available = inference.models.available().values()
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

    async def unknown(request: Request, error: Exception) -> Response:
        message = f"There is nothing at {request.url.path[:200]!r}."
        return JSONResponse({"error": message}, 404)

    return Starlette(
        routes=[
            Route("/", file),
            *(Route(f"/{name}", file) for name in _PAGE if name != "index.html"),
            Route("/models", models),
            Route(METRICS_PATH, metrics),
            Route(
                "/v1/models/{rest:path}",
                model,
                methods=["GET", "POST", "PUT", "DELETE", "PATCH"],
            ),
        ],
        exception_handlers={404: unknown},
    )


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise invalid(f"Received the version {text[:50]!r}. Expected a number.")
    return int(text)


def _only(request: Request, method: str) -> None:
    if request.method != method:
        raise invalid(f"Received {request.method}. Expected {method} here.")


def _describe(
    inference: Inference, name: str, number: int | None, method: str
) -> Response:
    message: get_model_status_pb2.GetModelStatusResponse
    message = get_model_metadata_pb2.GetModelMetadataResponse()
    if method == "metadata":
        message = metadata_proto(inference.models, name, number)
    else:
        message = status_proto(inference.models, name, number)
    # As TF Serving writes it: names as in the proto.
    text = json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return Response(text, media_type="application/json")


async def _ask(
    inference: Inference, request: Request, name: str, number: int | None, method: str
) -> dict[str, Any]:
    limits = inference.limits
    body = await _body(request, inference)
    content = json_tensors.parse(body)

    def read(signature: Signature) -> Arrays:
        if method == "predict":
            return json_tensors.inputs_of(content, signature)
        return {"inputs": json_tensors.examples_of(content)}

    asked = json_tensors.signature_name(content)
    _, future = inference.start(name, number, method, asked, read)
    try:
        answers = await asyncio.wait_for(
            asyncio.wrap_future(future), limits.timeout_seconds
        )
    except TimeoutError:
        raise too_late(limits) from None
    if method == "predict":
        return json_tensors.predictions(answers, json_tensors.is_by_rows(content))
    return json_tensors.results(answers)


async def _body(request: Request, inference: Inference) -> bytes:
    """The body, if it is not too long and does not take too long."""
    limits = inference.limits
    parts, size = [], 0

    async def read() -> bytes:
        nonlocal size
        async for part in request.stream():
            size += len(part)
            if size > limits.max_request_bytes:
                raise RequestError(
                    "RESOURCE_EXHAUSTED",
                    f"The request is longer than {limits.max_request_bytes:,} bytes. "
                    "Expected a shorter one: send several.",
                )
            parts.append(part)
        return b"".join(parts)

    try:
        return await asyncio.wait_for(read(), limits.timeout_seconds)
    except TimeoutError:
        raise RequestError(
            "DEADLINE_EXCEEDED",
            f"The request had not arrived after {limits.timeout_seconds:g} s.",
        ) from None
