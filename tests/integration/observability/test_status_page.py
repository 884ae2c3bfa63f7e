"""/status shows people the state of the service: tested in a real browser."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.clients import plain_http
from tests.support.metrics_page import value
from tests.support.processes import eventually
from tests.support.servers.browser import CLOSES_SOON, complaints, requested, tab
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service, some_day

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("sandbox")]  # without faults
PHONE = 390
# The lowest contrast between any text and its background (WCAG 2.2, 1.4.3).
LOWEST_CONTRAST = """
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92
    : ((channel / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = (element) => {
    const color = numbers(getComputedStyle(element).backgroundColor);
    return color.length === 4 && color[3] === 0 ? behind(element.parentElement) : color;
  };
  const hasText = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
  const texts = [...document.querySelectorAll("body *")].filter(
    (element) => element.checkVisibility() && [...element.childNodes].some(hasText));
  return Math.min(...texts.map((element) => {
    const colors = [numbers(getComputedStyle(element).color), behind(element)];
    const [dim, bright] = colors.map(luminance).sort((a, b) => a - b);
    return (bright + 0.05) / (dim + 0.05);
  }));
"""


@contextmanager
def two_workers(sandbox: SandboxServer, redis: RedisServer) -> Iterator[Service]:
    settings = {"redis_url": redis.url, "web_concurrency": 2, **CLOSES_SOON}
    with Service.on(sandbox, **settings) as service:
        eventually(lambda: service.get("/status.json").json()["workers"] == 2)
        service.price()
        yield service


@pytest.fixture(scope="module")
def service(shared_sandbox: SandboxServer, shared_redis: RedisServer) -> Iterator[Service]:
    """A healthy service that several tests share and leave healthy."""
    shared_sandbox.clear()
    shared_redis.client.flushall()
    with two_workers(shared_sandbox, shared_redis) as service:
        yield service


@pytest.fixture
def disturbed(sandbox: SandboxServer) -> Iterator[Service]:
    """A service that a test may disturb."""
    with Service.on(sandbox, **CLOSES_SOON) as service:
        service.price()
        yield service


@pytest.fixture(scope="module")
def undisturbed() -> Iterator[Service]:
    """An undisturbed service on the bundled sandbox."""
    with Service(**CLOSES_SOON) as service:
        service.price(origin="NOWHERE")
        yield service


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder for screenshots; `make pictures` keeps them."""
    return Path(os.environ.get("PICTURES", tmp_path))


def take_picture(chrome: Chrome, path: Path) -> None:
    assert chrome.execute_script(LOWEST_CONTRAST) >= 4.5
    assert chrome.save_screenshot(str(path))


@pytest.fixture
def paused(undisturbed: Service, chrome: Chrome) -> Chrome:
    """A page that shows a given report and is not refreshed."""
    look(chrome, undisturbed)
    chrome.find_element(By.ID, "pause").click()
    return chrome


def look(chrome: Chrome, service: Service) -> None:
    chrome.get(f"{service.url}/status")
    shows(chrome, "Healthy")


def shows(chrome: Chrome, state: str) -> None:
    eventually(lambda: text(chrome, "state") == state)


def text(chrome: Chrome, name: str) -> str:
    return chrome.find_element(By.ID, name).text


def test_status_report_covers_all_workers(service: Service) -> None:
    before = service.get("/status.json").json()["since_start"]
    for _ in range(10):
        service.price(date=some_day(11))

    report = service.get("/status.json").json()

    assert (report["status"], report["workers"]) == ("ready", 2)
    after = report["since_start"]
    risen = {name: after[name] - before[name] for name in ("lookups", "calls", "calls_saved")}
    assert risen == {"lookups": 10, "calls": 1, "calls_saved": 9}
    assert after["hit_ratio"] == (after["lookups"] - after["calls"]) / after["lookups"]
    assert after["error_rate"] == 0
    assert 0 <= report["token"]["age"] < report["token"]["refresh_at"] < report["token"]["life"]


def test_status_report_has_a_history_of_the_last_minutes(service: Service) -> None:
    eventually(lambda: len(service.get("/status.json").json()["history"]) >= 2)

    report = service.get("/status.json").json()
    calls = sum(step["calls"] for step in report["history"])
    assert calls <= report["since_start"]["calls"]


def test_status_report_lists_a_recent_error(service: Service) -> None:
    before = value(service, "problems_total", code="invalid-request")
    service.price(origin="NOWHERE")

    newest = service.get("/status.json").json()["problems"][0]

    assert (newest["code"], newest["count"]) == ("invalid-request", before + 1)
    assert 0 <= newest["ago"] < 10


def test_status_page_of_a_healthy_service(service: Service, chrome: Chrome, pictures: Path) -> None:
    look(chrome, service)

    assert text(chrome, "workers") == "2"
    assert text(chrome, "redis") == "works"
    assert text(chrome, "breaker") == "closed"
    assert text(chrome, "token-refresh").endswith("min")
    assert not chrome.find_element(By.ID, "sandbox").is_displayed()
    take_picture(chrome, pictures / "well.png")
    assert complaints(chrome) == []
    assert all(url.startswith(service.url) for url in requested(chrome))


def test_status_page_shows_degradation_and_recovery(
    service: Service, chrome: Chrome, redis_server: RedisServer, pictures: Path
) -> None:
    look(chrome, service)

    redis_server.kill()
    try:
        shows(chrome, "Degraded")
        eventually(lambda: text(chrome, "redis") == "fails in 2 of 2 workers")
        assert "Redis fails" in text(chrome, "reason")
        take_picture(chrome, pictures / "degraded.png")
    finally:
        redis_server.start()

    shows(chrome, "Healthy")


def test_status_page_of_a_stopped_service_shows_what_was_seen_last(
    sandbox: SandboxServer, redis_server: RedisServer, chrome: Chrome, pictures: Path
) -> None:
    with two_workers(sandbox, redis_server) as service:
        look(chrome, service)

    shows(chrome, "Down")
    assert "does not answer" in text(chrome, "reason")
    assert text(chrome, "workers") == "2"
    take_picture(chrome, pictures / "down.png")


def test_status_page_names_the_sandbox_prominently(undisturbed: Service, chrome: Chrome) -> None:
    look(chrome, undisturbed)

    banner = chrome.find_element(By.ID, "sandbox")
    assert banner.is_displayed()
    assert "invented" in banner.text


def test_status_page_uses_the_singular_for_a_single_worker(
    undisturbed: Service, chrome: Chrome
) -> None:
    look(chrome, undisturbed)

    assert (text(chrome, "workers"), text(chrome, "workers-word")) == ("1", "worker")


def test_status_page_refreshes_itself(service: Service, chrome: Chrome) -> None:
    look(chrome, service)
    before = int(value(service, "cache_lookups_total"))
    eventually(lambda: text(chrome, "lookups").endswith(f" {before} in all"))

    service.price()

    eventually(lambda: text(chrome, "lookups").endswith(f" {before + 1} in all"))


def test_amadeus_failures_show_on_the_status_page(
    disturbed: Service, chrome: Chrome, sandbox: SandboxServer
) -> None:
    sandbox.fault("search", "status", "500")
    disturbed.price(origin="BOS")
    look(chrome, disturbed)

    eventually(lambda: text(chrome, "error-rate").startswith("67 % of 3 "))
    assert "amadeus-unavailable" in text(chrome, "errors")
    assert any("; calls failed in 1 of " in name for name in accessible(chrome)["image"])


def test_status_page_of_every_worker_shows_an_open_circuit(
    sandbox: SandboxServer, redis_server: RedisServer
) -> None:
    with two_workers(sandbox, redis_server) as service:
        sandbox.fault("search", "status", "500")
        for adults in range(2, 8):
            service.price(adults=str(adults))  # over one connection, so the same worker answers
        assert value(service, "breaker_open_workers") == 1

        seen = {plain_http.get(f"{service.url}/status.json").json()["status"] for _ in range(20)}

    assert seen == {"degraded"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_status_page_text_has_enough_contrast(
    undisturbed: Service, chromium: Chrome, dark: bool
) -> None:
    with tab(chromium, dark=dark) as chrome:
        look(chrome, undisturbed)

        for state in ("well", "degraded", "down", "unknown"):
            script = f"document.body.dataset.state = '{state}'; {LOWEST_CONTRAST}"
            assert chrome.execute_script(script) >= 4.5, state
        back = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(18, 21, 27)") is dark


def test_status_page_fits_a_phone_screen(undisturbed: Service, chromium: Chrome) -> None:
    with tab(chromium, PHONE, 800) as chrome:
        look(chrome, undisturbed)

        assert chrome.execute_script("return document.documentElement.scrollWidth") <= PHONE


def test_status_page_is_reachable_by_keyboard(undisturbed: Service, chrome: Chrome) -> None:
    look(chrome, undisturbed)
    reached = []
    for _ in range(5):
        chrome.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(chrome.switch_to.active_element.text)

    assert reached == ["Pause", "API", "metrics", "readiness", "this page as JSON"]


def test_status_page_refresh_can_be_paused_by_keyboard(
    undisturbed: Service, chrome: Chrome
) -> None:
    look(chrome, undisturbed)
    pause = chrome.find_element(By.ID, "pause")

    for pressed in ("true", "false"):
        pause.send_keys(Keys.SPACE)

        assert (pause.text, pause.get_attribute("aria-pressed")) == ("Pause", pressed)


def test_status_page_tells_a_screen_reader_what_it_shows(
    undisturbed: Service, chrome: Chrome
) -> None:
    look(chrome, undisturbed)

    heard = accessible(chrome)

    assert heard["status"]
    assert heard["progressbar"] == ["Age of the access token, up to its refresh"]
    assert len(heard["image"]) == 2
    assert all(heard["image"])
    headings = {"Flight price API", "Healthy", "Cache", "Amadeus", "Last errors"}
    assert set(heard["heading"]) >= headings


def accessible(chrome: Chrome) -> dict[str, list[str]]:
    """The accessible names on the page, by role."""
    tree: dict[str, Any] = chrome.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    names: dict[str, list[str]] = {}
    for node in tree["nodes"]:
        if not node["ignored"]:
            role = node["role"]["value"]
            names.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    return names


SHOW_REPORT = """
  const [change, done] = arguments;
  fetch("/status.json").then((answer) => answer.json())
    .then((report) => { show({ ...report, ...change }); done(); });
"""


@pytest.mark.parametrize(
    ("report", "name", "shown"),
    [
        ({"status": "starting"}, "reason", "The service is connecting to Redis"),
        ({"status": "stopping"}, "reason", "The service is finishing"),
        (
            {"token": {"age": 9, "life": 9, "refresh_at": 7, "refresh_in": -2}},
            "token-refresh",
            "expired",
        ),
        (
            {"token": {"age": 8, "life": 9, "refresh_at": 7, "refresh_in": -1}},
            "token-refresh",
            "due",
        ),
        ({"token": None}, "token-refresh", "none"),
        (
            {"lately": {"needed": 9, "unmet": 2, "seconds": 600}},
            "reason",
            "2 of them got no answer",
        ),
        ({"retries": 3}, "retries", "3 since the start"),
        ({"environment": "duffel-test"}, "duffel-test", "These prices are invented"),
        (
            {"since_start": {"calls": 3, "provider_calls": 6, "calls_saved": 0, "lookups": 3}},
            "provider-calls",
            "6 for 3 searches since the start",
        ),
    ],
)
def test_status_page_describes_rare_states_correctly(
    paused: Chrome, report: dict[str, Any], name: str, shown: str
) -> None:
    paused.execute_async_script(SHOW_REPORT, report)

    assert shown in text(paused, name)


def test_status_page_opens_in_a_browser_with_an_operator_key(chrome: Chrome) -> None:
    key = "an-operator-key-that-is-long-enough-0123456789"
    with Service(operator_keys=key, **CLOSES_SOON) as service:
        assert service.get("/status.json").status_code == 401

        chrome.get(service.url.replace("://", f"://me:{key}@") + "/status")
        shows(chrome, "Healthy")

        chrome.execute_cdp_cmd("Network.enable", {})
        chrome.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"X-API-Key": "gone"}})
        chrome.execute_script("refresh()")
        shows(chrome, "Unknown")
        assert "key" in text(chrome, "reason")
