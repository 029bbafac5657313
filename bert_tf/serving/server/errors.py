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


class RequestError(Exception):
    """A request that is not answered.

    Attributes:
        code: a status code of gRPC; `HTTP_STATUS` has that of HTTP.
        message: for the client: what was received, what was expected.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message


def invalid(message: str) -> RequestError:
    """The refusal of a request that the client has to change."""
    return RequestError("INVALID_ARGUMENT", message)
