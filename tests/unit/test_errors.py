"""The status, code and problem document of each error."""

import re

import pytest

from api import errors
from api.errors import (
    UPSTREAM_ERRORS,
    AmadeusMisconfigured,
    AmadeusQuota,
    AmadeusUnavailable,
    FlightPriceError,
    InvalidRequest,
    NoOffers,
    ParameterError,
    RejectedByAmadeus,
    TooManyRequests,
    UpstreamError,
    dump_upstream_error,
    load_upstream_error,
    problem_of,
    retry_after_seconds,
)
from api.services.cache.entries import FailureMarker

TABLE = {
    "invalid-request": 400,
    "rejected-by-amadeus": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "no-offers": 404,
    "not-known": 404,
    "too-many-requests": 429,
    "not-in-time": 503,
    "amadeus-misconfigured": 502,
    "amadeus-bad-answer": 502,
    "amadeus-unavailable": 503,
    "amadeus-quota": 503,
    "amadeus-timeout": 504,
}


def test_errors_have_the_documented_status_and_code() -> None:
    classes = [error for error in vars(errors).values() if isinstance(error, type)]
    coded = [
        error for error in classes if issubclass(error, FlightPriceError) and "code" in vars(error)
    ]

    assert {error.code: error.status.value for error in coded} == TABLE


def test_documented_error_tree_matches_the_classes() -> None:
    drawn = re.findall(r"── (\w+) +(\d{3}) (\S+)", errors.__doc__ or "")

    assert {code: int(status) for _, status, code in drawn} == TABLE
    assert all(getattr(errors, name).code == code for name, _, code in drawn)


def test_problem_has_the_fields_of_rfc_9457_and_our_own() -> None:
    assert problem_of(NoOffers("Nothing flies."), "some-id") == {
        "type": "urn:problem-type:flight-price-api:no-offers",
        "title": "No flight offers",
        "status": 404,
        "detail": "Nothing flies.",
        "code": "no-offers",
        "request_id": "some-id",
    }


def test_problem_of_invalid_input_lists_every_error() -> None:
    parameter_errors = [
        ParameterError("origin", "is required"),
        ParameterError("adults", "must be fewer"),
    ]

    assert problem_of(InvalidRequest("Bad.", parameter_errors), "some-id")["errors"] == [
        {"parameter": "origin", "detail": "is required"},
        {"parameter": "adults", "detail": "must be fewer"},
    ]


@pytest.mark.parametrize("code", UPSTREAM_ERRORS)
def test_shared_failure_is_restored_unchanged(code: str) -> None:
    error = UPSTREAM_ERRORS[code]("What happened.", retry_after=2.5)

    shared = load_upstream_error(dump_upstream_error(error))

    assert (type(shared), shared.detail, shared.retry_after) == (type(error), error.detail, 2.5)


def test_failure_shared_later_reports_the_remaining_retry_after() -> None:
    used_up = dump_upstream_error(AmadeusQuota("Used up.", retry_after=3600))

    assert (
        FailureMarker(used_up, failed_at=100, pause=1, tries=1).error(now=160).retry_after == 3540
    )


def test_shared_failure_keeps_the_rejected_parameters() -> None:
    error = RejectedByAmadeus("Not like that.", [ParameterError("origin", "is unknown")])

    shared = load_upstream_error(dump_upstream_error(error))

    assert problem_of(shared, "")["errors"] == [{"parameter": "origin", "detail": "is unknown"}]


def test_upstream_errors_can_all_be_told_apart_by_their_code() -> None:
    assert len(UPSTREAM_ERRORS) == len(UpstreamError.__subclasses__())


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{}", b"[]", b'["no-such-code", "", null]', b"\xff", b"[" * 100_000),
        *(b'["amadeus-quota", "", %s]' % wait for wait in (b'"inf"', b"[]", b"NaN", b"1e999")),
        b'["amadeus-quota", {}, 5]',
    ],
)
def test_unreadable_failure_marker_becomes_unavailable(raw: bytes) -> None:
    assert isinstance(load_upstream_error(raw), AmadeusUnavailable)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (AmadeusUnavailable("Down."), 5),
        (AmadeusUnavailable("Down.", retry_after=2.1), 3),
        (AmadeusUnavailable("Down.", retry_after=0.0), 1),
        (TooManyRequests("Too fast.", retry_after=7), 7),
        (AmadeusMisconfigured("Wrong key."), None),
        (AmadeusMisconfigured("Wrong host.", retry_after=7), None),
        (NoOffers("Nothing flies."), None),
    ],
    ids=repr,
)
def test_retry_after_is_in_whole_seconds_where_waiting_helps(
    error: FlightPriceError, seconds: int | None
) -> None:
    assert retry_after_seconds(error) == seconds
