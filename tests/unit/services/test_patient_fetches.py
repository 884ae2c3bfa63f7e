"""The fetches of a calendar: how many, when they start, and when they are given up."""

import datetime as dt
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from api.errors import AmadeusQuota, AmadeusTimeout, FlightPriceError, NotInTime
from api.models import FlightOffer, PriceQuery
from api.services import patient_fetches
from api.services.cache.entries import Entry
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.cache.requests import CacheResult, FetchPostponed
from api.services.deadline import Deadline, Patience
from api.services.patient_fetches import MAX_UNDER_WAY, PatientFetcher, PatientFetches
from api.services.prices import CacheTimes, Prices
from api.telemetry.metrics import Metrics
from tests.support.processes import eventually

DAY = dt.date(2026, 12, 1)


class Offers:
    """A source that has no offers, and answers when the test lets it."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked: list[PriceQuery] = []
        self.are_patient: list[bool] = []
        self.postponed = 0
        self.quick: dt.date | None = None
        self.is_called = True
        self.under_way = self.most_under_way = 0

    def cheapest(
        self, query: PriceQuery, deadline: Deadline, patience: Patience | None
    ) -> FlightOffer | None:
        self.are_patient.append(patience is not None)
        if patience is not None and self.postponed > 0:
            self.postponed -= 1
            raise FetchPostponed
        self.asked.append(query)
        if patience is not None:
            patience.turn_taken()
            if self.is_called:
                patience.called()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if query.date != self.quick:
            self.go_on.wait(deadline.remaining())
        self.under_way -= 1
        return None


class Upstream:
    """An upstream whose room a test decides."""

    interval: float | None = None

    def __init__(self) -> None:
        self.room = 0.0
        self.rooms: list[float] = []
        self.error: Exception | None = None
        self.looks = 0

    def room_in(self, deadline: Deadline) -> float:
        assert deadline.remaining()
        self.looks += 1
        if self.error:
            raise self.error
        return self.rooms.pop(0) if self.rooms else self.room


class Stage:
    """The fetches of one process, with a source and an upstream that the test controls.

    beside: a process that shares its store and its source.
    """

    def __init__(
        self, interval: float | None = None, max_fetches: int = 128, beside: "Stage | None" = None
    ) -> None:
        self.offers: Offers = beside.offers if beside else Offers()
        self.upstream = Upstream()
        self.upstream.interval = interval
        metrics = Metrics()
        self.store: MemoryStore = beside.store if beside else MemoryStore(metrics)
        self.reader = ReadThrough(self.store, 5, max_fetches)
        times = CacheTimes(600, 600, 60)
        self.prices = Prices(self.reader, self.offers, "test", times, metrics)
        self.fetcher = PatientFetcher(self.reader, self.prices.cache_request, self.upstream)

    def fetches(self, days: int, seconds: float | Deadline = 5, first: int = 0) -> PatientFetches:
        wanted = queries(first + days)[first:]
        deadline = seconds if isinstance(seconds, Deadline) else Deadline(seconds)
        return PatientFetches(self.fetcher, wanted, deadline, None)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage without a rate limit."""
    stage = Stage()
    yield stage
    stage.offers.go_on.set()


@pytest.fixture
def paced() -> Iterator[Stage]:
    """A stage with a rate limit."""
    stage = Stage(interval=0.01)
    yield stage
    stage.offers.go_on.set()


def queries(days: int) -> list[PriceQuery]:
    return [
        PriceQuery.model_construct(
            origin="JFK", destination="LAX", date=DAY + dt.timedelta(days=number), return_date=None
        )
        for number in range(days)
    ]


def outcomes_of(fetches: PatientFetches) -> list[CacheResult | FlightPriceError]:
    return [outcome for _, outcome in fetches.outcomes()]


