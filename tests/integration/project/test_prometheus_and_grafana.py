"""The Prometheus and Grafana files are valid and use metrics that the service exports."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from api.telemetry.metrics import Metrics
from tests.support.clients import plain_http
from tests.support.processes import MAX_START_SECONDS, eventually, free_port
from tests.support.servers.service import Service

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "observability"
DASHBOARD = json.loads((FOLDER / "grafana" / "dashboards" / "flight-price-api.json").read_text())
EXPRESSIONS = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
PLACEHOLDERS = {"$__rate_interval": "1m", "$__range": "1m"}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )


def exported() -> set[str]:
    """The names of all series."""
    families = [
        family
        for metric in vars(Metrics()).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    ]
    suffixes = {
        "counter": ["_total"],
        "gauge": [""],
        "histogram": ["_bucket", "_count", "_sum"],
    }
    return {family.name + suffix for family in families for suffix in suffixes[family.type]}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(web_concurrency=2) as service:
        yield service


@pytest.fixture(scope="module")
def prometheus(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx2.Client]:
    """A real Prometheus with our files after two scrapes of a real service."""
    folder = tmp_path_factory.mktemp("prometheus")
    target = {"static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (scrape,) = config["scrape_configs"]
    scrape.update(target)
    del scrape["dns_sd_configs"]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "alerts.yml")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (folder / "log").open("w") as log:
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        process = subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in options.items())],
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}/api/v1"
    try:
        with plain_http.client(base_url=url) as client:
            run_scenario(service)
            scraped = partial(query_result, client, "count_over_time(up[1m]) > 2 and up == 1")
            eventually(scraped, MAX_START_SECONDS)
            run_scenario(service)
            eventually(lambda: query_result(client, "rate(flight_price_problems_total[1m]) > 0"))
            yield client
    finally:
        process.terminate()
        process.wait()


def run_scenario(service: Service) -> None:
    for _ in range(2):
        service.price()
        service.price(nocache="1")
        service.price(origin="NOWHERE")


def query_result(prometheus: httpx2.Client, expression: str) -> list[Any]:
    """The result of a query that must succeed."""
    response = prometheus.get("/query", params={"query": expression})
    assert response.is_success, (
        expression,
        response.text,
    )  # Prometheus answers without JSON while it starts
    answer = response.json()
    assert answer["status"] == "success", (expression, answer)
    found: list[Any] = answer["data"]["result"]
    return found


def test_promtool_accepts_the_configuration() -> None:
    checked = promtool("check", "config", "prometheus.yml")

    assert checked.returncode == 0, checked.stderr


def test_alerts_fire_when_they_should_and_not_before() -> None:
    tested = promtool("test", "rules", "alerts_test.yml")

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_promtool_accepts_the_exported_metrics(service: Service) -> None:
    service.price()
    page = service.get("/metrics").text

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "file",
    [path for path in FOLDER.rglob("*") if path.is_file()],
    ids=lambda path: str(path.relative_to(FOLDER)),
)
def test_metrics_in_alerts_and_dashboard_exist(file: Path) -> None:
    assert set(re.findall(r"flight_price_\w+", file.read_text())) <= exported()


def test_dashboard_shows_most_metrics() -> None:
    named = set(re.findall(r"flight_price_\w+", json.dumps(DASHBOARD)))

    assert len(named) > 12


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_prometheus_answers_every_dashboard_query(
    prometheus: httpx2.Client, title: str, expression: str
) -> None:
    for placeholder, seconds in PLACEHOLDERS.items():
        expression = expression.replace(placeholder, seconds)

    assert query_result(prometheus, expression), title


def test_prometheus_loads_all_alerts_and_none_is_firing(prometheus: httpx2.Client) -> None:
    groups = prometheus.get("/rules").json()["data"]["groups"]

    states = {rule["name"]: (rule["health"], rule["state"]) for rule in groups[0]["rules"]}
    assert states == dict.fromkeys(
        ("AmadeusFails", "TokenNotRefreshed", "RedisFails"), ("ok", "inactive")
    )


def test_dashboard_panels_do_not_overlap_and_have_titles() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(panel["title"] for panel in DASHBOARD["panels"])


def test_compose_starts_monitoring_only_with_its_profile_on_loopback() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    for name in ("prometheus", "grafana"):
        service = services[name]
        assert service["profiles"] == ["observability"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        mounted = [volume.split(":")[0] for volume in service["volumes"] if volume[0] == "."]
        assert mounted
        assert all((ROOT / path).exists() for path in mounted)


def test_observability_page_describes_each_alert() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]

    assert [rule["alert"] for rule in rules] == re.findall(
        r"^\| `([A-Z]\w+)` \|", page, re.MULTILINE
    )
