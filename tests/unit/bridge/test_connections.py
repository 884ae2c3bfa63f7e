"""What a broken connection or answer of any provider becomes, and what ends with the deadline."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

import gevent
import httpx2
import orjson
import pytest

import bridge.app
from bridge.client import Deadline
from bridge.duffel import Duffel
from bridge.errors import CallFailed
from bridge.ignav import Ignav
from tests.support.clients.sandbox_client import AmadeusClient, Clock, refusals
from tests.support.providers import duffel, ignav

KEY = "duffel_test_key-of-a-provider"

Handler = Callable[[httpx2.Request], httpx2.Response]
Source = Callable[..., Duffel | Ignav]


@pytest.fixture(params=[Duffel, Ignav])
def source(request: pytest.FixtureRequest) -> Source:
    """The class of a provider."""
    found: Source = request.param
    return found


def client(source: Source, handle: Handler, seconds: float = 20.0) -> AmadeusClient:
    """A client of a bridge to a provider that answers like this."""
    offers = source(KEY, httpx2.MockTransport(handle), seconds=seconds)
    return AmadeusClient(bridge.app.create_app(offers, "s", clock=Clock()), "http://bridge")


def _raise(error: Exception) -> Handler:
    def handle(_: httpx2.Request) -> httpx2.Response:
        raise error

    return handle


def _padded(_: httpx2.Request) -> httpx2.Response:
    data = b'{"data": {"id": "orq_1"}, "itineraries": []}'
    return httpx2.Response(200, stream=_Raw(data + b" " * 10_000_000))


class _Raw(httpx2.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content


@pytest.mark.parametrize(
    "handle",
    [
        _raise(httpx2.ConnectError(KEY)),
        _raise(httpx2.ReadError(KEY)),
        _raise(httpx2.RemoteProtocolError(KEY)),
        lambda _: httpx2.Response(302, headers={"Location": "https://elsewhere.example"}),
        _padded,
        lambda _: httpx2.Response(
            200, headers={"Content-Encoding": "gzip"}, stream=_Raw(b"not gzip")
        ),
    ],
    ids=["refused", "reset", "no HTTP", "redirect", "too large", "broken gzip"],
)
def test_broken_connection_or_answer_is_a_system_error(
    source: Source,
    handle: Handler,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    refused = client(source, handle).search()
    assert refusals(refused) == [(141, "")]
    assert KEY not in refused.text + caplog.text + "".join(capfd.readouterr())


def test_key_goes_into_a_header_and_nowhere_else(source: Source) -> None:
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(401, stream=_Raw(b"{}"))

    client(source, handle).search()
    (request,) = requests
    assert [name for name, value in request.headers.items() if KEY in value] in [
        ["authorization"], ["x-api-key"],
    ]  # fmt: skip
    assert KEY not in f"{request.url}{request.read()!r}"


def test_silent_provider_is_a_system_error_at_the_deadline(source: Source) -> None:
    def handle(_: httpx2.Request) -> httpx2.Response:
        gevent.sleep(30)
        raise AssertionError

    began = time.monotonic()
    assert refusals(client(source, handle, seconds=0.05).search()) == [(141, "")]
    assert time.monotonic() - began < 5


def test_other_calls_of_a_search_finish_after_a_failure_and_are_not_sent_again() -> None:
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append("CDG" if b'"destination":"CDG"' in request.read() else "ORY")
        if asked == ["CDG"]:
            return httpx2.Response(429, stream=_Raw(b"{}"))
        for _ in range(20):  # it is slower than the failure
            gevent.sleep(0)
        return httpx2.Response(200, stream=_Raw(b'{"itineraries": []}'))

    searching = client(Ignav, handle)
    assert refusals(searching.search(destinationLocationCode="PAR")) == [(38194, "")]
    assert searching.search(destinationLocationCode="PAR").json()["data"] == []
    assert asked == ["CDG", "ORY", "CDG"]


def test_calls_of_a_search_end_with_their_caller() -> None:
    ended: list[str] = []

    def handle(_: httpx2.Request) -> httpx2.Response:
        try:
            gevent.sleep(30)
        finally:
            ended.append("call")
        raise AssertionError

    searching = client(Ignav, handle)
    assert searching.token
    with contextlib.suppress(gevent.Timeout), gevent.Timeout(0.05):
        searching.search(destinationLocationCode="PAR")
    assert ended == ["call", "call"]


def test_other_requests_run_while_a_large_answer_is_read(source: Source) -> None:
    offers = [duffel.offer("1.00") if source is Duffel else ignav.itinerary(1)] * 400
    answer = orjson.dumps({"data": offers, "itineraries": offers})
    created = orjson.dumps({"data": {"id": "orq_1"}})

    def handle(request: httpx2.Request) -> httpx2.Response:
        is_creation = request.url.path == "/air/offer_requests"
        return httpx2.Response(200, stream=_Raw(created if is_creation else answer))

    turns: list[str] = []

    def other() -> None:
        while True:
            turns.append("turn")
            gevent.sleep(0.001)

    searching = client(source, handle)
    assert searching.token
    running = gevent.spawn(other)
    assert len(searching.offers(max=250)) == 250
    running.kill()
    assert len(turns) >= 5


def test_reading_ends_at_the_deadline() -> None:
    assert list(Deadline(20).pace(range(120))) == list(range(120))
    with pytest.raises(CallFailed):
        next(Deadline(0).pace([1]))


def test_answer_of_ignav_beyond_three_megabytes_is_a_system_error() -> None:
    def handle(_: httpx2.Request) -> httpx2.Response:
        content = orjson.dumps({"itineraries": [ignav.itinerary(1)] * 4_500})
        return httpx2.Response(200, stream=_Raw(content))

    assert refusals(client(Ignav, handle).search()) == [(141, "")]
