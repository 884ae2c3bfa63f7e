"""Refused credentials and odd token replies do not cause repeated token calls."""

import pytest

from api.errors import AmadeusMisconfigured, AmadeusUnavailable, UpstreamError
from api.services.amadeus.replies import Reply
from api.services.amadeus.token_call import Credentials
from api.services.amadeus.token_provider import TokenProvider
from api.services.amadeus.transport import Call
from api.services.cache.memory_store import MemoryStore
from api.services.cache.read_through import ReadThrough
from api.services.deadline import Deadline
from api.telemetry.metrics import Metrics

MISCONFIGURED, BAD_ANSWER = "amadeus-misconfigured", "amadeus-bad-answer"
REFUSALS: dict[str, tuple[Reply | UpstreamError, str]] = {
    "wrong credentials": (Reply(401, "application/json", b"{}"), MISCONFIGURED),
    "down": (AmadeusUnavailable("Amadeus reported an internal error."), "amadeus-unavailable"),
    "a page": (Reply(200, "text/html", b"<p>Welcome!</p>"), BAD_ANSWER),
    "nothing": (Reply(204, "application/json", b""), BAD_ANSWER),
    "null": (Reply(200, "application/json", b"null"), BAD_ANSWER),
    "a list": (Reply(200, "application/json", b"[]"), BAD_ANSWER),
    "no token": (Reply(200, "application/json", b'{"expires_in": 1799}'), BAD_ANSWER),
    "a null": (Reply(200, "application/json", b'{"access_token": null}'), BAD_ANSWER),
    "two lines": (Reply(200, "application/json", rb'{"access_token": "a\r\nX: y"}'), BAD_ANSWER),
}


@pytest.mark.thorough
@pytest.mark.parametrize("error_reply", REFUSALS)
def test_refused_credentials_cause_six_token_calls_in_the_first_minute(error_reply: str) -> None:
    reply, code = REFUSALS[error_reply]
    now, called_at, told = 0.0, [], set()

    def call(_call: Call, _deadline: Deadline) -> Reply:
        called_at.append(now)
        if isinstance(reply, UpstreamError):
            raise reply
        return reply

    store = MemoryStore(Metrics(), clock=lambda: 1_800_000_000 + now)
    credentials = Credentials("id", "of another host")
    provider = TokenProvider(
        store, ReadThrough(store, fetch_timeout=5), call, "https://x", credentials, Metrics()
    )
    while now < 60:
        with pytest.raises(UpstreamError) as failed:
            provider.token(Deadline(5))
        assert failed.value.code == code
        told.add(now + (failed.value.retry_after or 0))
        now += 0.125

    assert [int(at) for at in called_at] == [0, 1, 3, 7, 15, 31]
    # Callers during a pause were told when it ends.
    assert told == {at + 2**number for number, at in enumerate(called_at)}


def test_corrected_secret_is_tried_immediately() -> None:
    def call(call: Call, _deadline: Deadline) -> Reply:
        if b"client_secret=right" in (call.body or b""):
            return Reply(200, "application/json", b'{"access_token": "t", "expires_in": 1799}')
        return Reply(401, "application/json", b"{}")

    store = MemoryStore(Metrics())

    def provider(secret: str) -> TokenProvider:
        credentials = Credentials("id", secret)
        return TokenProvider(
            store, ReadThrough(store, fetch_timeout=5), call, "https://x", credentials, Metrics()
        )

    with pytest.raises(AmadeusMisconfigured):
        provider("wrong").token(Deadline(5))
    assert provider("right").token(Deadline(5)).value == "t"
    with pytest.raises(AmadeusMisconfigured):  # its pause continues
        provider("wrong").token(Deadline(5))


@pytest.mark.parametrize(
    ("expires_in", "calls"),
    [
        *(("", 1), (', "expires_in": null', 1), (', "expires_in": "1799"', 1)),
        *((', "expires_in": "soon"', 1), (', "expires_in": "1e999"', 1), (', "expires_in": []', 1)),
        *((', "expires_in": 5', 7), (', "expires_in": 0', 7), (', "expires_in": -1', 7)),
    ],
)
def test_token_with_an_odd_lifetime_causes_few_calls_in_the_first_minute(
    expires_in: str, calls: int
) -> None:
    now, called_at = 0.0, []

    def call(_call: Call, _deadline: Deadline) -> Reply:
        called_at.append(now)
        return Reply(200, "application/json", f'{{"access_token": "t"{expires_in}}}'.encode())

    store = MemoryStore(Metrics(), clock=lambda: 1_800_000_000 + now)
    credentials = Credentials("id", "secret")
    provider = TokenProvider(
        store, ReadThrough(store, fetch_timeout=5), call, "https://x", credentials, Metrics()
    )
    while now < 60:
        assert provider.token(Deadline(5)).value == "t"
        now += 0.125

    assert called_at == [9 * number for number in range(calls)]
