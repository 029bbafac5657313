"""Errors of requests, as status codes of gRPC and HTTP."""

from typing import Literal

Code = Literal[
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "INTERNAL",
]

HTTP_STATUS: dict[Code, int] = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

# The response to an error of the server itself, whose log has the traceback.
INTERNAL = "Internal error; see the log of the server."


class RequestError(Exception):
    """A request that is refused or fails.

    Attributes:
        code: a status code of gRPC; `HTTP_STATUS` has the one of HTTP.
        message: for the client: received, expected.
    """

    def __init__(self, code: Code, message: str) -> None:
        # A message may quote the request, and gRPC drops one that exceeds its metadata.
        message = message if len(message) <= 1000 else f"{message[:997]}..."
        super().__init__(message)
        self.code: Code = code
        self.message = message


def invalid(message: str) -> RequestError:
    """An error for a request that the client must change."""
    return RequestError("INVALID_ARGUMENT", message)
