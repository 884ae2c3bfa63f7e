"""The report that /status shows."""

import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from api import __version__
from api.services.amadeus.token_provider import REFRESH_FROM
from api.services.lifecycle import Readiness
from api.services.status_history import History, Point, Totals
from api.telemetry.metrics import Metrics

# Statuses with which Amadeus answers a search: offers, an invalid search, or no offers.
ANSWERED: Final = frozenset({"200", "400", "404"})
MAX_PROBLEMS: Final = 8


class MetricSnapshot:
    """The metrics of all workers at one moment."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for family in families:
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample)

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Return the samples of a metric that have at least these labels."""
        samples = self._samples.get(f"flight_price_{name}", [])
        return [sample for sample in samples if labels.items() <= sample.labels.items()]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of these samples."""
        return sum(sample.value for sample in self.samples(name, **labels))

    def totals(self) -> Totals:
        """Return the totals for the history."""
        calls = self.samples("upstream_call_duration_seconds_count", call="search")
        # A query with `known` that found nothing neither needed nor saved a call.
        lookups = self.total("cache_lookups_total") - self._lookups("unknown")
        return Totals(
            lookups=lookups,
            calendar_days=sum(
                self.total("calendar_dates_total", outcome=outcome)
                for outcome in ("known", "fetched")
            ),
            upstream_needed=lookups - self._lookups("hit"),
            cache_hits=self._lookups("hit", "stale"),
            upstream_failed=self._lookups("stale", "error"),
            calls=sum(call.value for call in calls),
            failed=sum(call.value for call in calls if call.labels["status"] not in ANSWERED),
            seconds=self.total("upstream_call_duration_seconds_sum", call="search"),
            provider_calls=self.total("provider_calls_total"),
        )

    def _lookups(self, *outcomes: str) -> float:
        return sum(self.total("cache_lookups_total", outcome=outcome) for outcome in outcomes)


class Status:
    """Builds the report from the workers' metrics, this worker's readiness and the history."""

    def __init__(
        self,
        environment: str,
        readiness: Callable[[], Readiness],
        history: History,
        metrics: Metrics,
        *,
        uses_redis: bool,
    ) -> None:
        self._environment = environment
        self._readiness = readiness
        self._history = history
        self._metrics = metrics
        self._uses_redis = uses_redis

    def report(self) -> dict[str, Any]:
        """Return all values on the page; durations and ages are in seconds."""
        snapshot = MetricSnapshot(self._metrics.collect())
        points = [*self._history.points(), Point(time.monotonic(), snapshot.totals())]
        readiness = self._readiness()
        checks = _checks(snapshot, points, readiness)
        return {
            "status": _status(checks, readiness),
            "checks": checks,
            "environment": self._environment,
            "version": __version__,
            "workers": snapshot.total("workers"),
            "token": _token(snapshot),
            "redis": _redis(snapshot) if self._uses_redis else None,
            "since_start": _rates(Totals(), points[-1].totals),
            "lately": {
                "seconds": round(points[-1].at - points[0].at),
                **_rates(points[0].totals, points[-1].totals),
            },
            "breaker": {
                "open_workers": snapshot.total("breaker_open_workers"),
                "opened": snapshot.total("breaker_opened_total"),
            },
            "retries": snapshot.total("upstream_retries_total"),
            "pacing": _pacing(snapshot),
            "problems": _problems(snapshot),
            "history": [_step(before, after) for before, after in pairwise(points)],
        }


def _status(checks: dict[str, str], readiness: Readiness) -> str:
    """Return this worker's status while it starts or stops, else that of all workers."""
    if not readiness.can_serve:
        return readiness.status
    return "ready" if set(checks.values()) == {"ok"} else "degraded"


def _checks(snapshot: MetricSnapshot, points: list[Point], readiness: Readiness) -> dict[str, str]:
    """Return the checks of /readyz, for all workers together.

    Only the readiness of this worker says why Amadeus gives no prices.
    """
    seen = readiness.checks["amadeus"].status
    token = _token(snapshot)
    has_token = token is not None and token["age"] < token["life"]
    fails = snapshot.total("breaker_open_workers") > 0 or _failed_lately(points)
    return {
        "cache": "unavailable" if snapshot.total("redis_down_workers") else "ok",
        "token": "ok" if has_token else "missing",
        "amadeus": "failing" if fails and seen == "ok" else seen,
    }


def _failed_lately(points: list[Point]) -> bool:
    """Return whether most queries failed in the last step in which any needed Amadeus."""
    for before, after in reversed(list(pairwise(points))):
        needed = after.totals.upstream_needed - before.totals.upstream_needed
        if needed:
            failed = after.totals.upstream_failed - before.totals.upstream_failed
            return 2 * failed > needed
    return False


def _rates(before: Totals, after: Totals) -> dict[str, float | None]:
    """Return counts and rates between two totals; a rate without events is None."""
    lookups, calls = after.lookups - before.lookups, after.calls - before.calls
    days = after.calendar_days - before.calendar_days
    unmet, failed = after.upstream_failed - before.upstream_failed, after.failed - before.failed
    return {
        "lookups": lookups,
        "needed": after.upstream_needed - before.upstream_needed,
        "unmet": unmet,
        "calls": calls,
        "provider_calls": after.provider_calls - before.provider_calls,
        "calls_saved": max(0.0, (lookups - unmet + days) - (calls - failed)),
        "hit_ratio": _ratio(after.cache_hits - before.cache_hits, lookups),
        "latency": _ratio(after.seconds - before.seconds, calls),
        "error_rate": _ratio(failed, calls),
    }


def _step(before: Point, after: Point) -> dict[str, float | None]:
    rates = _rates(before.totals, after.totals)
    return {name: rates[name] for name in ("lookups", "calls", "latency", "error_rate")}


def _token(snapshot: MetricSnapshot) -> dict[str, float] | None:
    fetched_at = snapshot.total("token_fetched_timestamp_seconds")
    if not fetched_at:
        return None
    life, age = snapshot.total("token_life_seconds"), time.time() - fetched_at
    refresh_at = life * REFRESH_FROM
    return {"age": age, "life": life, "refresh_at": refresh_at, "refresh_in": refresh_at - age}


def _redis(snapshot: MetricSnapshot) -> dict[str, float]:
    return {
        "down_workers": snapshot.total("redis_down_workers"),
        "errors": snapshot.total("redis_errors_total"),
    }


def _pacing(snapshot: MetricSnapshot) -> dict[str, float | None]:
    waits = snapshot.total("upstream_paced_wait_seconds_count")
    seconds = snapshot.total("upstream_paced_wait_seconds_sum")
    return {"waits": waits, "average": _ratio(seconds, waits)}


def _problems(snapshot: MetricSnapshot) -> list[dict[str, Any]]:
    """Return the most recent kinds of errors, newest first."""
    now = time.time()
    last = {
        sample.labels["code"]: sample.value
        for sample in snapshot.samples("problem_last_timestamp_seconds")
    }
    newest = sorted(last, key=lambda code: last[code], reverse=True)[:MAX_PROBLEMS]
    return [
        {
            "code": code,
            "count": snapshot.total("problems_total", code=code),
            "ago": max(0.0, now - last[code]),
        }
        for code in newest
    ]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
