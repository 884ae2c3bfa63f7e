"""Runs the service as in production: gunicorn with real workers, called over HTTP."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.support.clients import plain_http
from tests.support.processes import (
    MAX_START_SECONDS,
    MAX_WAIT_SECONDS,
    eventually,
    free_port,
)
from tests.support.servers.sandbox_server import SandboxServer

ROOT = Path(__file__).resolve().parents[3]
# `make coverage` sets it. Processes that tests start then record coverage.
_COVERAGE = "COVERAGE_PROCESS_CONFIG"
# The part of this process's environment that the service inherits.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", _COVERAGE) if name in os.environ}
# Spans need optional packages.
TRACING_GUNICORN = Path(sys.executable).with_name("gunicorn")
# The packages of the image only: some packages import development tools if installed. Coverage
# needs the development environment.
GUNICORN = TRACING_GUNICORN if _COVERAGE in ENVIRONMENT else ROOT / ".venv-runtime/bin/gunicorn"
# Successful probes are not logged.
UNLOGGED = ("/healthz", "/readyz")
CLIENT_ID = "the-client-id"
CLIENT_SECRET = "the-client-secret"


class Service:
    """The service on a free local port while the `with` lasts.

    `settings` (in lower case) become its environment, without this process's own variables. The
    `with` block begins once `awaited` answers 200.
    """

    awaited = "/readyz"

    def __init__(self, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **ENVIRONMENT,
            "PORT": str(self.port),
            "LOG_FORMAT": "json",
            **{name.upper(): str(value) for name, value in settings.items()},
        }
        self._folder = tempfile.TemporaryDirectory(prefix="service-")
        self._log = Path(self._folder.name) / "log"
        self.http = plain_http.client(
            base_url=self.url,
            timeout=MAX_WAIT_SECONDS,
            event_hooks={"response": [self._remember]},
        )
        self._awaited_line = ""

    @classmethod
    def on(cls, sandbox: SandboxServer, **settings: object) -> Self:
        """A service that uses that sandbox as Amadeus."""
        credentials = {"amadeus_client_id": CLIENT_ID, "amadeus_client_secret": CLIENT_SECRET}
        return cls(**{"amadeus_base_url": sandbox.url, **credentials, **settings})

    def launch(self, stdout: int | None = None) -> None:
        """Start the service without waiting. Its log goes to `stdout` if given."""
        traced = "OTEL_EXPORTER_OTLP_ENDPOINT" in self._environment
        gunicorn = TRACING_GUNICORN if traced else GUNICORN
        if not gunicorn.exists():
            raise RuntimeError(f"the tests need {gunicorn}, which `make test` installs")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [gunicorn], cwd=ROOT, env=self._environment, stdout=stdout or log, stderr=log
            )

    @contextmanager
    def just_launched(self) -> Iterator[Self]:
        """Run the service while the `with` lasts, which begins before it is ready."""
        self.launch()
        try:
            yield self
        finally:
            self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        if not hasattr(self, "process"):
            self.launch()
        with ExitStack() as unless_ready:
            unless_ready.push(self)
            try:
                eventually(self._is_ready, MAX_START_SECONDS)
            except AssertionError as exc:
                self.stop()
                raise AssertionError(f"the service did not start:\n{self.log_text}") from exc
            unless_ready.pop_all()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.http.close()  # first: the service waits for its idle connections
        self.stop()
        self._folder.cleanup()

    def stop(self) -> int:
        """Stop the service gracefully, and return its exit code."""
        self.http.close()  # an idle connection would delay the stop
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(2 * MAX_WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def get(self, path: str, **parameters: str) -> httpx2.Response:
        """GET a path, with these query parameters."""
        return self.http.get(path, params=parameters)

    def price(self, **parameters: str) -> httpx2.Response:
        """GET the price from JFK to LAX on a bookable day; parameters can be changed."""
        query = {"origin": "JFK", "destination": "LAX", "date": some_day(), **parameters}
        return self.get("/flights/price", **query)

    def price_url(self, ahead: int = 30) -> str:
        """The URL of the price from JFK to LAX, this many days ahead."""
        return f"{self.url}/flights/price?origin=JFK&destination=LAX&date={some_day(ahead)}"

    @property
    def log_text(self) -> str:
        """Everything written to stdout and stderr."""
        return self._log.read_text(errors="replace")

    def log(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """The log lines so far, optionally of one event and with these fields.

        A line may be written a moment after its answer, so this awaits the last request's line.
        """
        if self._awaited_line:
            with suppress(
                AssertionError
            ):  # the log level hides requests, or the service was killed
                eventually(lambda: self._awaited_line in self.log_text, within=5)
            self._awaited_line = ""
        text = self.log_text
        named = "" if event is None else f'"event":"{event}"'
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [
            line
            for line in (json.loads(line) for line in lines if named in line)
            if (event is None or line["event"] == event)
            and all(line.get(name) == value for name, value in fields.items())
        ]

    def _remember(self, response: httpx2.Response) -> None:
        is_logged = response.url.path not in UNLOGGED or response.status_code != httpx2.codes.OK
        if is_logged and "X-Request-ID" in response.headers:
            request_id = response.headers["X-Request-ID"]
            is_hit = response.headers.get("X-Cache") == "hit"
            is_price = "X-Upstream-Calls" not in response.headers
            event = "cache.hit" if is_hit and is_price else "http.request"
            self._awaited_line = f'"{event}","request_id":"{request_id}"'

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the service ended at once:\n{self.log_text}")
        return self.http.get(self.awaited).status_code == httpx2.codes.OK


@contextmanager
def started_together(*services: Service) -> Iterator[None]:
    """Run these services while the `with` lasts. They start at the same time."""
    with ExitStack() as running:
        for service in services:
            running.enter_context(service.just_launched())
        for service in services:
            running.enter_context(service)
        yield


def some_day(ahead: int = 30) -> str:
    """A bookable day in the format of the URL."""
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=ahead)).isoformat()