def types(outcomes: list[CacheResult | FlightPriceError]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_calendars_of_two_processes_cost_the_calls_of_one(paced: Stage) -> None:
    other, offers = Stage(interval=0.01, beside=paced), paced.offers
    offers.postponed = 10
    with ThreadPoolExecutor(6) as threads:
        calendars = [stage.fetches(8, 10) for stage in (paced, other) * 3]
        iterated = [threads.submit(outcomes_of, calendar) for calendar in calendars]
        eventually(lambda: offers.under_way == 8)
        offers.go_on.set()
        assert [types(each.result()) for each in iterated] == [[CacheResult] * 8] * 6

    assert len(offers.asked) == 8
    assert sum(calendar.calls for calendar in calendars) == 8


def test_without_a_rate_limit_eight_days_are_under_way_at_a_time(stage: Stage) -> None:
    with ThreadPoolExecutor(1) as threads:
        iterated = threads.submit(outcomes_of, stage.fetches(20))
        eventually(lambda: stage.offers.under_way == MAX_UNDER_WAY)
        stage.offers.go_on.set()

    assert types(iterated.result()) == [CacheResult] * 20
    assert stage.offers.most_under_way == MAX_UNDER_WAY


def test_with_a_rate_limit_only_turns_limit_the_days_under_way(paced: Stage) -> None:
    with ThreadPoolExecutor(1) as threads:
        iterated = threads.submit(outcomes_of, paced.fetches(20))
        eventually(lambda: paced.offers.under_way == 20)
        paced.offers.go_on.set()

    assert types(iterated.result()) == [CacheResult] * 20


@pytest.mark.parametrize("interval", [None, 0.01])
def test_calendars_leave_slots_to_single_prices(interval: float | None) -> None:
    stage = Stage(interval, max_fetches=16)
    *wanted, single = queries(31)
    stage.offers.quick = single.date
    with ThreadPoolExecutor(3) as threads:
        iterated = [
            threads.submit(outcomes_of, stage.fetches(20, first=10 * number)) for number in range(2)
        ]
        eventually(lambda: stage.offers.under_way == 4)
        stage.reader.read(stage.prices.cache_request(single), Deadline(1))
        stage.offers.go_on.set()

    assert [types(each.result()) for each in iterated] == [[CacheResult] * 20] * 2
    assert stage.offers.most_under_way == 5
    assert len(stage.offers.asked) == len(wanted) + 1


def test_calendar_without_a_day_to_fetch_starts_no_thread(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)

    assert outcomes_of(stage.fetches(0)) == []
    assert started == []


def test_day_starts_only_when_there_is_room(paced: Stage) -> None:
    paced.offers.go_on.set()
    paced.upstream.room = 0.001
    with ThreadPoolExecutor(1) as threads:
        iterated = threads.submit(outcomes_of, paced.fetches(3))
        eventually(lambda: paced.upstream.looks > 5)
        asked = list(paced.offers.asked)
        paced.upstream.room = 0.0

    assert asked == []
    assert types(iterated.result()) == [CacheResult] * 3


def test_postponed_day_is_tried_again_and_misses_once(paced: Stage) -> None:
    paced.offers.go_on.set()
    paced.offers.postponed = 4
    fetches = paced.fetches(2)
    with capture_logs() as record:
        outcomes = outcomes_of(fetches)

    assert types(outcomes) == [CacheResult] * 2
    assert [line["event"] for line in record].count("cache.miss") == 2
    assert fetches.calls == 2


def test_postponed_day_goes_beside_the_queue_again(paced: Stage) -> None:
    paced.offers.go_on.set()
    paced.offers.postponed = 1
    paced.upstream.rooms, paced.upstream.room = [0.0], 60.0

    assert types(outcomes_of(paced.fetches(1, seconds=0.6))) == [NotInTime]
    assert paced.offers.asked == []


def test_one_calendar_looks_for_room_at_a_time(paced: Stage) -> None:
    paced.upstream.room = 60.0
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(outcomes_of, paced.fetches(1, seconds=1))
        eventually(lambda: paced.upstream.looks == 1)
        assert types(outcomes_of(paced.fetches(1, seconds=0.3, first=1))) == [NotInTime]
        assert paced.upstream.looks == 1

    assert types(first.result()) == [NotInTime]


def test_processes_look_for_room_at_different_times(
    paced: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Mock(**{"uniform.return_value": 0.01})
    monkeypatch.setattr(patient_fetches, "SystemRandom", lambda: random)
    paced.upstream.rooms = [0.3]
    paced.offers.go_on.set()

    assert types(outcomes_of(paced.fetches(1))) == [CacheResult]
    random.uniform.assert_called_once_with(0.3, 0.3 + 0.01)


def test_day_that_another_process_stored_is_not_fetched_ahead(paced: Stage) -> None:
    (query,) = queries(1)
    fetched_at = time.time() - 590
    paced.store.keep(
        paced.prices.cache_request(query).key, Entry(b"", fetched_at, fetched_at, 600), 60
    )

    before = threading.enumerate()
    assert types(outcomes_of(paced.fetches(1))) == [CacheResult]
    new = [thread.name for thread in threading.enumerate() if thread not in before]
    assert "refresh" not in new
    assert paced.offers.asked == []


def test_reader_who_wants_a_waiting_day_goes_first(paced: Stage) -> None:
    paced.offers.go_on.set()
    paced.upstream.room = 0.001
    (query,) = queries(1)
    with ThreadPoolExecutor(1) as threads:
        iterated = threads.submit(outcomes_of, paced.fetches(1))
        eventually(lambda: paced.upstream.looks > 0)
        result = paced.reader.read(paced.prices.cache_request(query), Deadline(5))

    assert paced.offers.are_patient == [False]
    (outcome,) = iterated.result()
    assert isinstance(outcome, CacheResult)
    assert outcome.entry == result.entry


def test_calendars_that_want_the_same_day_need_one_turn(paced: Stage) -> None:
    paced.offers.go_on.set()
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(outcomes_of, [paced.fetches(20) for _ in range(3)]))

    assert [types(outcomes) for outcomes in answers] == [[CacheResult] * 20] * 3
    assert len(paced.offers.asked) == 20


def test_day_that_is_under_way_is_joined_without_room(paced: Stage) -> None:
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(outcomes_of, paced.fetches(1))
        eventually(lambda: paced.offers.under_way == 1)
        paced.upstream.room = 60.0
        looks = paced.upstream.looks
        second = threads.submit(outcomes_of, paced.fetches(1))
        eventually(lambda: [t for t in threading.enumerate() if t.name == "day"][1:])
        paced.offers.go_on.set()

    assert types(first.result()) == types(second.result()) == [CacheResult]
    assert paced.upstream.looks == looks


def test_days_that_would_fail_at_once_take_no_turn(paced: Stage) -> None:
    paced.upstream.error = AmadeusQuota("used up")

    outcomes = outcomes_of(paced.fetches(3))

    assert types(outcomes) == [AmadeusQuota] * 3
    assert paced.offers.asked == []


def test_day_that_was_never_started_is_not_in_time(paced: Stage) -> None:
    paced.upstream.room = 60.0

    assert types(outcomes_of(paced.fetches(3, seconds=0.3))) == [NotInTime] * 3


def test_day_that_still_waits_for_its_call_is_not_in_time(paced: Stage) -> None:
    paced.offers.is_called = False

    assert types(outcomes_of(paced.fetches(2, seconds=0.6))) == [NotInTime] * 2


def test_day_that_another_request_fetches_is_a_timeout(paced: Stage) -> None:
    (query,) = queries(1)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(paced.reader.read, paced.prices.cache_request(query), Deadline(5))
        eventually(lambda: paced.offers.under_way == 1)
        assert types(outcomes_of(paced.fetches(1, seconds=0.6))) == [AmadeusTimeout]
        paced.offers.go_on.set()


def test_outcomes_that_are_there_at_the_deadline_are_given(stage: Stage) -> None:
    stage.offers.go_on.set()
    deadline = Deadline(1)
    outcomes = stage.fetches(8, deadline).outcomes()
    first = next(outcomes)
    eventually(lambda: not deadline.remaining())

    assert types([outcome for _, outcome in (first, *outcomes)]) == [CacheResult] * 8


def test_day_under_way_at_the_deadline_is_given_up_and_kept(paced: Stage) -> None:
    deadline = Deadline(0.6)
    fetches = paced.fetches(2, deadline)

    assert types(outcomes_of(fetches)) == [AmadeusTimeout] * 2
    assert deadline.remaining()  # the answer must go out by then
    paced.offers.go_on.set()

    wanted = paced.prices.cache_request(queries(2)[1])
    eventually(lambda: paced.reader.known(wanted))


def test_no_day_starts_after_the_reader_has_gone(stage: Stage) -> None:
    stage.offers.quick = DAY
    days = stage.fetches(20).outcomes()
    next(days)
    eventually(lambda: stage.offers.under_way == MAX_UNDER_WAY)
    days.close()
    stage.offers.go_on.set()

    eventually(lambda: stage.offers.under_way == 0)
    eventually(lambda: not [t for t in threading.enumerate() if t.name in ("calendar", "day")])
    assert len(stage.offers.asked) == 1 + MAX_UNDER_WAY


def test_bug_reaches_the_reader(paced: Stage) -> None:
    paced.upstream.error = RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        outcomes_of(paced.fetches(3))
