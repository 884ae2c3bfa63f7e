"""Rows of the error table for what Amadeus does, and what every error promises."""

from collections.abc import Mapping
from typing import Any, Final

# Status and code; a price has no code.
PRICE: Final = (200, None)
NO_OFFERS: Final = (404, "no-offers")
REJECTED: Final = (400, "rejected-by-amadeus")
MISCONFIGURED: Final = (502, "amadeus-misconfigured")
BAD_ANSWER: Final = (502, "amadeus-bad-answer")
UNAVAILABLE: Final = (503, "amadeus-unavailable")
QUOTA: Final = (503, "amadeus-quota")
TIMEOUT: Final = (504, "amadeus-timeout")


def check_problem(status: int, headers: Mapping[str, str], problem: dict[str, Any]) -> None:
    """Check what every error promises: its form, its request id and its Retry-After."""
    assert headers["Content-Type"] == "application/problem+json"
    members = {"type", "title", "status", "detail", "code", "request_id"}
    assert members == set(problem) - {"errors"}
    assert problem["request_id"] == headers["X-Request-ID"]
    assert problem["status"] == status
    assert ("Retry-After" in headers) is (status == 503)
