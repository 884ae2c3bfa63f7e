"""Every log line has the same form, gunicorn's included, and the documented recipes work."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.telemetry.events import Event
from tests.support.processes import MAX_START_SECONDS, eventually, free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import Service

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "observability.md").read_text()
RECIPE = re.compile(r"\n\n([^\n]+):\n\n```sh\n(docker compose logs [^|\n]*) \|([^\n]+)\n```")
WITHOUT_DOCKER = dict(re.findall(r"\| `(docker compose logs [^`]+)` \| `([^`]+)` \|", PAGE))
ROW = re.compile(r"\| `([a-z_.]+)` \| ([a-z, ]+) \| ([a-z_, ]*) ?\| (.+) \|")
KNOWN = {
    event: (set(levels.split(", ")), set(fields.strip().split(", ")))
    for event, levels, fields, _ in ROW.findall(PAGE.partition("\n### Every event\n")[2])
}
OF_EVERY_LINE = {"timestamp", "level", "event", "request_id", "trace_id"}
REQUEST_ID = "5f0a7b3c9d2e4f168a0b7c3d5e9f1a24"
Lines = list[dict[str, Any]]


# The application under gunicorn, with a bug in each worker.
CRASHING = """
from pathlib import Path

exec(Path("gunicorn.conf.py").read_text())
start = post_worker_init

def post_worker_init(worker):
    start(worker)
    gevent.spawn(lambda: 1 / 0).name = "doomed"
    gevent.get_hub().loop.run_callback(lambda: {}["lost"])
"""


@pytest.fixture(scope="module")
def scenario_log(
    shared_sandbox: SandboxServer,
    shared_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The log of a service in which many kinds of events happened."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "crashing.py").write_text(CRASHING)
    shared_sandbox.clear()
    shared_redis.client.flushall()
    with Service.on(
        shared_sandbox,
        redis_url=shared_redis.url,
        web_concurrency=2,
        cache_ttl=2,
        amadeus_rate_limit=20,
        gunicorn_cmd_args=f"--config {folder / 'crashing.py'}",
    ) as service:
        run_scenario(service, shared_sandbox, shared_redis)
        service.stop()
        path = folder / "log"
        path.write_text(service.log_text)
    return path


def run_scenario(service: Service, sandbox: SandboxServer, redis: RedisServer) -> None:
    service.price()
    service.price()
    service.http.get("/ping", headers={"X-Request-ID": REQUEST_ID})
    service.price(nocache="1")
    service.price(origin="NOWHERE")
    sandbox.revoke_tokens()
    service.price(origin="BOS")
    sandbox.fault("search", "status", "500")
    eventually(lambda: service.price().headers.get("X-Cache") == "stale")
    for adults in range(1, 7):
        service.price(origin="SFO", adults=str(adults))
    sandbox.clear()
    redis.kill()
    eventually(lambda: service.log("cache.unavailable"))
    redis.start()
    eventually(lambda: service.log("cache.recovered"))
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        worker = service.workers()[0]
        os.kill(worker, number)
        eventually(lambda: worker not in service.workers())  # noqa: B023 - it is called at once
        eventually(lambda: len(service.workers()) == 2)
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: [line for line in service.log("gunicorn") if "Hang up" in line["message"]])
    eventually(lambda: service.get("/readyz").status_code == 200)


def lines(text: str) -> Lines:
    return [json.loads(line) for line in text.splitlines()]


def test_log_lines_are_json_with_documented_event_level_and_fields(scenario_log: Path) -> None:
    for line in lines(scenario_log.read_text()):
        levels, fields = KNOWN[line["event"]]
        assert line["level"] in levels, line
        assert line.keys() - OF_EVERY_LINE <= fields, line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])


def test_scenario_of_these_tests_logs_most_events(scenario_log: Path) -> None:
    """Otherwise the test above would show little."""
    happened = {line["event"] for line in lines(scenario_log.read_text())}

    assert happened >= {
        *(Event.CACHE_HIT, Event.CACHE_MISS, Event.CACHE_BYPASS, Event.CACHE_STORED),
        *(Event.CACHE_STALE_SERVED, Event.CACHE_UNAVAILABLE, Event.CACHE_RECOVERED),
        *(Event.TOKEN_FETCHED, Event.TOKEN_REJECTED, Event.TOKEN_SHARED),
        *(Event.AMADEUS_CALL, Event.AMADEUS_RETRY, Event.AMADEUS_CIRCUIT_OPENED),
        *(Event.HTTP_REQUEST, Event.GUNICORN),
        *(Event.SERVICE_STARTED, Event.SERVICE_WARMED, Event.SERVICE_STOPPING),
    }


def test_worker_starts_and_exits_are_logged(scenario_log: Path) -> None:
    told = " ".join(
        line["message"] for line in lines(scenario_log.read_text()) if line["event"] == "gunicorn"
    )

    assert "Booting worker" in told
    assert "SIGKILL" in told
    assert "SIGSEGV" in told
    assert "Handling signal: hup" in told or "Hang up" in told
    assert "Shutting down" in told


def test_unhandled_exception_in_a_worker_is_logged(scenario_log: Path) -> None:
    crashes = [
        line for line in lines(scenario_log.read_text()) if line["event"] == "service.crashed"
    ]

    told = {crash["thread"]: crash["exception"] for crash in crashes}
    assert "ZeroDivisionError" in told["doomed"]
    assert "KeyError: 'lost'" in told["gevent"]


def test_unhandled_exception_in_a_thread_is_logged() -> None:
    crash = """
