"""Secrets appear nowhere: not in responses, logs, Redis, process lists or dumps."""

import base64
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from tests.support.clients import plain_http
from tests.support.leaks import leaks, token_ending
from tests.support.processes import eventually
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sandbox_server import SandboxServer
from tests.support.servers.service import (
    CLIENT_ID,
    CLIENT_SECRET,
    ENVIRONMENT,
    GUNICORN,
    Service,
    some_day,
)

PASSWORD = "the-password-of-redis"
API_KEY = "the-api-key-of-a-client"
OPERATOR_KEY = "the-key-of-the-operator"
WRONG_KEY = "a-wrong-key-of-a-client"
PATHS = (
    *("/healthz", "/readyz", "/version", "/metrics", "/status", "/status.json"),
    *("/openapi.json", "/docs", "/nope", "/flights/ping", "/flights/price"),
)


class Scene(NamedTuple):
    """A service after a long scenario, with all that it wrote and stored."""

    service: Service
    redis: RedisServer
    sandbox: SandboxServer
    secrets: list[str]
    answers: str


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("secrets")
    with SandboxServer() as sandbox, RedisServer("--requirepass", PASSWORD) as server:
        given = {
            "amadeus_client_secret": CLIENT_SECRET,
            "redis_url": f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0",
            "api_keys": API_KEY,
            "operator_keys": OPERATOR_KEY,
        }
        settings: dict[str, object] = {
            "amadeus_base_url": sandbox.url,
            "amadeus_client_id": CLIENT_ID,
            "amadeus_timeout": 1,
            "log_level": "debug",
            "web_concurrency": 1,
        }
        for name, value in given.items():
            file = folder / name
            file.write_text(value)
            settings[f"{name}_file"] = file
        with Service(**settings) as service:
            answers = run_scenario(sandbox, service)
            token = token_ending(sandbox)
            secrets = [*given.values(), PASSWORD, WRONG_KEY, token]
            yield Scene(service, server, sandbox, secrets, answers)


def run_scenario(sandbox: SandboxServer, service: Service) -> str:
    """Run prices, every kind of failure, wrong keys and a killed worker; return all responses."""
    heard = []

    def ask(path: str, key: str = API_KEY) -> None:
        answer = service.http.get(path, headers={"X-API-Key": key})
        heard.append(f"{answer.headers} {answer.text}")

    for ahead, fault in enumerate(("", "status=401:38192", "status=500", "garbage", "reset")):
        name, _, argument = fault.partition("=")
        if name:
            sandbox.fault("search", name, argument or None, 1)
        ask(f"/flights/price?origin=JFK&destination=LAX&date={some_day(30 + ahead)}")
    for path in PATHS:
        for key in (API_KEY, OPERATOR_KEY, WRONG_KEY, ""):
            ask(path, key)
    ask(f"/flights/price?api_key={WRONG_KEY}&origin={WRONG_KEY}")
    worker = service.workers()[0]
    os.kill(worker, signal.SIGABRT)
    eventually(lambda: worker not in service.workers() and service.get("/readyz").is_success)
    return "".join(heard)


def test_secret_search_finds_secrets_in_every_spelling(scene: Scene) -> None:
    for secret in scene.secrets:
        assert leaks(f"{scene.answers} Bearer {secret}", scene.secrets)


def test_responses_contain_no_secret(scene: Scene) -> None:
    for said in ('"price"', '"ready', "flight_price_", '"unauthorized"', '"forbidden"', "openapi"):
        assert said in scene.answers
    assert leaks(scene.answers, scene.secrets) == []


def test_log_contains_no_secret(scene: Scene) -> None:
    assert {"amadeus.call", "client.refused", "gunicorn"} <= {
        line["event"] for line in scene.service.log()
    }
    assert leaks(scene.service.log_text, scene.secrets) == []


def test_redis_contains_no_secret(scene: Scene) -> None:
    content = redis_content(scene)

    assert len(content) >= 2
    assert leaks(repr(content), scene.secrets) == []


def test_redis_contains_no_usable_token(scene: Scene) -> None:
    ((key, held),) = [item for item in redis_content(scene).items() if b"token" in item[0]]
    body = held.partition(b"\n")[2].decode()

    known = plain_http.get(f"{scene.sandbox.url}/v1/security/oauth2/token/{body}")

    assert known.status_code == 404
    readable = repr(key + held + base64.urlsafe_b64decode(body))
    assert leaks(readable, [*scene.secrets, "access_token", CLIENT_ID]) == []


def redis_content(scene: Scene) -> dict[bytes, bytes]:
    """All keys and values, uncompressed; Redis' own dump may be compressed."""
    with redis.Redis(port=scene.redis.port, password=PASSWORD, protocol=2) as client:
        return {key: client.get(key) for key in client.scan_iter()}


def test_process_list_and_environments_contain_no_secret(scene: Scene) -> None:
    for pid in (scene.service.process.pid, *scene.service.workers()):
        shown = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()

        assert "API_KEYS_FILE" in shown
        assert leaks(shown, scene.secrets) == []


def test_processes_may_not_write_core_dumps(scene: Scene) -> None:
    for pid in (scene.service.process.pid, *scene.service.workers()):
        limits = Path(f"/proc/{pid}/limits").read_text()

        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("API_KEYS", f"{API_KEY};{API_KEY}"),
        ("REDIS_URL", f"redis://:{PASSWORD}@localhost:port"),
        ("AMADEUS_BASE_URL", f"https://me:{PASSWORD}@localhost"),
        ("AMADEUS_CLIENT_SECRET_FILE", API_KEY),
    ],
)
def test_failed_start_prints_no_secret(variable: str, value: str) -> None:
    run = subprocess.run(
        [GUNICORN],
        cwd=Path(__file__).resolve().parents[3],
        env=ENVIRONMENT | {variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode != 0
    assert variable in run.stderr
    assert leaks(run.stdout + run.stderr, [API_KEY, PASSWORD]) == []
