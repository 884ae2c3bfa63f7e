"""The providers by name, each made from the environment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx2

from bridge import duffel, ignav
from bridge.client import Observer
from bridge.duffel import Duffel
from bridge.ignav import Ignav
from protocol.roles import OfferSource

_INVENTED = "The access token is for tests: flights and prices are invented."

Environment = Mapping[str, str]


class Provider(NamedTuple):
    """A provider that is ready for searches."""

    offers: OfferSource
    notice: str = ""
    """What its users must know at once."""


def duffel_from(
    environment: Environment,
    connections: httpx2.BaseTransport,
    seconds: float,
    observe: Observer,
) -> Provider:
    """Return Duffel with the token in DUFFEL_ACCESS_TOKEN.

    seconds: what a search may take. observe: gets each call to Duffel when it has ended.
    Raises ValueError with a message for the user.
    """
    token = secret(environment, "DUFFEL_ACCESS_TOKEN")
    base_url = _base_url(environment, "DUFFEL_BASE_URL", duffel.BASE_URL)
    offers = Duffel(token, connections, base_url=base_url, seconds=seconds, observe=observe)
    return Provider(offers, _INVENTED if token.startswith("duffel_test_") else "")


def ignav_from(
    environment: Environment,
    connections: httpx2.BaseTransport,
    seconds: float,
    observe: Observer,
) -> Provider:
    """Return Ignav with the key in IGNAV_API_KEY.

    seconds: what a search may take. observe: gets each call to Ignav when it has ended.
    Raises ValueError with a message for the user.
    """
    key = secret(environment, "IGNAV_API_KEY")
    base_url = _base_url(environment, "IGNAV_BASE_URL", ignav.BASE_URL)
    return Provider(Ignav(key, connections, base_url=base_url, seconds=seconds, observe=observe))


FACTORIES: dict[str, Callable[[Environment, httpx2.BaseTransport, float, Observer], Provider]] = {
    "duffel": duffel_from,
    "ignav": ignav_from,
}
# How many calls one search makes side by side.
CALLS_AT_ONCE = {"duffel": 1, "ignav": ignav.MAX_CALLS}


def _base_url(environment: Environment, name: str, default: str) -> str:
    url = environment.get(name) or default
    try:
        known = httpx2.URL(url)
    except httpx2.InvalidURL:
        known = httpx2.URL()
    has_more = known.path not in {"", "/"} or known.query or known.fragment or known.userinfo
    if known.scheme not in {"https", "http"} or not known.host or has_more:
        raise ValueError(
            f"{name} must be an http or https URL of scheme, host and port only,"
            " like https://host:8443"
        )
    return url


def secret(environment: Environment, name: str) -> str:
    """Return a secret from the file that the variable `<name>_FILE` names, or else from `name`.

    Raises ValueError with a message for the user.
    """
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if not file:
        if value and value.strip():
            return value
        state = "not set" if value is None else "empty"
        raise ValueError(
            f"{name} is {state}. Set it or {name}_FILE in the environment; .env is not read."
        )
    try:
        content = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"Cannot read the file that {name}_FILE names: {error}") from None
    if not content:
        raise ValueError(f"The file that {name}_FILE names is empty.")
    return content
