"""The providers by name, each made from the environment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx2

from bridge import duffel
from bridge.duffel import Duffel
from protocol.roles import OfferSource

_INVENTED = "The access token is for tests: flights and prices are invented."

Environment = Mapping[str, str]


class Provider(NamedTuple):
    """A provider that is ready for searches."""

    offers: OfferSource
    notice: str = ""
    """What its users must know at once."""


def duffel_from(
    environment: Environment, connections: httpx2.BaseTransport, seconds: float
) -> Provider:
    """Return Duffel with the token in DUFFEL_ACCESS_TOKEN. seconds: what a search may take.

    Raises ValueError with a message for the user.
    """
    token = secret(environment, "DUFFEL_ACCESS_TOKEN")
    base_url = environment.get("DUFFEL_BASE_URL") or duffel.BASE_URL
    if not base_url.startswith(("https://", "http://")):
        raise ValueError("DUFFEL_BASE_URL must begin with https:// or http://.")
    offers = Duffel(token, connections, base_url=base_url, seconds=seconds)
    return Provider(offers, _INVENTED if token.startswith("duffel_test_") else "")


PROVIDERS: dict[str, Callable[[Environment, httpx2.BaseTransport, float], Provider]] = {
    "duffel": duffel_from,
}


def secret(environment: Environment, name: str) -> str:
    """Return a secret from a variable, or from the file that the variable `<name>_FILE` names.

    Raises ValueError with a message for the user.
    """
    value, file = environment.get(name), environment.get(f"{name}_FILE")
    if value:
        return value
    if not file:
        raise ValueError(f"Set {name} or {name}_FILE.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ValueError(f"Cannot read the file that {name}_FILE names: {error}") from None
