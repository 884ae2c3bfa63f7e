"""Every metric that the service exports. docs/observability.md explains them to people.

The values of labels are few and known: routes as they are declared, methods, statuses and names
of ours; never a path, an airport or anything else that a client or Amadeus chooses. What is
counted on the way of a hit is bound to its labels once, since finding the child of a metric
costs more than counting.

Under gunicorn each worker writes to files that all workers read (`api/serving/metrics_folder.py`),
so that `exposition` tells of all of them, whichever worker is asked.
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

REGISTRY: Final = CollectorRegistry()
# A hit takes about a millisecond, and REQUEST_DEADLINE ends everything.
REQUEST_BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0),
)
UPSTREAM_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0)
WAIT_BUCKETS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_STATUSES: Final = frozenset(status.value for status in HTTPStatus)

HTTP_REQUESTS: Final = Histogram(
    "flight_price_http_request_duration_seconds",
    "Duration of answered requests, by route, method and status.",
    ["route", "method", "status"],
    buckets=REQUEST_BUCKETS,
    registry=REGISTRY,
)
PROBLEMS: Final = Counter(
    "flight_price_problems_total",
    "Problems answered, by code.",
    ["code"],
    registry=REGISTRY,
)
LAST_PROBLEM: Final = Gauge(
    "flight_price_problem_last_timestamp_seconds",
    "Time of the last problem with this code, in seconds since the epoch.",
    ["code"],
    multiprocess_mode="max",
    registry=REGISTRY,
)
LOOKUPS: Final = Counter(
    "flight_price_cache_lookups_total",
    "Price queries that reached the cache, by outcome: the value of X-Cache, rejected or error.",
    ["outcome"],
    registry=REGISTRY,
)
READS: Final = Counter(
    "flight_price_cache_reads_total",
    "Reads of each cache layer, by kind (price or token) and result (found or absent).",
    ["layer", "kind", "result"],
    registry=REGISTRY,
)
COALESCED: Final = Counter(
    "flight_price_cache_coalesced_total",
    "Price queries that waited for the fetch of another one.",
    registry=REGISTRY,
)
REFRESHES: Final = Counter(
    "flight_price_cache_refreshes_total",
    "Prices refreshed in the background before they expired.",
    registry=REGISTRY,
)
REDIS_ERRORS: Final = Counter(
    "flight_price_redis_errors_total",
    "Redis commands that failed, by kind: timeout, connection or refusal.",
    ["kind"],
    registry=REGISTRY,
)
REDIS_DOWN: Final = Gauge(
    "flight_price_redis_down_workers",
    "Workers that currently work without Redis because it fails.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
UPSTREAM_CALLS: Final = Histogram(
    "flight_price_upstream_call_duration_seconds",
    "Duration of calls to Amadeus, by call and status (or our code if no answer came).",
    ["call", "status"],
    buckets=UPSTREAM_BUCKETS,
    registry=REGISTRY,
)
RETRIES: Final = Counter(
    "flight_price_upstream_retries_total",
    "Calls to Amadeus that were retried.",
    registry=REGISTRY,
)
PACED: Final = Histogram(
    "flight_price_upstream_paced_wait_seconds",
    "Time that calls waited because of Amadeus's rate limit.",
    buckets=WAIT_BUCKETS,
    registry=REGISTRY,
)
BREAKER_OPEN: Final = Gauge(
    "flight_price_breaker_open_workers",
    "Workers whose circuit breaker is open because Amadeus failed too often.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
BREAKER_OPENED: Final = Counter(
    "flight_price_breaker_opened_total",
    "Times that the circuit breaker of a worker opened.",
    registry=REGISTRY,
)
TOKEN_FETCHED_AT: Final = Gauge(
    "flight_price_token_fetched_timestamp_seconds",
    "Time when the current access token was fetched, in seconds since the epoch; 0 without one.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
TOKEN_LIFE: Final = Gauge(
    "flight_price_token_life_seconds",
    "Seconds for which the current access token is used; refreshed after four fifths of them.",
    multiprocess_mode="livemostrecent",
    registry=REGISTRY,
)
TOKEN_FETCHES: Final = Counter(
    "flight_price_token_fetches_total",
    "Requests to Amadeus for an access token, by result: fetched or failed.",
    ["result"],
    registry=REGISTRY,
)
TOKENS_REJECTED: Final = Counter(
    "flight_price_token_rejected_total",
    "Calls that Amadeus rejected because of their access token.",
    registry=REGISTRY,
)
WORKERS: Final = Gauge(
    "flight_price_workers",
    "Workers that are running.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
BUILD: Final = Gauge(
    "flight_price_build_info",
    "Always 1; the labels are the version, the Python version and the Amadeus environment.",
    ["version", "python", "environment"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)

# Series that exist from the start, so that a rate sees their first step.
for _outcome in ("hit", "miss", "bypass", "stale", "rejected", "error"):
    LOOKUPS.labels(_outcome)
for _code in CODES:
    PROBLEMS.labels(_code)
UPSTREAM_CALLS.labels("search", "200")
for _kind in ("timeout", "connection", "refusal"):
    REDIS_ERRORS.labels(_kind)
for _result in ("fetched", "failed"):
    TOKEN_FETCHES.labels(_result)


def worker_started(environment: str) -> None:
    """A worker is there, and which Amadeus it asks."""
    WORKERS.set(1)
    BUILD.labels(__version__, platform.python_version(), environment).set(1)


def request_served(route: str | None, method: str, status: int, seconds: float) -> None:
    """`route` as it was declared; None where the path led nowhere."""
    _served(route or "unmatched", method if method in _METHODS else "other", status).observe(
        seconds
    )


def problem_answered(code: str) -> None:
    """An error went out; `code` is one of ours."""
    PROBLEMS.labels(code).inc()
    LAST_PROBLEM.labels(code).set(time.time())


@cache
def reads(layer: str, kind: str, *, found: bool) -> Counter:
    """The counter of a layer's reads of prices or tokens that found an entry, or none."""
    return READS.labels(layer, kind, "found" if found else "absent")


