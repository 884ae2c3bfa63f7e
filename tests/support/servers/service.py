"""Runs the service as its users do: gunicorn with real workers, spoken to over HTTP."""

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
from tests.support.processes import MAX_WAIT_SECONDS, eventually, free_port
from tests.support.servers.sandbox_server import SandboxServer

ROOT = Path(__file__).resolve().parents[3]
# `make coverage` sets it. With it, each process that a test starts counts the lines it runs.
_COVERAGE = "COVERAGE_PROCESS_CONFIG"
# All that processes of the service get of this process's own environment.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", _COVERAGE) if name in os.environ}
# Spans need packages that only those install who collect them.
TRACING_GUNICORN = Path(sys.executable).with_name("gunicorn")
# What the image holds and nothing else: some packages import what developing takes, if it is
# there. Only the development environment can measure coverage.
GUNICORN = TRACING_GUNICORN if _COVERAGE in ENVIRONMENT else ROOT / ".venv-runtime/bin/gunicorn"
# Routine probes have no line of their own.
UNLOGGED = ("/healthz", "/readyz")
CLIENT_ID = "the-client-id"
CLIENT_SECRET = "the-client-secret"


class Service:
    """The service on a free port of this machine, for as long as the `with` lasts.

    `settings` become its environment, in lower case and without anything of this process's own.
    It is entered once `awaited` answers 200.
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
        """The service with that sandbox for its Amadeus."""
        credentials = {"amadeus_client_id": CLIENT_ID, "amadeus_client_secret": CLIENT_SECRET}
        return cls(**{"amadeus_base_url": sandbox.url, **credentials, **settings})

    def launch(self, stdout: int | None = None) -> None:
        """Start it, and wait for nothing. Its log goes to `stdout`, if that is given."""
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
        """For as long as the `with` lasts, but from before it is ready."""
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
                eventually(self._is_ready)
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
        """Ask it to end, wait until it has, and return its exit code."""
        self.http.close()  # an idle connection would hold the end up
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
        """GET the price from JFK to LAX on a day that can be booked, unless told otherwise."""
        query = {"origin": "JFK", "destination": "LAX", "date": some_day(), **parameters}
        return self.get("/flights/price", **query)

    def price_url(self, ahead: int = 30) -> str:
        """Where the price from JFK to LAX is, so many days ahead."""
        return f"{self.url}/flights/price?origin=JFK&destination=LAX&date={some_day(ahead)}"

    @property
    def log_text(self) -> str:
        """All that it has written to stdout and stderr."""
        return self._log.read_text(errors="replace")

    def log(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """The lines of its log so far, of one event and with these fields if so asked.

        A line may come a moment after the answer that it is about, so that of the last request
        is awaited.
        """
        if self._awaited_line:
            with suppress(AssertionError):  # it logs less than requests, or was killed
                eventually(lambda: self._awaited_line in self.log_text, within=1)
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
            event = "cache.hit" if response.headers.get("X-Cache") == "hit" else "http.request"
            self._awaited_line = f'"{event}","request_id":"{request_id}"'

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the service ended at once:\n{self.log_text}")
        return self.http.get(self.awaited).status_code == httpx2.codes.OK


def some_day(ahead: int = 30) -> str:
    """A day that can be booked, as the URL takes it."""
    return (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=ahead)).isoformat()
