"""Every reply of Amadeus that is known to break the SDK becomes a row of the error table.

Faults of the connection are in tests/integration/amadeus/test_amadeus_faults.py.
"""

from collections.abc import Iterator
from itertools import count

import pytest
from falcon.testing import Result

from sandbox.faults.content import BODY_FAULTS, OFFER_FAULTS, TOKEN_FAULTS
from tests.support.clients.in_process import LocalService
from tests.support.error_table import (
    BAD_ANSWER,
    MISCONFIGURED,
    NO_OFFERS,
    PRICE,
    REJECTED,
    UNAVAILABLE,
    check_problem,
)
from tests.support.servers.service import some_day

# The sandbox's fault and its argument, the expected answer, and the number of calls to Amadeus:
# two where a retry may help.
SEARCH_REPLIES = [
    ("content_type", "application/json", PRICE, 1),
    ("content_type", "application/vnd.amadeus+json", PRICE, 1),
    ("content_type", "application/json; charset=utf-8", PRICE, 1),
    ("content_type", "application/json;charset=UTF-8", PRICE, 1),
    ("content_type", "application/vnd.amadeus+json;charset=utf-8", PRICE, 1),
    ("content_type", "Application/JSON", PRICE, 1),
    ("content_type", "application/hal+json", BAD_ANSWER, 1),
    ("html", None, BAD_ANSWER, 1),
    ("no_content_type", None, BAD_ANSWER, 1),
    ("invalid_json", None, BAD_ANSWER, 1),
    ("empty", None, BAD_ANSWER, 1),
    ("null", None, BAD_ANSWER, 1),
    ("list", None, BAD_ANSWER, 1),
    ("string", None, BAD_ANSWER, 1),
    ("empty_object", None, BAD_ANSWER, 1),
    ("no_data", None, BAD_ANSWER, 1),
    ("null_data", None, BAD_ANSWER, 1),
    ("empty_list", None, NO_OFFERS, 1),
    ("data_and_errors", None, NO_OFFERS, 1),
    ("bom", None, BAD_ANSWER, 1),
    ("latin1", None, BAD_ANSWER, 1),
    ("gzip", None, PRICE, 1),
    ("nan", None, BAD_ANSWER, 1),
    ("deep", None, BAD_ANSWER, 1),
    ("huge", None, BAD_ANSWER, 1),
    ("status", "201", PRICE, 1),
    ("status", "203", PRICE, 1),
    ("html", "202", BAD_ANSWER, 1),
    ("204", None, BAD_ANSWER, 1),
    ("redirect", "304:", BAD_ANSWER, 1),
    ("redirect", "301:", BAD_ANSWER, 1),
    ("redirect", "302:", BAD_ANSWER, 1),
    ("redirect", "302:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "302:file:///etc/hostname", BAD_ANSWER, 1),
    ("redirect", "301:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "307:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("redirect", "308:/v2/shopping/flight-offers", BAD_ANSWER, 1),
    ("status", "400", REJECTED, 1),
    ("two_errors", None, REJECTED, 1),
    ("charset", "400", REJECTED, 1),
    ("html", "400", REJECTED, 1),
    ("source_null", None, REJECTED, 1),
    ("errors_null", None, REJECTED, 1),
    ("errors_dict", None, REJECTED, 1),
    ("detail_int", None, REJECTED, 1),
    ("detail_null", None, REJECTED, 1),
    ("string_codes", "400:425", REJECTED, 1),
    ("string_codes", "401:38187", MISCONFIGURED, 1),
    ("string_codes", "404:1797", NO_OFFERS, 1),
    ("status", "400:425", REJECTED, 1),
    ("status", "400:4926", REJECTED, 1),
    ("list", "500", UNAVAILABLE, 2),
    ("null", "500", UNAVAILABLE, 2),
    ("invalid_json", "500", UNAVAILABLE, 2),
    ("invalid_json", "401", MISCONFIGURED, 1),
    ("status", "401:38187", MISCONFIGURED, 1),
    ("status", "401:38191", MISCONFIGURED, 1),
    ("status", "401:39683", MISCONFIGURED, 1),
    ("status", "401:39686", MISCONFIGURED, 1),
    ("status", "401:701", MISCONFIGURED, 1),
    ("status", "403", MISCONFIGURED, 1),
    ("status", "404:38196", MISCONFIGURED, 1),
    ("status", "404:1797", NO_OFFERS, 1),
    ("html", "404", REJECTED, 1),
    ("status", "429:38194", UNAVAILABLE, 2),
    ("status", "500:141", UNAVAILABLE, 2),
    ("status", "500:38189", UNAVAILABLE, 2),
    ("html", "500", UNAVAILABLE, 2),
    ("empty", "500", UNAVAILABLE, 2),
    ("html", "503", UNAVAILABLE, 2),
    ("charset", "504", UNAVAILABLE, 2),
    ("status", "600", UNAVAILABLE, 2),
    ("latin1", "500", UNAVAILABLE, 2),
    ("gzip", "500", UNAVAILABLE, 2),
    ("missing_price", "first", PRICE, 1),
    ("missing_price", None, BAD_ANSWER, 1),
    ("odd_price", "first:0.00", PRICE, 1),
    ("odd_price", "abc", BAD_ANSWER, 1),
    ("mixed_currency", None, PRICE, 1),
    ("unsorted", None, PRICE, 1),
]  # fmt: skip

# Faults of the token call, with the argument as above.
TOKEN_REPLIES = [
    ("status", "401", MISCONFIGURED),
    ("status", "400", MISCONFIGURED),
    ("status", "401:39686", MISCONFIGURED),
    ("status", "429", UNAVAILABLE),
    ("status", "500", UNAVAILABLE),
    ("html", "500", UNAVAILABLE),
    ("html", None, BAD_ANSWER),
    ("charset", None, PRICE),
    ("204", None, BAD_ANSWER),
    ("null", None, BAD_ANSWER),
    ("list", None, BAD_ANSWER),
    ("empty_object", None, BAD_ANSWER),
    ("string", None, BAD_ANSWER),
    ("empty", None, BAD_ANSWER),
    ("invalid_json", None, BAD_ANSWER),
    ("deep", None, BAD_ANSWER),
    ("bom", None, BAD_ANSWER),
    ("latin1", None, BAD_ANSWER),
    ("gzip", None, PRICE),
    ("huge", None, BAD_ANSWER),
    ("content_type", None, BAD_ANSWER),
    ("no_content_type", None, BAD_ANSWER),
    ("errors_null", None, MISCONFIGURED),
    ("errors_dict", None, MISCONFIGURED),
    ("source_null", None, MISCONFIGURED),
    ("detail_int", None, MISCONFIGURED),
    ("detail_null", None, MISCONFIGURED),
    ("two_errors", None, MISCONFIGURED),
    ("string_codes", "401:38187", MISCONFIGURED),
    ("string_codes", "429:38194", UNAVAILABLE),
    ("no_expires_in", None, PRICE),
    ("null_expires_in", None, PRICE),
    ("string_expires_in", None, PRICE),
    ("tiny_expires_in", "5", PRICE),
    ("no_access_token", None, BAD_ANSWER),
    ("newline_token", None, BAD_ANSWER),
    ("state_expired", None, PRICE),
    ("redirect", "302:/v1/security/oauth2/token", BAD_ANSWER),
    ("redirect", "307:/v1/security/oauth2/token", BAD_ANSWER),
]

_days = count(31)  # the fixture uses the day before


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalService]:
    with LocalService() as service:
        yield service


@pytest.fixture
def service(shared: LocalService) -> LocalService:
    """The shared service, with its circuit breaker closed again."""
    shared.clear()
    assert shared.price(nocache="1").status_code == 200
    shared.clear()
    return shared


def check(answer: Result, expected: tuple[int, str | None]) -> None:
    assert (answer.status_code, answer.json.get("code")) == expected
    if expected != PRICE:
        check_problem(answer.status_code, answer.headers, answer.json)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "argument", "expected", "calls"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}" if row[1] else row[0]) for row in SEARCH_REPLIES],
)
def test_broken_search_reply_becomes_a_row_of_the_error_table(
    service: LocalService,
    fault: str,
    argument: str | None,
    expected: tuple[int, str | None],
    calls: int,
) -> None:
    service.fault("search", fault, argument)

    answer = service.price(date=some_day(next(_days)))

    check(answer, expected)
    assert service.searches() == calls


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fault", "argument", "expected"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}" if row[1] else row[0]) for row in TOKEN_REPLIES],
)
def test_broken_token_reply_becomes_a_row_of_the_error_table(
    fault: str, argument: str | None, expected: tuple[int, str | None]
) -> None:
    service = LocalService()
    service.fault("token", fault, argument)

    answer = service.price()

    check(answer, expected)
    assert service.searches() == (expected == PRICE)
    service.app.stop()


def test_tables_cover_every_faulty_reply_of_the_sandbox() -> None:
    assert {row[0] for row in SEARCH_REPLIES} == {*BODY_FAULTS, *OFFER_FAULTS}
    assert {row[0] for row in TOKEN_REPLIES} == {*BODY_FAULTS, *TOKEN_FAULTS}
