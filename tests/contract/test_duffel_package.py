"""The stand-in for Duffel agrees with the package that Duffel publishes for its API, `@duffel/api`.

Its client sends the requests of the bridge to the stand-in, and gets its answers. Its types, which
TypeScript checks, have every property of these requests and answers.
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients.bridge_client import Bridge
from tests.support.clients.sandbox_client import AHEAD, body
from tests.support.providers.duffel import (
    TOKEN,
    Duffel,
    airline,
    airport,
    errors,
    offer,
    offer_request,
    passenger,
    segment,
    traveler,
    way,
)
from tests.support.servers.bridge_server import ProviderServer

pytestmark = pytest.mark.contract

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
STOP = {
    "id": "sto_1",
    "airport": airport("DEN"),
    "arriving_at": "2026-12-10T09:20:00",
    "departing_at": "2026-12-10T10:10:00",
    "duration": "PT00H50M",
}
OFFERS = {
    "one way": offer(),
    "technical stop": offer("1.00", way(segment(stops=[STOP]))),
    "a change": offer("1.00", way(segment("JFK", "DEN"), segment("DEN", "LAX"))),
    "round trip of a family": offer(
        "900.00",
        way(segment(passengers=[passenger(), passenger("pas_2", "business", baggages=[])])),
        way(segment("LAX", "JFK")),
        passengers=[traveler(), traveler("pas_2", "child", 8)],
    ),
    "little known": offer(
        "1.00",
        way(
            segment(
                origin_terminal=None,
                duration=None,
                distance=None,
                operating_carrier=airline(None),
            ),
            duration=None,
            fare_brand_name=None,
        ),
        owner=airline(None),
        tax_amount=None,
        tax_currency=None,
    ),
}
WINDOW = {"date": AHEAD, "time": "12:00:00", "timeWindow": "2H"}
SEARCHES: dict[str, Callable[[Bridge], object]] = {
    "one way": lambda bridge: bridge.search(max=None),
    "round trip of a family": lambda bridge: bridge.search(
        max=None, returnDate="2026-12-17", children=1, infants=1
    ),
    "business class, nonstop": lambda bridge: bridge.search(travelClass="BUSINESS", nonStop="true"),
    "several pages": lambda bridge: bridge.search(includedAirlineCodes="QF", max=50),
    "time windows": lambda bridge: bridge.post(
        body()
        | {
            "originDestinations": [
                body()["originDestinations"][0]
                | {"departureDateTimeRange": WINDOW, "arrivalDateTimeRange": WINDOW}
            ]
        }
    ),
}


WRONG_OFFERS = (
    offer(306.85),
    offer(surprise=1),
    offer("1.00", way(segment(passengers=[passenger(cabin="suite")]))),
    {name: value for name, value in offer().items() if name != "expires_at"},
)


def asked_by(search: Callable[[Bridge], object]) -> Duffel:
    """A stand-in with 120 offers, after this search of the bridge."""
    bridge = Bridge(*[offer()] * 120)
    search(bridge)
    assert len(bridge.duffel.searches) == 1
    return bridge.duffel


def wanted(asked: Duffel) -> dict[str, Any]:
    """The request of the bridge in the form of the client's arguments."""
    params = {name: json.loads(value) for name, value in asked.search_params[0].items()}
    listed = asked.lists[0]
    return {
        "search": asked.searches[0] | params,
        "list": {"sort": listed["sort"], "limit": int(listed["limit"])},
    }


def client(
    server: ProviderServer[Duffel], wanted: dict[str, Any], token: str = TOKEN
) -> dict[str, Any]:
    """What the official client gets, or the error that it raises."""
    done = subprocess.run(
        ["node", HERE / "duffel_client.js", server.url, token, json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=True,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def compile_errors(folder: Path, *typed: tuple[str, object]) -> list[str]:
    """What TypeScript says about these values, each with a type of the package."""
    (folder / "node_modules").symlink_to(MODULES)
    lines = [
        f"export const value{number}: {kind} = {json.dumps(value)};"
        for number, (kind, value) in enumerate(typed)
    ]
    head = [
        '/// <reference types="@duffel/api" />',
        "import type * as duffel from '@duffel/api/types';",
    ]
    (folder / "values.ts").write_text("\n".join(head + lines))
    # The package brings types of an old Node.js, which a new TypeScript finds fault with.
    command = [str(MODULES / ".bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck", "values.ts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_official_client_sends_the_requests_of_the_bridge(
    search: Callable[[Bridge], object],
) -> None:
    asked = asked_by(search)
    with ProviderServer(Duffel(*asked.offers)) as server:
        seen = client(server, wanted(asked))
    assert server.stand_in.searches == asked.searches
    assert server.stand_in.search_params == asked.search_params
    assert server.stand_in.lists == asked.lists
    assert seen == {"asked": offer_request("orq_1", asked.searches[0]), "offers": asked.offers}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "authentication_error"), (429, "rate_limit_error"), (500, "api_error")],
)
def test_official_client_understands_an_error_of_the_stand_in(status: int, kind: str) -> None:
    with ProviderServer(Duffel()) as server:
        server.stand_in.fail(
            "search", status, errors(status, kind), content_type="application/json"
        )
        seen = client(server, {"search": {}})
    assert seen == errors(status, kind) | {"status": status}


def test_official_client_with_a_wrong_token_is_refused() -> None:
    with ProviderServer(Duffel()) as server:
        assert client(server, {"search": {}}, token="duffel_test_wrong")["status"] == 401


def test_requests_and_answers_have_the_types_of_the_package(tmp_path: Path) -> None:
    search = "duffel.CreateOfferRequest & duffel.CreateOfferRequestQueryParameters"
    typed: list[tuple[str, object]] = []
    for asked in map(asked_by, SEARCHES.values()):
        arguments = wanted(asked)
        typed += [
            (search, arguments["search"]),
            ("duffel.ListOffersParams", {"offer_request_id": "orq_1"} | arguments["list"]),
            ("Omit<duffel.OfferRequest, 'offers'>", offer_request("orq_1", asked.searches[0])),
        ]
    typed += [("duffel.Offer", one) for one in OFFERS.values()]
    error = "{ meta: duffel.ApiResponseMeta; errors: duffel.ApiResponseError[] }"
    typed.append((error, errors(401, "authentication_error")))
    assert compile_errors(tmp_path, *typed) == []


def test_wrong_offers_do_not_have_the_type_of_the_package(tmp_path: Path) -> None:
    said = compile_errors(tmp_path, *(("duffel.Offer", one) for one in WRONG_OFFERS))
    first_line = 3
    lines = {first_line + number for number in range(len(WRONG_OFFERS))}
    assert {
        int(found[1]) for one in said if (found := re.match(r"values\.ts\((\d+),", one))
    } == lines
