"""Metrics of the server, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Counters and histograms of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self):
        self._registry = CollectorRegistry()
        self._requests = Counter(
            'rootstock_requests', 'Requests answered', ('route', 'status'), registry=self._registry
        )
        self._seconds = Histogram(
            'rootstock_request_seconds',
            'Time from a request read to its answer',
            ('route',),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            'rootstock_batch_pictures',
            'Pictures in one graph run',
            ('model',),
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._queue = Gauge(
            'rootstock_queue_pictures', 'Pictures admitted and not answered yet', registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, status: int) -> None:
        """Count a request that the application did not see."""
        self._requests.labels('none', str(status)).inc()

    def ran(self, model: str, size: int) -> None:
        self._batches.labels(model).observe(size)

    def queued(self, pictures: int) -> None:
        self._queue.set(pictures)

    def text(self) -> bytes:
        return generate_latest(self._registry)
