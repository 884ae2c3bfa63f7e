"""The stand-in for Ignav agrees with the OpenAPI file that Ignav published.

`make contract PROVIDERS=<folder>` runs this, and the unit tests of the bridge, in which the
stand-in then holds each request and each answer to the file.
"""

from typing import Any

import pytest

from tests.contract import ignav as contract
from tests.support.clients.bridge_client import IgnavBridge
from tests.support.clients.sandbox_client import AHEAD, refusals
from tests.support.providers.ignav import error, itinerary, leg, price, segment

pytestmark = pytest.mark.contract

ONE_WAY = "/api/fares/one-way"
DIRECTION = {"origin": "JFK", "destination": "LAX", "departure_date": AHEAD}


@pytest.mark.parametrize("path", ["/api/fares/one-way", "/api/fares/round-trip"])
@pytest.mark.parametrize("status", [400, 401, 424])
def test_error_of_the_stand_in_matches_the_file(path: str, status: int) -> None:
    for body in (error(), error(field="origin")):
        assert contract.answer_violations(path, status, body) == []


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        ({"origin": "JFK"}, "$: 'destination' is a required property"),
        (DIRECTION | {"adults": 0}, "$.adults: 0 is less than the minimum of 1"),
        (DIRECTION | {"departure_date": "soon"}, "$.departure_date: 'soon' is not a 'date'"),
        (
            DIRECTION | {"surprise": 1},
            "$: Additional properties are not allowed ('surprise' was unexpected)",
        ),
    ],
)
def test_file_reports_a_wrong_request(body: dict[str, Any], violation: str) -> None:
    assert violation in contract.request_violations(ONE_WAY, body)


def test_stand_in_refuses_to_give_an_answer_that_breaks_the_contract() -> None:
    odd = itinerary(1, leg(segment(duration_minutes="long")), price=price("1"))
    assert refusals(IgnavBridge(odd).search()) == [(141, "")]
    assert len(IgnavBridge(odd, odd=True).offers()) == 1
