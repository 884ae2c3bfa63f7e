"""A real Chromium for tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
    # One process for all pages, which are all ours, takes a quarter less time.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process",
)
# A service that stops waits for idle connections, by default for five seconds. A browser keeps its
# connections.
CLOSES_SOON: Final = {"gunicorn_cmd_args": "--keep-alive 1"}


@contextmanager
def browser() -> Iterator[Chrome]:
    """A Chromium for `tab`, shared because it is slow to start."""
    driver = shutil.which("chromedriver")
    if driver is None:
        raise RuntimeError("the tests need Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    # Without the windows of a desktop, a page takes half the time. It shows and runs the same.
    # Not Debian's script in /usr/bin: chromedriver would end the script, and not the browser.
    shell = shutil.which("chromium-headless-shell", path="/usr/lib/chromium")
    options.binary_location = shell or ""
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options, ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()


@contextmanager
def tab(
    chrome: Chrome, width: int = 1100, height: int = 900, *, dark: bool = False
) -> Iterator[Chrome]:
    """A fresh tab of this size in pixels while the `with` lasts."""
    others = chrome.current_window_handle
    chrome.switch_to.new_window("tab")
    try:
        # Not the window size: Chromium windows are at least 500 pixels wide.
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        chrome.execute_cdp_cmd("Network.clearBrowserCache", {})
        complaints(chrome)
        yield chrome
    finally:
        chrome.close()
        chrome.switch_to.window(others)


def complaints(chrome: Chrome) -> list[str]:
    """Errors in the browser console, including violations of the security policy."""
    lines = chrome.get_log("browser")  # type: ignore[no-untyped-call]
    return [line["message"] for line in lines if line["level"] != "INFO"]


def violations(chrome: Chrome, axe: str) -> list[str]:
    """The violations of accessibility rules that axe-core finds. axe: its source."""
    chrome.execute_script(axe)
    found: dict[str, Any] = chrome.execute_async_script(
        "axe.run(document, { resultTypes: ['violations'] }).then(arguments[0])"
    )
    return [f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found["violations"]]


def requested(chrome: Chrome) -> list[str]:
    """Every URL that the page has loaded."""
    urls: list[str] = chrome.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    return urls
