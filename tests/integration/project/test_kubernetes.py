"""The Kubernetes manifests, built by kubectl and validated against the API server's schemas."""

import re
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import __version__
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
# The oldest maintained version, and the newest that the validator knows.
VERSIONS = ("1.34", "1.37")

Document = dict[str, Any]


@pytest.fixture
def schemas() -> Any:
    """The schemas of Kubernetes' API servers."""
    import kubernetes_validate  # noqa: PLC0415 - slow, in each process that collects

    return kubernetes_validate


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """The documents that `kubectl apply --kustomize` would send."""
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
def test_kubernetes_api_server_accepts_every_manifest(
    version: str, documents: list[Document], schemas: Any
) -> None:
    assert len(documents) == 6
    for document in documents:
        schemas.validate(document, version, strict=True)


@pytest.mark.parametrize("field", ["readonlyRootFilesystem", "memory"])
def test_misspelt_manifest_field_is_rejected(
    field: str, deployment: Document, schemas: Any
) -> None:
    deployment = deepcopy(deployment)
    deployment["spec"]["template"]["spec"]["containers"][0][field] = True
    with pytest.raises(schemas.ValidationError):
        schemas.validate(deployment, VERSIONS[0], strict=True)


def test_manifests_select_the_same_pods(documents: list[Document], deployment: Document) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert only(documents, "Service")["spec"]["selector"] == labels
    assert only(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert only(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels
    target = only(documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def test_variables_in_the_manifests_are_settings_of_the_service(
    documents: list[Document], pod: Any
) -> None:
    given = {variable["name"] for variable in pod["containers"][0]["env"]}
    given |= config(documents).keys()
    assert given <= {name.upper() for name in Settings.model_fields}


def test_secrets_are_mounted_as_files_of_a_kubernetes_secret(
    documents: list[Document], pod: Any
) -> None:
    (container,) = pod["containers"]
    (volume,) = [volume for volume in pod["volumes"] if "secret" in volume]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == volume["name"]]
    files = {
        name: f"{mount['mountPath']}/{name.removesuffix('_FILE')}"
        for name in map(str.upper, Settings.model_fields)
        if name.endswith("_FILE") and not name.startswith(("DUFFEL_", "IGNAV_"))
    }
    given = {variable["name"]: variable.get("value") for variable in container["env"]}

    assert given == {"PORT": "8080", **files}
    assert volume["secret"].items() >= {"secretName": "flight-price-api"}.items()
    assert not {name.removesuffix("_FILE") for name in files} & config(documents).keys()


def test_secrets_in_the_manifests_are_mandatory(pod: Any) -> None:
    assert "optional" not in str(pod)


def test_secret_files_are_readable_by_the_service_alone(pod: Any) -> None:
    (volume,) = [volume for volume in pod["volumes"] if "secret" in volume]

    assert volume["secret"]["defaultMode"] == 0o440
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"]


def config(documents: list[Document]) -> dict[str, str]:
    """The settings that are not secret."""
    data: dict[str, str] = only(documents, "ConfigMap")["data"]
    return data


def test_manifests_have_rate_limits_and_proxies_to_fill_in(
    documents: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMADEUS_CLIENT_ID", "an-id")
    monkeypatch.setenv("AMADEUS_CLIENT_SECRET", "a-secret")
    for name, value in (given := config(documents)).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert {"CLIENT_RATE_LIMIT", "NOCACHE_RATE_LIMIT", "FORWARDED_ALLOW_IPS"} <= given.keys()
    assert (settings.client_rate_limit, settings.nocache_rate_limit) == (None, None)
    assert not settings.forwarded_allow_ips.networks


@pytest.fixture
def policy_in_full() -> Any:
    """The network policy with all commented-out rules enabled."""
    text = (FOLDER / "network.yaml").read_text()
    return yaml.safe_load(re.sub(r"# (?=- |  ports)", "", text))


@pytest.mark.parametrize("version", VERSIONS)
def test_network_policy_offers_valid_alternatives_for_egress(
    version: str, schemas: Any, policy_in_full: Any
) -> None:
    schemas.validate(policy_in_full, version, strict=True)
    names, *_, spans = policy_in_full["spec"]["egress"]
    assert len(names["to"]) == 3
    assert {rule["port"] for rule in names["ports"]} == {53, 5353}
    assert [rule["port"] for rule in spans["ports"]] == [4318]


def test_network_policy_allows_ipv6_and_no_private_address(documents: list[Document]) -> None:
    (rule,) = [
        rule
        for rule in only(documents, "NetworkPolicy")["spec"]["egress"]
        if rule["ports"] == [{"port": 443}]
    ]
    blocks = {way["ipBlock"]["cidr"]: way["ipBlock"]["except"] for way in rule["to"]}

    assert blocks["::/0"] == ["fc00::/7", "fe80::/10"]
    assert "10.0.0.0/8" in blocks["0.0.0.0/0"]


def test_liveness_probe_gives_gunicorn_time_to_replace_a_worker(pod: Any) -> None:
    probe = pod["containers"][0]["livenessProbe"]

    assert probe["periodSeconds"] * (probe["failureThreshold"] - 1) > of_gunicorn("timeout")


def test_pod_has_no_more_privileges_than_it_needs(pod: Any) -> None:
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_pod_has_enough_time_to_stop_gracefully(pod: Any) -> None:
    (container,) = pod["containers"]
    *_, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(pause) + of_gunicorn("graceful_timeout")


def of_gunicorn(setting: str) -> int:
    """A setting of gunicorn.conf.py."""
    text = (ROOT / "gunicorn.conf.py").read_text()
    (said,) = re.findall(rf"^{setting} = (\d+)$", text, re.MULTILINE)
    return int(said)


def test_image_has_the_version_of_the_code(pod: Any) -> None:
    assert pod["containers"][0]["image"].endswith(f"/flight-price-api:{__version__}")
