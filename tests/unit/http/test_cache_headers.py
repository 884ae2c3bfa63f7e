"""How long shared caches and clients may keep a response."""

import falcon
import pytest

from api.http.cache_headers import set_cache_headers
from api.services.cache.entries import Entry
from api.services.cache.requests import CacheResult, Outcome

CASES = {
    "price that was just fetched": (Outcome.MISS, b"{}", 600, 0.1, "max-age=600", "0"),
    "price known for a while": (Outcome.HIT, b"{}", 600, 28.7, "max-age=600", "28"),
    "no offers": (Outcome.HIT, b"", 60, 28.7, "max-age=60", "28"),
    "price that nobody keeps": (Outcome.MISS, b"{}", 0, 0.1, "max-age=0", "0"),
    "stale price": (Outcome.STALE, b"{}", 600, 700.0, "max-age=0", "700"),
    "price asked for anew": (Outcome.BYPASS, b"{}", 600, 0.1, "no-store", "0"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_cache_control_is_the_full_lifetime_and_age_the_elapsed_part(
    case: tuple[Outcome, bytes, float, float, str, str],
) -> None:
    outcome, body, ttl, age, cache_control, told_age = case
    resp = falcon.Response()

    set_cache_headers(resp, CacheResult(Entry(body, 0, 0, ttl), outcome, age))

    assert resp.get_header("Cache-Control") == cache_control
    assert resp.get_header("Age") == told_age
