"""The Amadeus environments: host and rate limit of each."""

from enum import StrEnum


class AmadeusEnvironment(StrEnum):
    """The Amadeus environment that prices come from."""

    SANDBOX = "sandbox"
    ENTERPRISE_TEST = "enterprise-test"
    ENTERPRISE = "enterprise"
    TEST = "test"
    PRODUCTION = "production"
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