def called(call: str, status: int | str, seconds: float) -> None:
    """Amadeus was called; `status` is its answer's, or the code of our error if none came."""
    if isinstance(status, int) and status not in _STATUSES:
        status = "other"
    UPSTREAM_CALLS.labels(call, status).observe(seconds)


def token_taken(fetched_at: float, life: float) -> None:
    """A token came into use: when it was fetched, and for how many seconds it is used."""
    TOKEN_FETCHED_AT.set(fetched_at)
    TOKEN_LIFE.set(life)


def folder() -> Path | None:
    """Where the workers count together; None in a process that is alone."""
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(path) if path else None


def exposition(*, open_metrics: bool) -> tuple[bytes, str]:
    """All metrics of all workers, as OpenMetrics or as Prometheus' own text; and the type of it."""
    if open_metrics:
        page: bytes = openmetrics.generate_latest(_of_all_workers())  # type: ignore[no-untyped-call]
        return page, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(_of_all_workers()), CONTENT_TYPE_PLAIN_0_0_4


def collect() -> list[Metric]:
    """All metrics of all workers."""
    return list(_of_all_workers().collect())


def _of_all_workers() -> CollectorRegistry:
    if folder() is None:
        return REGISTRY
    fleet = CollectorRegistry()
    _Workers(fleet)  # type: ignore[no-untyped-call]
    return fleet


class _Workers(MultiProcessCollector):
    """Leaves out a file that its worker has only just created: nothing is in it yet."""

    def collect(self) -> Iterable[Metric]:
        files = []
        for file in Path(self._path).glob("*.db"):
            with suppress(FileNotFoundError):  # its worker ended
                if file.stat().st_size:
                    files.append(str(file))
        return self.merge(files)  # type: ignore[no-any-return, no-untyped-call]


@cache
def _served(route: str, method: str, status: int) -> Histogram:
    return HTTP_REQUESTS.labels(route, method, status)
