"""Every metric that the service exports; docs/observability.md explains them.

Labels have few, fixed values: declared routes, methods, statuses and names of ours. Clients and
Amadeus cannot choose a value, so paths and airports are never labels. Metrics that are counted for
each hit are bound to their labels once, because the look-up costs more than counting.

`create_app` creates the metrics and passes them to the constructors of what counts. Under gunicorn
each worker writes to files that all workers read (`api/serving/metrics_folder.py`). So every worker
exports the metrics of all of them.
"""

import os
import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics

from api import __version__
from api.errors import CODES

# In seconds: from less than a hit takes to the default REQUEST_DEADLINE.
REQUEST_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0),
)
UPSTREAM_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0)
WAIT_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Kinds of cache entries whose reads are counted.
READ_KINDS: Final = frozenset({"price", "token"})
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST"})
_STATUSES: Final = frozenset(status.value for status in HTTPStatus)


class Metrics:
    """The metrics of one application. Each instance has a registry, and so counts, of its own."""

    def __init__(self) -> None:
        # The folder of all workers' files; None outside gunicorn.
        path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self.folder = Path(path) if path else None
        self._registry = registry = CollectorRegistry()
        self.http_requests = Histogram(
            "flight_price_http_request_duration_seconds",
            "Duration of answered requests, by route, method and status.",
            ["route", "method", "status"],
            buckets=REQUEST_BUCKETS,
            registry=registry,
        )
        self.problems = Counter(
            "flight_price_problems_total",
            "Problems answered, by code.",
            ["code"],
            registry=registry,
        )
        self.last_problem = Gauge(
            "flight_price_problem_last_timestamp_seconds",
            "Time of the last problem with this code, in seconds since the epoch.",
            ["code"],
            multiprocess_mode="max",
            registry=registry,
        )
        self.lookups = Counter(
            "flight_price_cache_lookups_total",
            "Price queries that reached the cache, by outcome:"
            " the value of X-Cache, rejected, error or unknown.",
            ["outcome"],
            registry=registry,
        )
        self.reads = Counter(
            "flight_price_cache_reads_total",
            "Reads of each cache layer, by kind (price or token) and result (found or absent).",
            ["layer", "kind", "result"],
            registry=registry,
        )
        self.coalesced = Counter(
            "flight_price_cache_coalesced_total",
            "Price queries that waited for the fetch of another one.",
            registry=registry,
        )
        self.refreshes = Counter(
            "flight_price_cache_refreshes_total",
            "Prices refreshed in the background before they expired.",
            registry=registry,
        )
        self.calendar_days = Counter(
            "flight_price_calendar_dates_total",
            "Days of calendars, by outcome: known on arrival, fetched, stale, missing, or unknown"
            " where only known days were asked for.",
            ["outcome"],
            registry=registry,
        )
        self.redis_errors = Counter(
            "flight_price_redis_errors_total",
            "Redis commands that failed, by kind: timeout, connection or refusal.",
            ["kind"],
            registry=registry,
        )
        self.redis_down = Gauge(
            "flight_price_redis_down_workers",
            "Workers that currently work without Redis because it fails.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.upstream_calls = Histogram(
            "flight_price_upstream_call_duration_seconds",
            "Duration of calls to Amadeus, by call and status (or our code if no answer came).",
            ["call", "status"],
            buckets=UPSTREAM_BUCKETS,
            registry=registry,
        )
        self.provider_calls = Counter(
            "flight_price_provider_calls_total",
            "Calls to the provider behind the bridge; a search takes at least one.",
            registry=registry,
        )
        self.retries = Counter(
            "flight_price_upstream_retries_total",
            "Calls to Amadeus that were retried.",
            registry=registry,
        )
        self.paced = Histogram(
            "flight_price_upstream_paced_wait_seconds",
            "Time that calls waited because of Amadeus's rate limit.",
            buckets=WAIT_BUCKETS,
            registry=registry,
        )
        self.breaker_open = Gauge(
            "flight_price_breaker_open_workers",
            "Workers whose circuit breaker is open because Amadeus failed too often.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.breaker_opened = Counter(
            "flight_price_breaker_opened_total",
            "Times that the circuit breaker of a worker opened.",
            registry=registry,
        )
        self.token_fetched_at = Gauge(
            "flight_price_token_fetched_timestamp_seconds",
            "Time when the current access token was fetched,"
            " in seconds since the epoch; 0 without one.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.token_life = Gauge(
            "flight_price_token_life_seconds",
            "Seconds for which the current access token is used;"
            " refreshed after four fifths of them.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.token_fetches = Counter(
            "flight_price_token_fetches_total",
            "Requests to Amadeus for an access token, by result: fetched or failed.",
            ["result"],
            registry=registry,
        )
        self.tokens_rejected = Counter(
            "flight_price_token_rejected_total",
            "Calls that Amadeus rejected because of their access token.",
            registry=registry,
        )
        self.workers = Gauge(
            "flight_price_workers",
            "Workers that are running.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.build = Gauge(
            "flight_price_build_info",
            "Always 1; the labels are the version, the Python version and the Amadeus environment.",
            ["version", "python", "environment"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        # Create these series at the start, so that `rate()` sees their first increase.
        for outcome in ("hit", "miss", "bypass", "stale", "rejected", "error", "unknown"):
            self.lookups.labels(outcome)
        for outcome in ("known", "fetched", "stale", "missing", "unknown"):
            self.calendar_days.labels(outcome)
        for code in CODES:
            self.problems.labels(code)
        self.upstream_calls.labels("search", "200")
        for kind in ("timeout", "connection", "refusal"):
            self.redis_errors.labels(kind)
        for result in ("fetched", "failed"):
            self.token_fetches.labels(result)
        self._served = cache(self.http_requests.labels)

    def worker_started(self, environment: str) -> None:
        """Record that this worker runs, and its Amadeus environment."""
        self.workers.set(1)
        self.build.labels(__version__, platform.python_version(), environment).set(1)

    def request_served(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Record a response. `route` is the declared route; None for an unknown path."""
        method = method if method in _METHODS else "other"
        self._served(route or "unmatched", method, status).observe(seconds)

    def problem_answered(self, code: str) -> None:
        """Record a problem document and its code."""
        self.problems.labels(code).inc()
        self.last_problem.labels(code).set(time.time())

    def called(self, call: str, status: int | str, seconds: float) -> None:
        """Record a call to Amadeus. `status`: of its answer, or our code if there was none."""
        if isinstance(status, int) and status not in _STATUSES:
            status = "other"
        self.upstream_calls.labels(call, status).observe(seconds)

    def token_taken(self, fetched_at: float, life: float) -> None:
        """Record the time (seconds since the epoch) and the life (seconds) of the token in use."""
        self.token_fetched_at.set(fetched_at)
        self.token_life.set(life)

    def exposition(self, *, open_metrics: bool) -> tuple[bytes, str]:
        """Return the metrics of all workers in OpenMetrics or Prometheus format, and its type."""
        if open_metrics:
            page: bytes = openmetrics.generate_latest(self._of_all_workers())  # type: ignore[no-untyped-call]
            return page, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._of_all_workers()), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> list[Metric]:
        """Return the metrics of all workers."""
        return list(self._of_all_workers().collect())

    def _of_all_workers(self) -> CollectorRegistry:
        if self.folder is None:
            return self._registry
        registry = CollectorRegistry()
        _Workers(registry, str(self.folder))  # type: ignore[no-untyped-call]
        return registry


class _Workers(MultiProcessCollector):
    """The collector of all workers' files. It skips empty files, which were only just created."""

    def collect(self) -> Iterable[Metric]:
        files = []
        for file in Path(self._path).glob("*.db"):
            with suppress(FileNotFoundError):  # its worker has ended
                if file.stat().st_size:
                    files.append(str(file))
        return self.merge(files)  # type: ignore[no-any-return, no-untyped-call]