import threading
from api.telemetry.logs import configure_logs
configure_logs("info", "json")
thread = threading.Thread(target=lambda: 1 / 0, name="doomed")
thread.start()
thread.join()
raise KeyError("lost")
"""
    run = subprocess.run(
        [sys.executable, "-c", crash], cwd=ROOT, capture_output=True, text=True, check=False
    )

    first, second = lines(run.stdout)
    assert (first["event"], first["thread"]) == ("service.crashed", "doomed")
    assert "ZeroDivisionError" in first["exception"]
    assert "KeyError: 'lost'" in second["exception"]
    assert (run.stderr, run.returncode) == ("", 1)


def test_last_log_lines_are_written_at_exit_without_running_greenlets() -> None:
    end = """
from gevent import monkey
from api.serving.polling import install_nonblocking_poll
install_nonblocking_poll()
monkey.patch_all()
import atexit
import os
import gevent
from api.telemetry.logs import configure_logs, get_logger
configure_logs("info", "json")
atexit.register(gevent.spawn, os.write, 2, b"a greenlet ran")
get_logger().info("gunicorn", message="the last line")
"""
    run = subprocess.run(
        [sys.executable, "-c", end], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert [line.get("message") for line in lines(run.stdout)] == ["the last line"]
    assert run.stderr == ""


def test_log_redirected_to_a_file_has_every_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (command,) = re.findall(r"`(LOG_FORMAT=json make run .*)`", PAGE)
    # If make runs the tests, this make would report that it is a nested one.
    without_make = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    # Everything is installed; pip need not check again.
    make = "make() { command make --old-file=.venv/run.stamp $@; }"
    run = subprocess.Popen(
        ["bash", "-c", f"{make}; {command.replace('-i log', f'-i {log}')}"],
        cwd=ROOT,
        env={**without_make, "PORT": str(free_port())},
        start_new_session=True,
    )

    try:
        eventually(lambda: "service.warmed" in log.read_text(), MAX_START_SECONDS)
    finally:
        os.killpg(run.pid, signal.SIGINT)
        run.wait()

    assert "service.stopping" in [line["event"] for line in lines(log.read_text())]


def test_recipes_under_test_are_those_of_the_page() -> None:
    assert {title for title, _, _ in RECIPE.findall(PAGE)} == set(EXPECTED)


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("", id="bare"),
        pytest.param(r"\x1b[2K", id="after what compose 2.26 writes even into a pipe"),
        pytest.param("api-1  | ", id="after the name of the service"),
    ],
)
@pytest.mark.parametrize(("title", "source", "recipe"), RECIPE.findall(PAGE))
def test_log_recipe_shows_what_it_promises(
    title: str, source: str, recipe: str, before: str, scenario_log: Path
) -> None:
    read = WITHOUT_DOCKER[source].replace(" -f", "").replace("log", f"{scenario_log}")
    read += f" | sed 's/^/{before}/'"
    run = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{{ echo 'no JSON'; {read}; }} | {recipe}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert EXPECTED[title](run.stdout, lines(scenario_log.read_text())), run.stdout


def only(wanted: Callable[[dict[str, Any]], object]) -> Callable[[str, Lines], bool]:
    """The expected output of a recipe: exactly these log lines."""

    def shows(shown: str, log: Lines) -> bool:
        expected = [line for line in log if wanted(line)]
        return bool(expected) and lines(shown) == expected

    return shows


def hit_ratio(shown: str, log: Lines) -> bool:
    recent = log[-1000:]
    hits = [line for line in recent if line["event"] == "cache.hit"]
    others = [line for line in recent if line["event"] == "http.request" and line["cache"]]
    return float(shown) == pytest.approx(len(hits) / len(hits + others))


def statuses(shown: str, log: Lines) -> bool:
    found = [line["status"] for line in log if line["event"] in ("http.request", "cache.hit")]
    return shown.splitlines() == [f"{one} {found.count(one)}" for one in sorted(set(found))]


def slowest(shown: str, log: Lines) -> bool:
    took = [line["duration_ms"] for line in log if line["event"] == "amadeus.call"]
    return [line["duration_ms"] for line in lines(shown)] == sorted(took, reverse=True)[:10]


EXPECTED: dict[str, Callable[[str, Lines], bool]] = {
    "Only the cache": only(lambda line: line["event"].startswith("cache.")),
    "Only the token": only(lambda line: line["event"].startswith("token.")),
    "Hit ratio of the last 1,000 lines": hit_ratio,
    "One request by its id, which is in the header `X-Request-ID` of its answer": only(
        lambda line: line.get("request_id") == REQUEST_ID
    ),
    "What went wrong": only(lambda line: line["level"] in {"warning", "error", "critical"}),
    "Requests by status": statuses,
    "The ten slowest calls to Amadeus": slowest,
}
