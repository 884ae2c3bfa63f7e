"""The files for Kubernetes, built by kubectl and held against the schemas of its API server."""

import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import __version__
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
# The oldest that is still maintained, and the newest that the validator knows.
VERSIONS = ("1.34", "1.37")

Document = dict[str, Any]


@pytest.fixture
def schemas() -> Any:
    """The schemas of Kubernetes' API servers."""
    import kubernetes_validate  # noqa: PLC0415 - slow, in each process that collects

    return kubernetes_validate


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """What `kubectl apply --kustomize` would send."""
    built = subprocess.run(
        ["kubectl", "kustomize", FOLDER], check=True, capture_output=True, text=True
    )
    return list(yaml.safe_load_all(built.stdout))


@pytest.fixture
def deployment(documents: list[Document]) -> Document:
    return only(documents, "Deployment")


@pytest.fixture
def pod(deployment: Document) -> Any:
    return deployment["spec"]["template"]["spec"]


def only(documents: list[Document], kind: str) -> Document:
    (document,) = (document for document in documents if document["kind"] == kind)
    return document


@pytest.mark.parametrize("version", VERSIONS)
def test_an_api_server_takes_each_of_them(
    version: str, documents: list[Document], schemas: Any
) -> None:
    assert len(documents) == 6
    for document in documents:
        schemas.validate(document, version, strict=True)


@pytest.mark.parametrize("field", ["readonlyRootFilesystem", "memory"])
def test_a_misspelt_field_would_be_noticed(field: str, deployment: Document, schemas: Any) -> None:
    deployment = deepcopy(deployment)
    deployment["spec"]["template"]["spec"]["containers"][0][field] = True
    with pytest.raises(schemas.ValidationError):
        schemas.validate(deployment, VERSIONS[0], strict=True)


def test_they_speak_of_the_same_pods(documents: list[Document], deployment: Document) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert only(documents, "Service")["spec"]["selector"] == labels
    assert only(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert only(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    target = only(documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_the_service_knows_every_variable_that_it_is_given(
    documents: list[Document], pod: Any
) -> None:
    given = {variable["name"] for variable in pod["containers"][0]["env"]}
    given |= only(documents, "ConfigMap")["data"].keys()
    assert given <= {name.upper() for name in Settings.model_fields}


def test_the_secrets_come_from_a_secret(documents: list[Document], pod: Any) -> None:
    from_secret = {
        variable["name"]
        for variable in pod["containers"][0]["env"]
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    assert from_secret == {
        *("REDIS_URL", "AMADEUS_CLIENT_ID", "AMADEUS_CLIENT_SECRET"),
        *("API_KEYS", "OPERATOR_KEYS"),
    }
    assert not from_secret & only(documents, "ConfigMap")["data"].keys()


def test_allowances_and_proxies_are_there_to_be_filled_in(
    documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMADEUS_CLIENT_ID", "an-id")
    monkeypatch.setenv("AMADEUS_CLIENT_SECRET", "a-secret")
    for name, value in (given := only(documents, "ConfigMap")["data"]).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert {"CLIENT_RATE_LIMIT", "NOCACHE_RATE_LIMIT", "FORWARDED_ALLOW_IPS"} <= given.keys()
    assert (settings.client_rate_limit, settings.nocache_rate_limit) == (None, None)
    assert not settings.forwarded_allow_ips.networks


@pytest.mark.parametrize("version", VERSIONS)
def test_other_ways_to_names_are_there_to_be_chosen(version: str, schemas: Any) -> None:
    text = (FOLDER / "network.yaml").read_text()
    policy = yaml.safe_load(text.replace("# - ", "- "))
    schemas.validate(policy, version, strict=True)
    names = policy["spec"]["egress"][0]
    assert len(names["to"]) == 3
    assert {rule["port"] for rule in names["ports"]} == {53, 5353}


def test_a_pod_may_do_no_more_than_it_needs(pod: Any) -> None:
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_a_pod_has_the_time_to_end_by_itself(pod: Any) -> None:
    (container,) = pod["containers"]
    *_, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(pause) + graceful_timeout()


def graceful_timeout() -> int:
    """What gunicorn.conf.py says."""
    said = (ROOT / "gunicorn.conf.py").read_text().partition("graceful_timeout = ")[2]
    return int(said.split()[0])


def test_it_is_the_image_of_this_version(pod: Any) -> None:
    assert pod["containers"][0]["image"].endswith(f"/flight-price-api:{__version__}")
