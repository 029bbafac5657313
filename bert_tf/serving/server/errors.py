"""Refusals of requests, in the terms of gRPC and of HTTP."""

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

# The answer when the fault is the server's, whose log has the traceback.
INTERNAL = "Internal error. The log of the server says more."


class RequestError(Exception):
    """A request that is not answered.

    Attributes:
        code: a status code of gRPC; `HTTP_STATUS` has that of HTTP.
        message: for the client: what was received, what was expected.
    """

    def __init__(self, code: Code, message: str) -> None:
        # It may quote the request. gRPC drops what is longer than its metadata may be.
        message = message if len(message) <= 1000 else f"{message[:997]}..."
        super().__init__(message)
        self.code: Code = code
        self.message = message


def invalid(message: str) -> RequestError:
    """The refusal of a request that the client has to change."""
    return RequestError("INVALID_ARGUMENT", message)
