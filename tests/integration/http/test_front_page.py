"""The page at / in a real browser."""

import datetime as dt
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from api.models import bookable_days
from tests.support.front_page import FrontPage, coming_month, days_of
from tests.support.processes import eventually
from tests.support.providers import duffel
from tests.support.servers.bridge_server import ProviderServer
from tests.support.servers.browser import CLOSES_SOON, complaints, requested, tab, violations
from tests.support.servers.service import Service

pytestmark = pytest.mark.long
DESKTOP, PHONE, SMALLEST = (1100, 1300), (390, 1500), (320, 1200)
MONTH = coming_month()
BLOCKED = """
  const done = arguments[0];
  const blocked = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    blocked.push(event.effectiveDirective);
    if (blocked.length === 3) done(blocked.sort());
  });
  const script = document.createElement("script");
  script.textContent = "window.injected = true";
  const style = document.createElement("style");
  style.textContent = "body { display: none }";
  const image = new Image();
  document.body.append(script, style, image);
  image.src = "http://127.0.0.2:9/pixel.png";
"""
# Lets each flight cost one unit, as if its price had fallen since the month was shown.
FALLEN_PRICES = """
  const fetch = window.fetch;
  window.fetch = async (...request) => {
    const answer = await fetch(...request);
    if (!request[0].includes("/flights/offer")) return answer;
    const { data } = await answer.json();
    data.price = data.price.replace(/^[0-9.]+/, "1");
    return new Response(JSON.stringify({ data }), answer);
  };
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """A service on the bundled sandbox, which knows a month after its first test."""
    with Service(**CLOSES_SOON) as service:
        yield service


@pytest.fixture
def page(chrome: Chrome, service: Service) -> FrontPage:
    return FrontPage(chrome, service.url)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for screenshots; `make pictures` keeps them."""
    return Path(os.environ.get("PICTURES", tmp_path))


def test_search_form_asks_for_a_month(page: FrontPage) -> None:
    page.open()
    page.fill(origin="jfk", destination="lax", month=MONTH, adults="2")
    page.submit()
    page.is_complete()

    asked = {"origin": "jfk", "destination": "lax", "month": MONTH, "adults": "2"}
    assert query_of(page.chrome.current_url) == asked
    assert page.text("result-title").startswith("JFK to LAX, ")
    assert list(page.prices()) == days_of(MONTH)
    assert asked in [query_of(url) for url in requested(page.chrome) if "/calendar" in url]


def test_heading_has_codes_in_upper_case(page: FrontPage) -> None:
    page.open_month("Jfk", "lax")

    page.shows("result-title", "JFK to LAX, ")


def test_every_field_of_the_form_reaches_the_service(page: FrontPage) -> None:
    fields = {"origin": "MAD", "destination": "NYC", "month": MONTH, "nights": "7"}
    fields |= {"adults": "2", "children": "1", "infants": "1"}
    fields |= {"cabin": "business", "currency": "USD", "nonstop": "1"}
    page.open()
    page.element("more").find_element(By.TAG_NAME, "summary").click()
    page.fill(**fields)
    page.submit()
    page.is_complete()

    assert query_of(page.chrome.current_url) == fields
    assert fields in [query_of(url) for url in requested(page.chrome) if "/calendar" in url]
    assert {price.split()[1] for price in page.prices().values()} == {"USD"}


def test_days_that_cannot_be_asked_say_why(page: FrontPage) -> None:
    earliest, latest = map(str, bookable_days())
    page.open_month(month=latest[:7])
    page.is_complete()
    too_far = [day for day in days_of(latest[:7]) if day > latest]
    names = {day: page.day(day).accessible_name for day in days_of(latest[:7])}
    assert [day for day, name in names.items() if "it is too far ahead" in name] == too_far
    assert not page.is_shown("missing-retry")

    page.open_month(month=earliest[:7])
    page.is_complete()
    asked = [day.get_attribute("data-day") for day in page.days()]
    assert asked == [day for day in days_of(earliest[:7]) if day >= earliest]
    assert page.text("grid").count("is over") == int(earliest[8:]) - 1


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(url).query).items()}


def test_grid_shows_the_price_of_each_day(page: FrontPage, service: Service) -> None:
    page.open_month()
    page.is_complete()

    for day, shown in list(page.prices().items())[::10]:
        assert service.price(date=day).json()["data"]["price"] == shown


