"""`GET /flights/offer` finds all that it shows in the offers of the sandbox."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from tests.support.clients.in_process import LocalService
from tests.support.servers.service import some_day

PLACES = ("JFK", "LHR", "SIN", "DXB", "NRT", "DEL")


def parts(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every value in a document, with its name."""
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from parts(one, str(key))
    else:
        yield name, value


@pytest.mark.thorough
def test_offer_of_the_service_lacks_nothing_but_the_number_of_weighed_bags() -> None:
    missing = set()
    dates = {"date": some_day(), "return_date": some_day(40)}
    with LocalService() as service:
        for one, other in permutations(PLACES, 2):
            answer = service.get("/flights/offer", None, origin=one, destination=other, **dates)
            offer = answer.json["data"]
            assert len(offer["itineraries"]) == 2
            missing |= {name for name, value in parts(offer) if value is None}
    assert missing == {"checked_bags"}
