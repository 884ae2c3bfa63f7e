"""A calendar agrees with the prices of its days, whatever is known, expired, failing or empty."""

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.models import PriceQuery
from api.services.bodies import NO_OFFERS
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.calendar import KnownDay, cheapest
from api.services.prices import cache_key
from api.telemetry.metrics import Metrics
from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

TTL: Final = 600.0
STALE_TTL: Final = 3600.0
EMPTY_TTL: Final = 60.0
NOW: Final = time.time()
FIRST: Final = 40

# How long ago the entry of a day was fetched: not at all, or fresh, stale, and beyond.
ages = st.none() | st.integers(0, 599) | st.integers(601, 4100) | st.just(5000)
options = st.sampled_from([{}, {"known": "1"}]) | st.integers(601, 4200).map(
    lambda age: {"max_age": str(age)}
)
prices = st.none() | st.builds(
    "{} {}".format, st.sampled_from(["9.50", "10", "10.00", "200"]), st.sampled_from(["EUR", "USD"])
)
months = st.lists(st.tuples(ages, prices), min_size=1, max_size=7)


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    """A store in which no time passes."""
    return MemoryStore(Metrics(), clock=lambda: NOW)


@pytest.fixture(scope="module")
def service(store: MemoryStore) -> Iterator[LocalService]:
    times = {"cache_ttl": TTL, "cache_stale_ttl": STALE_TTL, "cache_empty_ttl": EMPTY_TTL}
    with LocalService(store=store, **times) as service:
        yield service


def put(store: MemoryStore, date: str, age: int, price: str | None) -> None:
    query = PriceQuery(origin="JFK", destination="LAX", date=dt.date.fromisoformat(date))
    data = {"origin": "JFK", "destination": "LAX", "departure_date": date, "price": price}
    body = json.dumps({"data": data}).encode() + b"\n" if price else NO_OFFERS
    entry = Entry(body, NOW - age, NOW - age, TTL if price else EMPTY_TTL)
    store.keep(cache_key("sandbox", query), entry, STALE_TTL)


@pytest.mark.thorough
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(month=months, failures=st.integers(0, 4), option=options)
def test_calendar_agrees_with_the_price_of_each_day(
    service: LocalService,
    store: MemoryStore,
    month: list[tuple[int | None, str | None]],
    failures: int,
    option: dict[str, str],
) -> None:
    service.clear()
    store.clear()
    if failures:
        service.fault("search", "status", "403:38197", count=failures)
    days = [some_day(FIRST + number) for number in range(len(month))]
    for date, (age, price) in zip(days, month, strict=True):
        if age is not None:
            put(store, date, age, price)

    answer = service.calendar({"from": days[0], "to": days[-1]} | option)

    service.fault("search", "status", "403:38197")
    # A price without an option may be refreshed in the background, and disturb the next example.
    once_more = option or {"known": "1"}
    singles = {date: service.price("GET", None, date=date, **once_more) for date in days}
    errors = {"amadeus-misconfigured", "not-known"}
    known = [date for date in days if singles[date].json.get("code") not in errors]
    if not known:
        assert answer.json["code"] == (
            "not-known" if "known" in option else "amadeus-misconfigured"
        )
        return
    data = answer.json["data"]
    assert data["days"] == [
        {
            "departure_date": date,
            "price": singles[date].json["data"]["price"]
            if singles[date].status_code == 200
            else None,
            "age": int(singles[date].headers["Age"]),
        }
        for date in known
    ]
    assert [day["departure_date"] for day in data["missing"]] == sorted({*days} - {*known})
    assert data["cheapest"] == expected_cheapest(data["days"])
    assert (data["from"], data["to"]) == (days[0], days[-1])


def test_calendar_pushes_no_price_that_people_read_out_of_the_copy() -> None:
    store = MemoryStore(Metrics(), max_bytes=4000)  # a token and three prices
    days = [some_day(FIRST + number) for number in range(4)]
    with LocalService(store=store) as local:
        for day in days[:3]:
            local.price(date=day)

        local.calendar({"from": days[0], "to": days[0]})
        local.price(date=days[3])

        assert local.price(date=days[1]).headers["X-Cache"] == "hit"
        assert local.price(date=days[0]).headers["X-Cache"] == "miss"


def expected_cheapest(days: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The definition, word by word: days are in order."""
    flying = [day for day in days if day["price"] is not None]
    if not flying:
        return None
    number = Counter(day["price"].split()[1] for day in flying)
    common = next(
        day["price"].split()[1]
        for day in flying
        if number[day["price"].split()[1]] == max(number.values())
    )
    comparable = [day for day in flying if day["price"].endswith(common)]
    lowest = min(Decimal(day["price"].split()[0]) for day in comparable)
    found = next(day for day in comparable if Decimal(day["price"].split()[0]) == lowest)
    return {"departure_date": found["departure_date"], "price": found["price"]}


@pytest.mark.parametrize(
    ("day_prices", "number"),
    [
        pytest.param(["20 EUR", "10 EUR", "30 EUR"], 1, id="lowest amount"),
        pytest.param(["9 EUR", "10 EUR"], 0, id="amounts are numbers, not texts"),
        pytest.param(["20 EUR", "10.00 EUR", "10 EUR"], 1, id="of equal prices the earlier day"),
        pytest.param(["5 USD", "20 EUR", "10 EUR"], 2, id="most common currency"),
        pytest.param(["30 USD", "20 EUR"], 0, id="equally common: that of the earliest day"),
        pytest.param([None, "20 EUR"], 1, id="nothing flies on a day"),
        pytest.param([None, None], None, id="nothing flies"),
        pytest.param([], None, id="no day"),
    ],
)
def test_cheapest_day(day_prices: list[str | None], number: int | None) -> None:
    entry = Entry(b"", 0, 0, 0)
    days = [
        KnownDay(dt.date(2026, 12, 1 + index), price, entry, is_stale=False)
        for index, price in enumerate(day_prices)
    ]

    # The days come in the order in which they became known.
    assert cheapest(reversed(days)) == (None if number is None else days[number])
