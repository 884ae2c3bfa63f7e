"""Amadeus's refusals of a search are reported with our parameter names."""

import datetime as dt

import pytest

from api.errors import AmadeusMisconfigured, RejectedByAmadeus
from api.models import PriceQuery
from api.services.amadeus.replies import parse_error_document
from api.services.amadeus.search_errors import PARAMETERS, to_domain_error

QUERY = PriceQuery.model_construct(origin="JKF", destination="LAX", date=dt.date(2026, 12, 1))


def reported(*errors: tuple[int, str]) -> tuple[str, list[str]]:
    """The detail and the parameters for a reply with these codes and parameters."""
    listed = [
        {"code": code, "title": "INVALID THING", "source": {"parameter": name}}
        for code, name in errors
    ]
    error = to_domain_error(parse_error_document(400, {"errors": listed}), QUERY)
    assert isinstance(error, RejectedByAmadeus)
    return error.detail, [item.parameter for item in error.parameter_errors]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (
            [(4926, "originLocationCode")],
            ("Amadeus does not know the city or airport JKF (4926).", ["origin"]),
        ),
        (
            [(4926, "departureDate")],
            ("Amadeus rejected the search: Invalid thing (4926). Check date.", ["date"]),
        ),
        (
            [(425, "departureDate"), (425, "returnDate"), (477, "adults")],
            (
                "Amadeus rejected the search: Invalid thing (425). Check date and return_date.",
                ["date", "return_date"],
            ),
        ),
        ([(477, "max")], ("Amadeus rejected the search: Invalid thing (477).", [])),
    ],
    ids=str,
)
def test_refused_search_names_our_parameters(
    errors: list[tuple[int, str]], expected: tuple[str, list[str]]
) -> None:
    assert reported(*errors) == expected


def test_unrelated_rejections_name_no_parameter() -> None:
    error_reply = parse_error_document(403, {"errors": [{"source": {"parameter": "adults"}}]})

    assert isinstance(to_domain_error(error_reply, QUERY), AmadeusMisconfigured)


def test_query_parameters_all_have_an_amadeus_name() -> None:
    assert set(PARAMETERS.values()) == set(PriceQuery.model_fields)
