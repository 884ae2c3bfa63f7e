"""Providers that are made from the environment, as `python -m bridge` makes them."""

from pathlib import Path

import httpx2
import pytest

from bridge.providers import FACTORIES, Provider

TEST, LIVE = "duffel_test_1", "duffel_live_1"


def duffel(**environment: str) -> Provider:
    return FACTORIES["duffel"](environment, httpx2.BaseTransport(), 1.0, print)


def test_key_in_a_file_takes_precedence(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{LIVE}\n")
    assert duffel(DUFFEL_ACCESS_TOKEN=TEST).notice
    assert not duffel(DUFFEL_ACCESS_TOKEN=TEST, DUFFEL_ACCESS_TOKEN_FILE=str(file)).notice


@pytest.mark.parametrize("empty", ["", " \n"])
def test_empty_key_is_called_empty(tmp_path: Path, empty: str) -> None:
    file = tmp_path / "token"
    file.write_text(empty)
    with pytest.raises(ValueError, match="DUFFEL_ACCESS_TOKEN is empty"):
        duffel(DUFFEL_ACCESS_TOKEN=empty)
    with pytest.raises(ValueError, match="The file that DUFFEL_ACCESS_TOKEN_FILE names is empty"):
        duffel(DUFFEL_ACCESS_TOKEN_FILE=str(file))


def test_missing_key_is_looked_for_in_the_environment_only() -> None:
    said = r"is not set\. Set it or DUFFEL_ACCESS_TOKEN_FILE in the environment; \.env is not read"
    with pytest.raises(ValueError, match=said):
        duffel()


def test_file_that_cannot_be_read_is_not_replaced_by_the_variable() -> None:
    with pytest.raises(ValueError, match="Cannot read the file that DUFFEL_ACCESS_TOKEN_FILE"):
        duffel(DUFFEL_ACCESS_TOKEN=TEST, DUFFEL_ACCESS_TOKEN_FILE="/nowhere")


@pytest.mark.parametrize(
    "url",
    ["https://me:hidden@host", "https://host/path", "https://host?a=b", "https://host#a", "host"],
)
def test_base_url_is_scheme_host_and_port_only(url: str) -> None:
    with pytest.raises(ValueError, match="DUFFEL_BASE_URL must be an http or https URL") as refused:
        duffel(DUFFEL_ACCESS_TOKEN=TEST, DUFFEL_BASE_URL=url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://host", "http://[::1]:9/"])
def test_base_url_may_have_a_port(url: str) -> None:
    assert duffel(DUFFEL_ACCESS_TOKEN=TEST, DUFFEL_BASE_URL=url)
