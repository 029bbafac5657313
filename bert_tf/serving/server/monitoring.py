"""The server's metrics for Prometheus."""

from collections.abc import Callable

import prometheus_client as prometheus

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Monitoring:
    """Counts requests, their durations, and batches.

    Args:
        num_queued: returns the number of requests that wait for a batch.
    """

    content_type = prometheus.CONTENT_TYPE_LATEST

    def __init__(self, num_queued: Callable[[], float]) -> None:
        self._registry = registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "bert_tf_requests_total",
            "Requests by API, method and status.",
            ["api", "method", "status"],
            registry=registry,
        )
        self._seconds = prometheus.Histogram(
            "bert_tf_request_seconds",
            "Seconds from the arrival of a request to its response.",
            ["api", "method"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._rows = prometheus.Histogram(
            "bert_tf_batch_rows",
            "Rows of a batch.",
            buckets=_ROWS,
            registry=registry,
        )
        prometheus.Gauge(
            "bert_tf_queued_requests",
            "Requests that wait for a batch.",
            registry=registry,
        ).set_function(num_queued)

    def request(self, api: str, method: str, status: str, seconds: float) -> None:
        """Counts a completed request."""
        self._requests.labels(api, method, status).inc()
        self._seconds.labels(api, method).observe(seconds)

    def batch(self, rows: int) -> None:
        """Counts a batch."""
        self._rows.observe(rows)

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return prometheus.generate_latest(self._registry)
