"""The Amadeus environments: host and rate limit of each, or the provider behind it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class AmadeusEnvironment(StrEnum):
    """The Amadeus environment that prices come from."""

    SANDBOX = "sandbox"
    ENTERPRISE_TEST = "enterprise-test"
    ENTERPRISE = "enterprise"
    TEST = "test"
    PRODUCTION = "production"
    DUFFEL = "duffel"
    IGNAV = "ignav"
    CUSTOM = "custom"


AMADEUS_HOSTS = {
    AmadeusEnvironment.ENTERPRISE_TEST: "https://test.travel.api.amadeus.com",
    AmadeusEnvironment.ENTERPRISE: "https://travel.api.amadeus.com",
    AmadeusEnvironment.TEST: "https://test.api.amadeus.com",
    AmadeusEnvironment.PRODUCTION: "https://api.amadeus.com",
}
# Calls per second that Amadeus allows (docs/amadeus.md, section "Rate limits").
AMADEUS_RATES = {
    AmadeusEnvironment.ENTERPRISE_TEST: 10.0,
    AmadeusEnvironment.ENTERPRISE: 40.0,
    AmadeusEnvironment.TEST: 10.0,
    AmadeusEnvironment.PRODUCTION: 40.0,
}


class ProviderSettings(NamedTuple):
    """A provider of offers that the bundled bridge calls in place of Amadeus.

    key, base_url: names of its settings. test_prefix: how a key for invented prices begins.
    cache_times: defaults of settings, where its terms allow less than ours. least_seconds: with
    less time, a search may end before its answer, and is billed all the same.
    """

    key: str
    base_url: str
    test_prefix: str | None = None
    cache_times: Mapping[str, int] = {}
    least_seconds: float = 0.0


PROVIDERS: Final = {
    AmadeusEnvironment.DUFFEL: ProviderSettings(
        "duffel_access_token",
        "duffel_base_url",
        test_prefix="duffel_test_",
        # Duffel searches for at least two seconds, and listing the offers may take three.
        least_seconds=5.0,
    ),
    AmadeusEnvironment.IGNAV: ProviderSettings(
        "ignav_api_key", "ignav_base_url", cache_times={"cache_ttl": 300, "cache_stale_ttl": 0}
    ),
}