def test_grid_is_coloured_by_price_and_says_each_price_in_text(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    amounts = {day: float(price.split()[0]) for day, price in page.prices().items()}
    lowest, highest = min(amounts, key=amounts.__getitem__), max(amounts, key=amounts.__getitem__)

    levels = {day: page.day(day).get_attribute("data-level") for day in amounts}
    assert (levels[lowest], levels[highest]) == ("0", "4")
    by_price = sorted(amounts, key=amounts.__getitem__)
    assert [levels[day] for day in by_price] == sorted(levels.values(), key=str)
    colours = {page.day(day).value_of_css_property("background-color") for day in (lowest, highest)}
    assert len(colours) == 2
    assert all(page.prices()[day].split()[0] in page.day(day).text for day in amounts)


def test_cheapest_day_is_marked_named_and_announced(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    amounts = {day: float(price.split()[0]) for day, price in page.prices().items()}
    cheapest = min(amounts, key=amounts.__getitem__)
    price = page.prices()[cheapest]

    assert "★" in page.day(cheapest).text
    assert [day.get_attribute("data-day") for day in page.days() if "★" in day.text] == [cheapest]
    date = dt.date.fromisoformat(cheapest)
    assert f"{date:%A} {date.day} {date:%B %Y}" in page.text("summary").replace(",", "")
    assert price in page.text("summary")
    assert page.said()[-1] == page.text("summary")


def test_cheapest_day_follows_the_price_of_a_flight(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    page.chrome.execute_script(FALLEN_PRICES)
    day = next(day for day in days_of(MONTH) if "★" not in page.day(day).text)

    page.choose(day)

    assert [day.get_attribute("data-day") for day in page.days() if "★" in day.text] == [day]
    assert page.text("summary").endswith(f", {page.prices()[day]}.")
    assert page.prices()[day].startswith("1 ")


def test_chosen_day_shows_its_flight_and_its_curl_command(page: FrontPage) -> None:
    page.open_month(nights="7", adults="2")
    page.is_complete()
    day = days_of(MONTH)[9]

    page.choose(day)

    offer = json.loads(
        subprocess.run(shlex.split(page.command()), capture_output=True, check=True).stdout
    )["data"]
    shown = page.text("flight")
    assert offer["departure_date"] == day
    assert offer["price"] == page.prices()[day]
    assert offer["price"] in shown
    assert offer["airline"]["code"] in shown
    for itinerary in offer["itineraries"]:
        for segment in itinerary["segments"]:
            assert segment["flight"] in shown
            assert segment["departs"][11:16] in shown
            assert segment["arrives"][11:16] in shown
    assert "Return: " in shown


def test_page_names_the_sandbox_prominently(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()

    assert page.is_shown("sandbox")
    assert "invented" in page.text("sandbox")
    assert float(page.element("sandbox").value_of_css_property("font-size")[:-2]) > 16


def test_page_says_that_prices_for_a_test_token_are_invented(chrome: Chrome) -> None:
    account = {"amadeus_environment": "duffel", "duffel_access_token": duffel.TOKEN}
    with (
        ProviderServer(duffel.Duffel(duffel.offer())) as provider,
        Service(duffel_base_url=provider.url, **account, **CLOSES_SOON) as service,
    ):
        page = FrontPage(chrome, service.url)
        page.open_month()
        page.is_complete()

        assert page.is_shown("duffel-test")
        assert "invented" in page.text("duffel-test")
        assert not page.is_shown("sandbox")


def test_address_of_the_page_leads_back_to_month_and_flight(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    first, second = days_of(MONTH)[3], days_of(MONTH)[4]
    page.choose(first)
    page.choose(second)

    page.chrome.refresh()
    page.has_flight()
    assert f"&day={second}" in page.chrome.current_url
    page.chrome.back()
    page.shows("flight-title", f" {int(first[8:])} ")
    page.chrome.back()
    eventually(lambda: not page.is_shown("flight"))
    assert page.is_shown("result")


def test_back_button_returns_to_the_month_before(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    page.fill(origin="BOS")
    page.submit()
    page.shows("result-title", "BOS to LAX")
    page.is_complete()

    page.chrome.back()

    page.shows("result-title", "JFK to LAX")
    assert page.element("origin").get_attribute("value") == "JFK"


def test_page_works_by_keyboard_alone(page: FrontPage) -> None:
    page.open()
    page.tab_to(lambda focused: focused.get_attribute("id") == "origin")
    page.press("JFK", Keys.TAB, "LAX", Keys.ENTER)
    page.is_complete()
    page.tab_to(lambda focused: focused.get_attribute("data-day") is not None)
    first = page.focused().get_attribute("data-day") or ""
    page.press(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    week_later = str(dt.date.fromisoformat(first) + dt.timedelta(days=7))
    assert page.focused().get_attribute("data-day") == week_later

    page.press(Keys.ENTER)
    page.has_flight()
    assert page.focused().get_attribute("id") == "flight-title"
    page.tab_to(lambda focused: focused.text == "Back to the month")
    page.press(Keys.SPACE)

    assert not page.is_shown("flight")
    assert page.focused().get_attribute("data-day") == week_later


def test_grid_is_one_stop_of_the_tab_key(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    page.press(Keys.HOME)

    stops = [day for day in page.days() if day.get_attribute("tabindex") == "0"]

    assert len(stops) == 1


def test_home_and_end_keys_lead_to_the_ends_of_a_week(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    page.day(f"{MONTH}-15").send_keys(Keys.HOME)
    monday = dt.date.fromisoformat(page.focused().get_attribute("data-day") or "")
    page.press(Keys.END)
    sunday = dt.date.fromisoformat(page.focused().get_attribute("data-day") or "")

    assert (monday.weekday(), sunday.weekday()) == (0, 6)
    assert monday <= dt.date.fromisoformat(f"{MONTH}-15") <= sunday


def test_escape_key_closes_the_flight(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    page.choose(f"{MONTH}-15")

    page.press(Keys.ESCAPE)

    assert not page.is_shown("flight")
    assert page.focused().get_attribute("data-day") == f"{MONTH}-15"


def test_screen_reader_hears_the_whole_date_and_price_of_a_day(page: FrontPage) -> None:
    page.open_month()
    page.is_complete()
    day = dt.date.fromisoformat(f"{MONTH}-15")

    name = page.day(str(day)).accessible_name

    price = page.prices()[str(day)]
    assert name.startswith(f"{day:%A} 15 {day:%B}: {price}")
    grid = page.element("grid")
    assert (grid.aria_role, grid.accessible_name) == ("grid", page.text("result-title"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_on_the_page(
    service: Service, chromium: Chrome, axe: str, size: tuple[int, int], dark: bool, pictures: Path
) -> None:
    name = f"{'phone' if size == PHONE else 'desktop'}-{'dark' if dark else 'light'}.png"
    with tab(chromium, *size, dark=dark) as chrome:
        page = FrontPage(chrome, service.url)
        page.open()
        assert violations(chrome, axe) == []
        page.open_month(nights="7")
        page.is_complete()
        page.choose(f"{MONTH}-15")
        assert violations(chrome, axe) == []
        chrome.execute_script("scrollTo(0, 0)")
        assert chrome.save_screenshot(str(pictures / name))
        back = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(18, 21, 27)") is dark


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALLEST], ids=str)
def test_page_fits_the_width_of_the_screen(
    service: Service, chromium: Chrome, size: tuple[int, int]
) -> None:
    with tab(chromium, *size) as chrome:
        page = FrontPage(chrome, service.url)
        page.open_month()
        page.is_complete()
        page.choose(f"{MONTH}-15")

        assert chrome.execute_script("return document.documentElement.scrollWidth") <= size[0]


def test_page_does_not_move_for_people_who_prefer_that(page: FrontPage) -> None:
    page.open()
    animated = """
      document.querySelector("#grid tbody").innerHTML =
        "<tr><td><button data-state='waits'><span class='note'>…</span></button></td></tr>";
      return getComputedStyle(document.querySelector("#grid .note")).animationName;
    """
    assert page.chrome.execute_script(animated) == "wait"

    still = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", still)

    assert page.chrome.execute_script(animated) == "none"


def test_page_loads_nothing_from_elsewhere_and_breaks_no_policy(
    page: FrontPage, service: Service
) -> None:
    page.open_month()
    page.is_complete()
    page.choose(f"{MONTH}-15")

    assert complaints(page.chrome) == []
    assert all(url.startswith(service.url) for url in requested(page.chrome))


def test_content_security_policy_blocks_what_is_injected(page: FrontPage) -> None:
    page.open()

    blocked = page.chrome.execute_async_script(BLOCKED)

    assert blocked == ["img-src", "script-src-elem", "style-src-elem"]
    assert page.chrome.execute_script("return window.injected") is None
    assert page.is_shown("search")


def test_markup_in_the_address_stays_text(page: FrontPage) -> None:
    markup = "<img src=x onerror='window.injected = true'>"

    page.open(origin=markup, destination=markup, month=markup, day=markup)
    page.shows("fault-origin", "must be")

    assert page.chrome.find_elements(By.TAG_NAME, "img") == []
    assert page.chrome.execute_script("return window.injected") is None
