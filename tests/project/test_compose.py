"""The limits in docker-compose.yml suffice for the maximum number of workers and clients."""

import re
import tomllib
from pathlib import Path
from typing import Any, cast

import gevent
import pytest
import yaml
from annotated_types import Le

from api.services.amadeus import transport
from api.services.cache.fetches import MAX_FETCHES
from api.services.cache.redis import connections as redis_connections
from api.settings import Settings
from api.settings.startup_summary import MIN_OPEN_FILES
from bridge.providers import CALLS_AT_ONCE, FACTORIES

ROOT = Path(__file__).resolve().parents[2]
OF_PROVIDERS = tuple(f"{name}_".upper() for name in FACTORIES)


SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


@pytest.fixture
def service() -> Any:
    """The service `api`, with YAML anchors resolved."""
    return SERVICES["api"]


def test_pid_limit_allows_every_worker_all_its_threads(service: Any) -> None:
    limits: list[Any] = Settings.model_fields["web_concurrency"].metadata
    (workers,) = [cast("int", limit.le) for limit in limits if isinstance(limit, Le)]
    # The main thread, the log writer, and gevent's threads for name lookups.
    threads = 2 + gevent.get_hub().threadpool_size

    assert service["pids_limit"] > workers * threads


def test_file_limit_allows_a_worker_a_file_for_each_connection(service: Any) -> None:
    configuration = (ROOT / "gunicorn.conf.py").read_text()
    (clients,) = re.findall(r"^worker_connections = (\d+)$", configuration, re.MULTILINE)
    upstream = max(transport.MAX_CONNECTIONS, MAX_FETCHES * max(CALLS_AT_ONCE.values()))
    others = 10 * redis_connections.MAX_CONNECTIONS + upstream

    assert service["ulimits"]["nofile"] >= MIN_OPEN_FILES > int(clients) + others
    assert service["ulimits"]["core"] == 0


def test_image_has_every_package_that_it_runs() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    dockerfile, sent = ((ROOT / file).read_text() for file in ("Dockerfile", ".dockerignore"))

    for package in contracts["root_packages"]:
        assert f"\nCOPY {package} {package}\n" in dockerfile
        assert f"\n!{package}\n" in sent


def test_bridge_of_compose_gets_the_keys_of_all_providers() -> None:
    bridge = SERVICES["bridge"]
    keys = {name for name in SERVICES["api"]["environment"] if name.startswith(OF_PROVIDERS)}

    assert bridge["profiles"] == ["bridge"]
    assert bridge["command"][:5] == [
        "python", "-m", "bridge", "--provider", "${BRIDGE_PROVIDER:-duffel}",
    ]  # fmt: skip
    assert set(bridge["environment"]) == keys | {"BRIDGE_CLIENT_ID", "BRIDGE_CLIENT_SECRET"}
    assert bridge["ports"][0].startswith("127.0.0.1:")
