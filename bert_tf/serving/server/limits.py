"""Bounds of requests."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds beyond which requests are refused.

    Attributes:
        max_batch_size: rows of a request, and of requests that are answered together.
        max_queued_requests: requests that wait.
        max_request_bytes: size of a request, as it is sent and as it is unpacked.
        request_timeout_seconds: from the arrival of a request to its answer; and for
            each other wait for a client.
        max_connections: of REST, and of gRPC, at once.
    """

    max_batch_size: int
    max_queued_requests: int
    max_request_bytes: int
    request_timeout_seconds: float
    max_connections: int
