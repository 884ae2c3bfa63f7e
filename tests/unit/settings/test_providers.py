"""The settings of the environments behind the bridge: Duffel and Ignav."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.settings import Settings, environments
from api.settings.startup_summary import summary
from bridge.providers import FACTORIES

TEST_TOKEN, LIVE_TOKEN = "duffel_test_hidden", "duffel_live_hidden"
DUFFEL = {"AMADEUS_ENVIRONMENT": "duffel", "DUFFEL_ACCESS_TOKEN": TEST_TOKEN}
LIVE = DUFFEL | {"DUFFEL_ACCESS_TOKEN": LIVE_TOKEN}
IGNAV = {"AMADEUS_ENVIRONMENT": "ignav", "IGNAV_API_KEY": "hidden"}
AMADEUS = {"AMADEUS_CLIENT_ID": "some-id", "AMADEUS_CLIENT_SECRET": "some-secret"}


def test_every_provider_of_the_bridge_is_an_environment() -> None:
    assert {str(environment) for environment in environments.PROVIDERS} == set(FACTORIES)


def cache_times(settings: Settings) -> tuple[int, int, int]:
    return settings.cache_ttl, settings.cache_stale_ttl, settings.cache_empty_ttl


@pytest.mark.parametrize(
    ("given", "shown"), [(DUFFEL, "duffel-test"), (LIVE, "duffel"), (IGNAV, "ignav")]
)
def test_environment_and_a_key_are_all_it_takes(
    loaded: Any, given: dict[str, str], shown: str
) -> None:
    settings = loaded(**given)

    assert settings.environment_shown == shown
    assert settings.calls_per_second is None
    assert settings.provider_variables == {name: given[name] for name in list(given)[1:]}


@pytest.mark.parametrize(
    ("environment", "variable"), [("duffel", "DUFFEL_ACCESS_TOKEN"), ("ignav", "IGNAV_API_KEY")]
)
def test_environment_needs_the_key_of_its_provider(
    refusal: Any, environment: str, variable: str
) -> None:
    others = {**DUFFEL, **IGNAV, **AMADEUS, "AMADEUS_ENVIRONMENT": environment, variable: ""}

    assert refusal(**others) == (
        f"flight-price-api: {variable} is required with AMADEUS_ENVIRONMENT={environment}"
    )


@pytest.mark.parametrize(
    ("given", "what", "choice"),
    [
        ({"DUFFEL_ACCESS_TOKEN": TEST_TOKEN}, "DUFFEL_ACCESS_TOKEN is", "duffel, or sandbox"),
        ({"IGNAV_API_KEY": "hidden"}, "IGNAV_API_KEY is", "ignav, or sandbox"),
        (
            {"DUFFEL_ACCESS_TOKEN": TEST_TOKEN, "IGNAV_API_KEY": "hidden"},
            "DUFFEL_ACCESS_TOKEN and IGNAV_API_KEY are",
            "duffel, ignav, or sandbox",
        ),
        ({"DUFFEL_BASE_URL": "http://host"}, "DUFFEL_BASE_URL is", "duffel, or sandbox"),
    ],
)
def test_account_needs_an_explicit_environment(
    refusal: Any, given: dict[str, str], what: str, choice: str
) -> None:
    assert refusal(**given) == (
        f"flight-price-api: AMADEUS_ENVIRONMENT must be set if {what} set:"
        f" {choice} for invented prices"
    )


def test_key_beside_the_url_of_another_server_needs_an_explicit_environment(
    refusal: Any, loaded: Any
) -> None:
    given = AMADEUS | {"AMADEUS_BASE_URL": "http://127.0.0.1:9091", "IGNAV_API_KEY": "hidden"}

    assert refusal(**given) == (
        "flight-price-api: AMADEUS_ENVIRONMENT must be set if IGNAV_API_KEY is set:"
        " ignav, or custom for AMADEUS_BASE_URL"
    )
    assert loaded(AMADEUS_ENVIRONMENT="custom").environment_shown == "custom"


def test_key_beside_the_sandbox_is_left_alone(loaded: Any) -> None:
    assert loaded(**DUFFEL | {"AMADEUS_ENVIRONMENT": "sandbox"}).environment_shown == "sandbox"


def test_key_can_come_from_a_file(loaded: Any, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{LIVE_TOKEN}\n")

    settings = loaded(AMADEUS_ENVIRONMENT="duffel", DUFFEL_ACCESS_TOKEN_FILE=str(file))

    assert settings.provider_variables == {"DUFFEL_ACCESS_TOKEN": LIVE_TOKEN}


MALFORMED = [
    (DUFFEL, "DUFFEL_ACCESS_TOKEN", "hidden"),
    (DUFFEL, "DUFFEL_ACCESS_TOKEN", "duffel_test_"),
    (DUFFEL, "DUFFEL_ACCESS_TOKEN", "duffel_test_hidden hidden"),
    (IGNAV, "IGNAV_API_KEY", "hidden hidden"),
    (IGNAV, "IGNAV_API_KEY", "hidden\u00e9"),
]


@pytest.mark.parametrize(("given", "variable", "key"), MALFORMED)
def test_malformed_key_is_refused_without_showing_it(
    refusal: Any, given: dict[str, str], variable: str, key: str
) -> None:
    said = refusal(**given | {variable: key})

    assert said.startswith(f"flight-price-api: {variable} must ")
    assert "hidden" not in said


@pytest.mark.parametrize(("given", "variable", "key"), MALFORMED)
def test_bridge_refuses_the_same_keys(given: dict[str, str], variable: str, key: str) -> None:
    connect = FACTORIES[given["AMADEUS_ENVIRONMENT"]]
    connections = httpx2.BaseTransport()
    assert connect(given, connections, 1.0, print)
    with pytest.raises(ValueError, match=r"key|token"):
        connect(given | {variable: key}, connections, 1.0, print)


def test_prices_of_other_accounts_hosts_and_tokens_for_tests_are_apart(loaded: Any) -> None:
    elsewhere = {"DUFFEL_BASE_URL": "http://127.0.0.1:9"}
    other = LIVE | {"DUFFEL_ACCESS_TOKEN": "duffel_live_other"}
    accounts = (LIVE, other, LIVE | elsewhere, DUFFEL | elsewhere)
    settings = [loaded(**given) for given in accounts]

    assert not any("hidden" in one.provider or "other" in one.provider for one in settings)
    assert {one.environment_shown for one in settings} == {"duffel", "duffel-test"}
    assert len({one.provider for one in settings}) == len(settings)
    assert len({one.credentials for one in settings}) == len(settings)


def test_credentials_for_the_bridge_hide_the_key(loaded: Any) -> None:
    settings = loaded(**LIVE | AMADEUS)

    client_id, client_secret = settings.credentials
    assert len(client_secret) == 64
    assert not any(part in f"{client_id} {client_secret}" for part in ("hidden", "some"))
    assert settings.credentials == loaded(**LIVE).credentials


@pytest.mark.parametrize("given", [DUFFEL, LIVE, IGNAV], ids=str)
def test_start_names_the_bridge_and_never_its_key(loaded: Any, given: dict[str, str]) -> None:
    settings = loaded(**given)
    shown = settings.environment_shown

    assert summary(settings)["environment"] == shown
    assert summary(settings)["amadeus"] == f"bundled bridge to {shown}"
    assert "hidden" not in f"{summary(settings)} {settings!r} {settings}"


def test_start_says_that_prices_for_a_test_token_are_invented(loaded: Any) -> None:
    test, live = (str(summary(loaded(**given))["notice"]) for given in (DUFFEL, LIVE))

    assert "prices are invented: DUFFEL_ACCESS_TOKEN is for tests" in test
    assert "invented" not in live


def test_start_says_that_credentials_of_amadeus_are_not_used(loaded: Any) -> None:
    notice = str(summary(loaded(**LIVE | AMADEUS))["notice"])

    assert "AMADEUS_CLIENT_ID is not used with AMADEUS_ENVIRONMENT=duffel" in notice
    assert "not used" not in str(summary(loaded(**AMADEUS | {"AMADEUS_ENVIRONMENT": "test"})))


def test_prices_of_ignav_are_kept_for_minutes(loaded: Any) -> None:
    assert cache_times(loaded(**IGNAV | {"AMADEUS_ENVIRONMENT": " Ignav"})) == (300, 0, 60)
    assert cache_times(loaded(**DUFFEL)) == (600, 3600, 60)


def test_cache_times_that_are_set_hold_for_ignav_too(loaded: Any) -> None:
    settings = loaded(**IGNAV, CACHE_TTL="60", CACHE_STALE_TTL="90")

    assert cache_times(settings) == (60, 90, 60)


@pytest.mark.parametrize("variable", ["AMADEUS_TIMEOUT", "REQUEST_DEADLINE"])
def test_duffel_needs_time_for_an_answer_that_is_paid_for(
    loaded: Any, refusal: Any, variable: str
) -> None:
    assert refusal(**DUFFEL, **{variable: "4.9"}) == (
        f"flight-price-api: {variable} must be at least 5 with AMADEUS_ENVIRONMENT=duffel:"
        " a search that ends before its answer is billed all the same"
    )
    assert loaded(**DUFFEL | {variable: "5"})
    assert loaded(**IGNAV | {variable: "1"})
