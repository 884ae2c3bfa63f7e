"""The page at / says in words what went wrong: tested in a real browser."""

import datetime as dt
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.front_page import FrontPage, coming_month, days_of
from tests.support.processes import eventually
from tests.support.servers.browser import CLOSES_SOON, complaints, tab, violations
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

pytestmark = pytest.mark.long
KEY, OPERATOR = "the-key-of-the-client", "the-key-of-the-operator"
MONTH = coming_month()
DAYS = days_of(MONTH)
SLOW_CALLS = 15  # a second
# Lets only the first two lines of an answer through, as a proxy might that gives up.
CUT_SHORT = """
  const fetch = window.fetch;
  window.fetch = async (...request) => {
    const answer = await fetch(...request);
    const lines = (await answer.text()).split("\\n").slice(0, 2);
    return new Response(lines.join("\\n") + "\\n", answer);
  };
"""
_numbers = count(1)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service on the bundled sandbox."""
    with Service(**CLOSES_SOON) as service:
        yield service


@pytest.fixture
def page(chrome: Chrome, service: Service) -> FrontPage:
    return FrontPage(chrome, service.url)


@pytest.fixture(scope="module")
def _slow(shared_sandbox: SandboxServer) -> Iterator[Service]:
    settings = {"amadeus_rate_limit": SLOW_CALLS, "amadeus_timeout": 5, **CLOSES_SOON}
    with Service.on(shared_sandbox, **settings) as service:
        yield service


@pytest.fixture
def slow(_slow: Service, sandbox: SandboxServer) -> Service:
    """A service that takes two seconds for a month. It has no faults at first."""
    del sandbox
    return _slow


def new_search() -> dict[str, str]:
    """A search that no other test makes, so no price of it is known."""
    return {"nights": str(next(_numbers))}


@contextmanager
def offline(chrome: Chrome) -> Iterator[None]:
    """Cut the browser off from the network while the `with` lasts."""
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    chrome.execute_cdp_cmd("Network.enable", {})
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **network})
    try:
        yield
    finally:
        chrome.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **network})


def test_grid_fills_while_the_days_arrive(slow: Service, chrome: Chrome) -> None:
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()

    first, *_, last = steps = [step for step in page.appeared() if step[1]]
    counts = [prices for _, prices in steps]
    assert (counts[0], counts[-1]) == (1, len(DAYS))
    assert counts == sorted(counts)
    assert len(set(counts)) > 10
    assert last[0] - first[0] > len(DAYS) / SLOW_CALLS / 2
    assert list(page.prices()) == DAYS


def test_progress_bar_is_there_until_all_days_have_arrived(
    sandbox: SandboxServer, slow: Service, chrome: Chrome
) -> None:
    sandbox.fault("search", "hang", count=1)
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.shows("progress-text", f"{len(DAYS) - 1} of {len(DAYS)} days")
    assert page.is_shown("progress")
    assert page.text("summary") == ""

    page.is_complete()
    assert not page.is_shown("progress")


def test_progress_is_announced_now_and_then(slow: Service, chrome: Chrome) -> None:
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()

    progress = [text for text in page.said() if "have arrived" in text]
    assert (
        progress
        == [f"{number} of {len(DAYS)} days have arrived." for number in (10, 20, 30)][
            : len(DAYS) // 10
        ]
    )
    assert page.element("live").aria_role == "status"


def test_prices_of_another_environment_are_not_called_invented(
    slow: Service, chrome: Chrome
) -> None:
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()

    assert not page.is_shown("sandbox")


def test_days_on_which_nothing_flies_say_so(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "empty_list", count=3)
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()

    empty = [day for day in page.days() if "nothing flies" in day.text]
    assert len(empty) == 3
    assert len(page.prices()) == len(DAYS) - 3
    empty[0].click()
    page.shows("flight-body", "No flight offers from JFK to LAX on")


def test_month_without_flights_says_so(page: FrontPage) -> None:
    page.open_month("CDG", "ORY")
    page.is_complete()

    assert page.text("summary") == f"Nothing flies in {dt.date.fromisoformat(DAYS[0]):%B %Y}."
    assert page.said()[-1] == page.text("summary")
    assert all("nothing flies" in day.text for day in page.days())


def test_month_with_unknown_days_does_not_say_that_nothing_flies_in_it(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "html", count=1)
    page = FrontPage(chrome, slow.url)
    page.open_month("CDG", "ORY", **new_search())
    page.is_complete()

    assert page.text("summary") == "Nothing flies on the days that are known."


def test_cheapest_day_says_among_how_many_it_is_while_days_are_missing(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "html", count=1)
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()
    assert page.text("summary").startswith(f"Cheapest of {len(DAYS) - 1} known days: ")
    assert page.said()[-1].startswith(page.text("summary"))
    [unknown] = [day for day in page.days() if "no price" in day.text]

    page.choose(unknown.get_attribute("data-day") or "")

    assert page.text("summary").startswith("Cheapest: ")


def test_missing_days_are_named_with_the_reason_and_can_be_asked_again(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "html", count=2)
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()

    unknown = [day.get_attribute("data-day") or "" for day in page.days() if "no price" in day.text]
    assert len(unknown) == 2
    assert "the answer of Amadeus cannot be read" in page.day(unknown[0]).accessible_name
    for day in unknown:
        assert f"{int(day[8:])} " in page.text("missing-list")
    assert "the answer of Amadeus cannot be read" in page.text("missing-list")
    assert page.said()[-1].endswith("Unknown days: 2.")

    page.element("missing-retry").click()
    eventually(lambda: len(page.prices()) == len(DAYS))
    assert not page.is_shown("missing")


def test_missing_day_that_is_chosen_is_asked_again(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "html", count=1)
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.is_complete()
    [unknown] = [day for day in page.days() if "no price" in day.text]

    page.choose(unknown.get_attribute("data-day") or "")

    assert len(page.prices()) == len(DAYS)
    assert not page.is_shown("missing")


def test_old_price_says_how_old_it_is(
    sandbox: SandboxServer, redis_server: RedisServer, chrome: Chrome
) -> None:
    settings = {"redis_url": redis_server.url, "cache_stale_ttl": 86400, **CLOSES_SOON}
    with Service.on(sandbox, **settings) as before:
        before.get("/flights/calendar", origin="JFK", destination="LAX", month=MONTH)
        assert len(entries(redis_server)) == len(DAYS)
    age(redis_server, 7200)
    sandbox.fault("search", "status", "500")

    with Service.on(sandbox, **settings) as service:
        page = FrontPage(chrome, service.url)
        page.open_month()
        page.is_complete()
        assert len([day for day in page.days() if "2 hours old" in day.text]) == len(DAYS)
        page.choose(DAYS[9])

    assert "Amadeus does not answer now" in page.text("flight-body")
    assert "2 hours old" in page.text("flight-body")


def entries(redis: RedisServer) -> dict[bytes, bytes]:
    """The cached prices in Redis."""
    found = {key: redis.client.get(key) for key in redis.client.scan_iter("fp:1:{price*}")}
    return {key: value for key, value in found.items() if isinstance(value, bytes)}


def age(redis: RedisServer, seconds: float) -> None:
    """Make all prices in Redis older by so many seconds."""
    for key, value in entries(redis).items():
        head, _, body = value.partition(b"\n")
        version, fetched_at, stored_at, ttl = head.split()
        times = [b"%.6f" % (float(moment) - seconds) for moment in (fetched_at, stored_at)]
        redis.client.set(key, b" ".join((version, *times, ttl)) + b"\n" + body, keepttl=True)


def test_failing_amadeus_is_said_in_words_and_can_be_asked_again(
    slow: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", "500")
    page = FrontPage(chrome, slow.url)
    page.open_month(**new_search())
    page.shows("problem-text", "Amadeus is not available.")
    assert page.element("problem").aria_role == "alert"
    assert not page.is_shown("result")

    sandbox.clear()

    def asks_again() -> bool:
        if page.is_shown("problem-retry"):
            page.element("problem-retry").click()
        return page.is_shown("result")

    eventually(asks_again)
    page.is_complete()
    assert not page.is_shown("problem")


def test_exhausted_quota_has_its_own_words(chrome: Chrome) -> None:
    with Service(**CLOSES_SOON) as service:
        page = FrontPage(chrome, service.url)
        page.open_month("WIZ", "NOQ")

        page.shows("problem-text", "The monthly quota at Amadeus is used up.")


def test_flight_that_cannot_be_shown_says_why_and_can_be_asked_again(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    with offline(page.chrome):
        page.day(DAYS[9]).click()
        page.shows("flight-body", "The service does not answer.")
        assert "curl" in page.command()

    page.element("flight-body").find_element(By.TAG_NAME, "button").click()

    page.has_flight()


def test_expired_allowance_is_said_in_words(chrome: Chrome) -> None:
    with Service(client_rate_limit=10, **CLOSES_SOON) as limited:
        page = FrontPage(chrome, limited.url)
        page.open_month()
        page.is_complete()
        assert "your allowance is used up" in page.text("missing-list")
        assert 0 < len(page.prices()) < len(DAYS)
        assert page.text("summary").startswith(f"Cheapest of {len(page.prices())} known days: ")

        eventually(lambda: limited.price().status_code == 429)
        page.element("missing-retry").click()
        page.shows("problem-text", "Your allowance is used up.")

    assert re.search(r"Try again in \d+ seconds?\.", page.text("problem-text"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_each_fault_stands_next_to_its_field(
    service: Service, chromium: Chrome, axe: str, dark: bool
) -> None:
    with tab(chromium, dark=dark) as chrome:
        page = FrontPage(chrome, service.url)
        page.open()
        page.element("more").find_element(By.TAG_NAME, "summary").click()
        page.fill(origin="J", infants="2", nights="366", adults="0")
        page.press(Keys.ENTER)
        page.shows("fault-origin", "must be an IATA code")

        assert page.text("fault-destination") == "is required."
        assert "from 1 to 9" in page.text("fault-adults")
        assert "from 0 to 365" in page.text("fault-nights")
        assert page.focused().get_attribute("id") == "origin"
        assert page.element("origin").get_attribute("aria-invalid") == "true"
        assert "fault-origin" in (page.element("origin").get_attribute("aria-describedby") or "")
        assert page.text("problem-text") == "Please correct the search."
        assert violations(chrome, axe) == []


def test_name_of_a_city_is_not_cut_to_a_code(page: FrontPage) -> None:
    page.open()
    page.fill(origin="Madrid", destination="New York")
    page.submit()

    for field, name in {"origin": "Madrid", "destination": "New York"}.items():
        page.shows(f"fault-{field}", "must be an IATA code of three letters")
        assert "three-letter code of a city or airport" in page.text(f"hint-{field}")
        assert page.element(field).get_attribute("value") == name
    assert not page.is_shown("result")


def test_corrected_fault_disappears(page: FrontPage) -> None:
    page.open_month("J")
    page.shows("fault-origin", "must be an IATA code")

    page.fill(origin="JFK")
    page.submit()
    page.is_complete()

    assert page.text("fault-origin") == ""
    assert page.element("origin").get_attribute("aria-invalid") is None
    assert not page.is_shown("problem")


def test_month_of_the_past_is_explained_at_the_month(page: FrontPage) -> None:
    page.open_month(month="2020-01")

    page.shows("fault-month", "past")
    assert page.text("month").splitlines()[-1] == "January 2020"


def test_lost_network_is_said_in_words(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    with offline(page.chrome):
        page.fill(origin="BOS")
        page.submit()
        page.shows("problem-text", "The service does not answer. Check your connection.")

    page.element("problem-retry").click()

    page.shows("result-title", "BOS to LAX")


def test_connection_that_breaks_amid_the_days_keeps_what_has_arrived(
    sandbox: SandboxServer, chrome: Chrome
) -> None:
    with Service.on(sandbox, amadeus_rate_limit=5) as service:
        page = FrontPage(chrome, service.url)
        page.open_month()
        eventually(page.prices)
        for process in (service.process.pid, *service.workers()):
            os.kill(process, signal.SIGKILL)

    page.shows("problem-text", "The connection broke before all days had arrived.")

    assert 0 < len(page.prices()) < len(DAYS)


def test_answer_without_its_last_line_counts_as_broken(page: FrontPage) -> None:
    page.open()
    page.chrome.execute_script(CUT_SHORT)
    page.fill(origin="JFK", destination="LAX", month=MONTH)
    page.submit()

    page.shows("problem-text", "The connection broke before all days had arrived.")
    assert len(page.prices()) == 2
    assert not page.is_shown("progress")
    assert not page.is_shown("missing-retry")  # the problem has a button for that
    lost = [day for day in page.days() if "it has not arrived" in day.accessible_name]
    assert len(lost) == len(DAYS) - 2


@pytest.fixture(scope="module")
def keyed() -> Iterator[Service]:
    """A service that requires a key."""
    with Service(api_keys=KEY, operator_keys=OPERATOR) as service:
        yield service


@pytest.fixture
def locked(chrome: Chrome, keyed: Service) -> FrontPage:
    """A page that has asked for the key."""
    page = FrontPage(chrome, keyed.url)
    page.open_month()
    eventually(lambda: page.is_shown("key-form"))
    return page


def enter(page: FrontPage, key: str) -> None:
    page.element("key").send_keys(key, Keys.ENTER)


def test_page_asks_for_a_key_and_keeps_it_for_the_tab(
    locked: FrontPage, keyed: Service, chromium: Chrome, axe: str
) -> None:
    assert locked.focused().get_attribute("id") == "key"
    assert violations(locked.chrome, axe) == []
    enter(locked, KEY)
    locked.is_complete()
    locked.choose(DAYS[9])

    locked.chrome.refresh()
    locked.is_complete()
    assert not locked.is_shown("key-form")
    with tab(chromium) as chrome:
        other = FrontPage(chrome, keyed.url)
        other.open_month()
        eventually(lambda: other.is_shown("key-form"))


def test_key_stays_out_of_address_page_and_command(locked: FrontPage) -> None:
    enter(locked, KEY)
    locked.is_complete()
    locked.choose(DAYS[9])

    assert '-H "Authorization: Bearer $API_KEY"' in locked.command()
    assert KEY not in locked.chrome.current_url
    assert KEY not in locked.chrome.page_source
    assert locked.chrome.execute_script("return localStorage.length + document.cookie") == "0"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("a-key-that-nobody-gave", "Unknown API key."),
        (OPERATOR, "This API key gives no access to this path."),
    ],
)
def test_refused_key_is_explained_and_asked_for_again(
    locked: FrontPage, key: str, said: str
) -> None:
    enter(locked, key)
    locked.shows("key-reason", said)

    enter(locked, KEY)
    locked.is_complete()


def test_operator_key_that_the_browser_knows_is_not_sent(chrome: Chrome, keyed: Service) -> None:
    page = FrontPage(chrome, keyed.url)
    chrome.get(keyed.url.replace("://", f"://me:{OPERATOR}@") + "/status")
    page.shows("state", "Healthy")
    before = len(keyed.log("client.refused"))
    page.open_month()
    eventually(lambda: page.is_shown("key-form"))

    refused = eventually(lambda: keyed.log("client.refused")[before:])
    assert [line["code"] for line in refused] == ["unauthorized"]


def test_expected_problems_break_no_policy(locked: FrontPage) -> None:
    enter(locked, KEY)
    locked.is_complete()

    assert [line for line in complaints(locked.chrome) if "status of 401" not in line] == []
