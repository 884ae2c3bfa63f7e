"""Drives the page at / in a browser, as a person would."""

import datetime as dt
from collections.abc import Callable
from urllib.parse import urlencode

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from tests.support.processes import eventually

# Records from the start what the live region says, and when each price appears.
LISTEN = """
  window.said = [];
  window.appeared = [];
  document.addEventListener("DOMContentLoaded", () => {
    const watch = (id, record) =>
      new MutationObserver(record).observe(document.getElementById(id), { childList: true });
    watch("live", () => said.push(document.getElementById("live").textContent));
    watch("progress-text", () => {
      const prices = document.querySelectorAll("#grid [data-state=price]").length;
      appeared.push([performance.now() / 1000, prices]);
    });
  });
"""


def coming_month() -> str:
    """The first month that lies ahead as a whole, like 2026-12."""
    today = dt.datetime.now(dt.UTC).date()
    return (today.replace(day=1) + dt.timedelta(days=32)).isoformat()[:7]


def days_of(month: str) -> list[str]:
    """The days of a month, like 2026-12-01."""
    first = dt.date.fromisoformat(f"{month}-01")
    days = (first + dt.timedelta(days=number) for number in range(31))
    return [day.isoformat() for day in days if day.month == first.month]


class FrontPage:
    """The page of a service in a tab of Chromium."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        self.chrome = chrome
        self._url = url
        self._chrome_script = chrome.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN}
        )

    def open(self, **query: str) -> None:
        """Open the page with this query in its address."""
        self.chrome.get(f"{self._url}/?{urlencode(query)}" if query else f"{self._url}/")

    def open_month(self, origin: str = "JFK", destination: str = "LAX", **query: str) -> None:
        """Open the coming month for a route."""
        month = query.pop("month", coming_month())
        self.open(origin=origin, destination=destination, month=month, **query)

    def element(self, name: str) -> WebElement:
        return self.chrome.find_element(By.ID, name)

    def text(self, name: str) -> str:
        return self.element(name).text

    def is_shown(self, name: str) -> bool:
        return self.element(name).is_displayed()

    def shows(self, name: str, text: str) -> None:
        """Wait until an element contains this text."""
        eventually(lambda: text in self.text(name))

    def is_complete(self) -> None:
        """Wait until the month has arrived as a whole."""
        eventually(lambda: self.text("summary") != "")

    def fill(self, **values: str) -> None:
        """Fill in fields of the form."""
        for name, value in values.items():
            field = self.element(name)
            if field.tag_name == "select":
                Select(field).select_by_value(value)
            else:
                field.clear()
                field.send_keys(value)

    def submit(self) -> None:
        self.element("origin").send_keys(Keys.ENTER)

    def day(self, day: str) -> WebElement:
        """The button of a day."""
        return self.chrome.find_element(By.CSS_SELECTOR, f"[data-day='{day}']")

    def days(self) -> list[WebElement]:
        """The buttons of all days."""
        return self.chrome.find_elements(By.CSS_SELECTOR, "#grid button")

    def prices(self) -> dict[str, str]:
        """The price that each day shows, by ISO date."""
        script = """
          const priced = [...document.querySelectorAll("#grid [data-state=price]")];
          return priced.map((day) => [day.dataset.day, day.querySelector(".money").textContent]);
        """
        return dict(self.chrome.execute_script(script))

    def choose(self, day: str) -> None:
        """Click on a day, and wait for its flight."""
        self.day(day).click()
        self.has_flight()

    def has_flight(self) -> None:
        eventually(lambda: self.chrome.find_elements(By.CSS_SELECTOR, "#flight-body .figure"))

    def command(self) -> str:
        """The curl command for the flight."""
        return self.chrome.find_element(By.CSS_SELECTOR, "#flight-body code").text

    def said(self) -> list[str]:
        """Everything that a screen reader was told without being asked."""
        said: list[str] = self.chrome.execute_script("return said.filter(Boolean)")
        return said

    def appeared(self) -> list[tuple[float, int]]:
        """The number of prices on the page at each step, with its time in seconds."""
        steps = self.chrome.execute_script("return appeared")
        return [(moment, prices) for moment, prices in steps]

    def focused(self) -> WebElement:
        return self.chrome.switch_to.active_element

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        for key in keys:
            self.focused().send_keys(key)

    def tab_to(self, is_there: Callable[[WebElement], bool]) -> None:
        """Press Tab until the focus is on an element."""
        for _ in range(40):
            if is_there(self.focused()):
                return
            self.press(Keys.TAB)
        raise AssertionError("the Tab key does not lead there")
