"""The use case: the cheapest price for a query, from the cache or from Amadeus."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from api.errors import NoOffers, NotKnown, RejectedByAmadeus, UpstreamError
from api.models import FlightOffer, PriceQuery, PriceRequest
from api.services.bodies import FORMAT, NO_OFFERS, body_of, is_readable
from api.services.cache.entries import Entry
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheRequest, CacheResult, FetchedValue, Outcome
from api.services.deadline import Deadline, Patience
from api.telemetry.events import Event
from api.telemetry.logs import get_logger
from api.telemetry.metrics import Metrics
from api.telemetry.tracing import span

log = get_logger()


class OfferSource(Protocol):
    """A source of offers."""

    def cheapest(
        self, query: PriceQuery, deadline: Deadline, patience: Patience | None
    ) -> FlightOffer | None:
        """Return the cheapest offer; None if there are no offers. Raises UpstreamError.

        With patience, it may raise FetchPostponed, too.
        """


@dataclass(frozen=True, slots=True)
class CacheTimes:
    """Seconds that a price, a stale price (after its TTL) and "no offers" are cached."""

    ttl: float
    stale_ttl: float
    empty_ttl: float

    @property
    def is_off(self) -> bool:
        """Whether nothing is cached; concurrent callers still share a fetch."""
        return self.ttl == 0

    @property
    def oldest(self) -> int:
        """The age in whole seconds up to which a price may be served."""
        return 0 if self.is_off else int(self.ttl + self.stale_ttl)


class Prices:
    """Answers price queries. `price_of` and `offer_of` read the body of an answer."""

    def __init__(
        self,
        read_through: ReadThrough,
        offers: OfferSource,
        provider: str,
        times: CacheTimes,
        metrics: Metrics,
    ) -> None:
        """Create the use case. provider: part of each cache key, so that providers share none."""
        self.ttl, self.oldest = int(times.ttl), times.oldest
        self._read_through = read_through
        self._offers = offers
        self._provider = provider
        self._times = times
        self._metrics = metrics
        self._lookups = {outcome: metrics.lookups.labels(outcome.value) for outcome in Outcome}
        self._unknown = metrics.lookups.labels("unknown")

    def cheapest(
        self,
        cache_request: CacheRequest,
        deadline: Deadline,
        *,
        max_age: int | None = None,
        before_bypass: Callable[[], None] = lambda: None,
    ) -> CacheResult:
        """Return the cheapest price for a result of `cache_request`. Raises UpstreamError.

        max_age: seconds that the price may be old, whatever its TTL; with 0 it is fetched now.
        before_bypass: called before a fetch for which only `max_age` is the reason; may raise.
        """
        with span("cache") as cache_span:
            try:
                result = self._read_through.read(
                    cache_request,
                    deadline,
                    max_age=max_age,
                    refresh_ahead=max_age is None or max_age <= self._times.ttl,
                    before_bypass=before_bypass,
                )
            except UpstreamError as error:
                rejected = isinstance(error, RejectedByAmadeus)
                self._metrics.lookups.labels("rejected" if rejected else "error").inc()
                raise
            cache_span.set_attribute("cache.outcome", result.outcome.value)
        self._lookups[result.outcome].inc()
        return result

    def known(
        self, cache_request: CacheRequest, *, max_age: int | None = None
    ) -> CacheResult | None:
        """Return what is cached, without side effects; None if nothing is, or only older."""
        with span("cache") as cache_span:
            result = self._read_through.known(cache_request, max_age)
            cache_span.set_attribute("cache.outcome", result.outcome if result else "unknown")
        (self._lookups[result.outcome] if result else self._unknown).inc()
        return result

    def cache_request(self, query: PriceQuery, patience: Patience | None = None) -> CacheRequest:
        """Return the argument for `cheapest`. It can be used any number of times."""
        labels = log_fields(query)

        def fetch(deadline: Deadline) -> FetchedValue:
            offer = self._offers.cheapest(query, deadline, patience)
            if offer is None:
                return FetchedValue(NO_OFFERS, 0 if self._times.is_off else self._times.empty_ttl)
            return FetchedValue(body_of(offer), self._times.ttl)

        def observe(event: Event, entry: Entry | None) -> None:
            write = log.warning if event is Event.CACHE_STALE_SERVED else log.info
            if event is Event.CACHE_COALESCED:
                self._metrics.coalesced.inc()
            elif event is Event.CACHE_REFRESHED:
                self._metrics.refreshes.inc()
            write(event, **labels, **self._times_of(entry))

        stale_ttl = 0 if self._times.is_off else self._times.stale_ttl
        key, is_patient = cache_key(self._provider, query), patience is not None
        return CacheRequest(
            key, fetch, observe, stale_ttl, is_patient=is_patient, can_read=is_readable
        )

    def _times_of(self, entry: Entry | None) -> dict[str, float]:
        if entry is None:
            return {}
        return {"age": round(self._read_through.age_of(entry), 1), "ttl": entry.ttl}


def cache_key(provider: str, query: PriceQuery) -> str:
    """Return the cache key: every field that changes the answer, in a fixed order."""
    return "|".join(
        (
            "price",
            FORMAT,
            provider,
            query.origin,
            query.destination,
            query.date.isoformat(),
            query.return_date.isoformat() if query.return_date else "",
            f"{query.adults}-{query.children}-{query.infants}",
            query.currency or "",
            query.cabin or "",
            "nonstop" if query.nonstop else "",
        )
    )


def log_fields(query: PriceQuery) -> dict[str, str]:
    """Return the log fields that identify a query."""
    return {
        "origin": query.origin,
        "destination": query.destination,
        "date": query.date.isoformat(),
    }


def no_offers(query: PriceQuery) -> NoOffers:
    """Build the error for a search without offers."""
    return NoOffers(f"No flight offers from {query.origin} to {query.destination} on {query.date}.")


def not_known(request: PriceRequest) -> NotKnown:
    """Build the error for a price that is not cached, or only an older one."""
    age = "" if request.max_age is None else f" that is at most {request.max_age} seconds old"
    return NotKnown(
        f"No price from {request.origin} to {request.destination} on {request.date}{age} is known."
    )
