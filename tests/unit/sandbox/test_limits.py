"""Rate limits and quota: off by default, each with its own 429."""

import contextlib
from typing import Any

import pytest

from protocol.errors import AmadeusError
from sandbox.config import RateLimit
from sandbox.state.rate_limits import Limits
from tests.support.clients.sandbox_client import Clock, InProcess, refusals


def statuses(sandbox: InProcess, apart: float, number: int) -> list[int]:
    found = []
    for _ in range(number):
        found.append(sandbox.get({}).status_code)
        sandbox.clock.now += apart
    return found


# A search without parameters counts like any other, and then gets 400.
def test_requests_are_unlimited_by_default(sandbox: InProcess) -> None:
    assert statuses(sandbox, 0, 100) == [400] * 100


@pytest.mark.parametrize("apart", [0.0, 0.05, 0.1])
def test_limit_of_test_environment_keeps_searches_100_ms_apart(apart: float) -> None:
    assert statuses(InProcess(rate_limit="test"), apart, 2) == [400, 429]


@pytest.mark.parametrize(("limit", "apart"), [("test", 0.106), ("production", 0.0265)])
def test_client_slightly_below_the_limit_is_never_refused(limit: str, apart: float) -> None:
    assert statuses(InProcess(rate_limit=limit), apart, 200) == [400] * 200


def test_limit_of_test_environment_allows_ten_spread_searches_a_second() -> None:
    sandbox = InProcess(rate_limit="test")
    assert statuses(sandbox, 0.10001, 30) == [400] * 30


def test_limit_of_production_allows_forty_searches_a_second() -> None:
    sandbox = InProcess(rate_limit="production")
    assert statuses(sandbox, 0, 41) == [400] * 40 + [429]
    sandbox.clock.now += 1.01
    assert statuses(sandbox, 0, 1) == [400]


@pytest.mark.parametrize(("limit", "number"), [("test", 1), ("production", 40)])
def test_interval_includes_its_last_instant(limit: RateLimit, number: int) -> None:
    clock = Clock(0.0)
    limits = Limits(limit, None, monotonic=clock)
    for _ in range(number):
        limits.admit("me")
    clock.now = 0.1 if limit == "test" else 1.0
    with pytest.raises(AmadeusError, match="38194"):
        limits.admit("me")


def test_refused_search_does_not_count_towards_the_limit() -> None:
    sandbox = InProcess(rate_limit="production")
    statuses(sandbox, 0, 40)
    sandbox.clock.now += 0.6
    assert statuses(sandbox, 0, 40) == [429] * 40
    sandbox.clock.now += 0.6
    assert statuses(sandbox, 0, 40) == [400] * 40


def test_limit_of_test_environment_never_allows_more_than_ten_a_second() -> None:
    clock, passed = Clock(0.0), []
    limits = Limits("test", None, monotonic=clock)
    for _ in range(3000):
        with contextlib.suppress(AmadeusError):
            limits.admit("me")
            passed.append(clock.now)
        clock.now += 0.001
    most = max(sum(at <= one <= at + 1 for one in passed) for at in passed)
    assert most == 10


def test_clients_have_separate_rate_limits() -> None:
    sandbox = InProcess(rate_limit="test")
    other = sandbox.ask_token(client_id="other").json()["access_token"]
    assert sandbox.get({}).status_code == sandbox.get({}, other).status_code == 400
    assert sandbox.get({}).status_code == sandbox.get({}, other).status_code == 429


def test_search_above_the_rate_limit_is_refused_with_its_code() -> None:
    sandbox = InProcess(rate_limit="test")
    sandbox.get({})
    assert refusals(sandbox.get({})) == [(38194, "")]


def test_exhausted_quota_is_refused_until_the_month_ends() -> None:
    sandbox = InProcess(quota=2, token_life=20 * 86_400)
    assert statuses(sandbox, 0, 3) == [400, 400, 429]
    assert refusals(sandbox.get({})) == [(38195, "")]
    sandbox.clock.now += 10 * 86_400  # December
    assert statuses(sandbox, 0, 1) == [400]


@pytest.mark.parametrize("settings", [{"rate_limit": "test"}, {"quota": 1}])
def test_limits_can_be_switched_on_and_off(sandbox: InProcess, settings: dict[str, Any]) -> None:
    sandbox.http.put("/admin/settings", json=settings)
    assert statuses(sandbox, 0, 2) == [400, 429]
    sandbox.http.put("/admin/settings", json={"rate_limit": "none", "quota": None})
    assert statuses(sandbox, 0, 2) == [400, 400]


def test_token_calls_are_not_limited() -> None:
    sandbox = InProcess(rate_limit="test", quota=0)
    assert {sandbox.ask_token().status_code for _ in range(20)} == {200}
