"""Limits of requests."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits beyond which requests are refused.

    Attributes:
        max_batch_size: rows of a request, and of a batch of requests.
        max_queued_requests: requests that wait for a batch.
        max_request_bytes: the size of a request, as received and decompressed.
        request_timeout_seconds: the time from the arrival of a request to its response,
            and of each other wait for a client.
        max_connections: simultaneous connections of REST, and of gRPC.
    """

    max_batch_size: int
    max_queued_requests: int
    max_request_bytes: int
    request_timeout_seconds: float
    max_connections: int
