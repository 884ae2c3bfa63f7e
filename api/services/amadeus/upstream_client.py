"""How Amadeus is called: in our turn, within the deadline, and once more where that may help."""

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from random import uniform
from typing import Final

from api.errors import AmadeusMisconfigured, AmadeusQuota, AmadeusTimeout, UpstreamError
from api.services.amadeus.circuit_breaker import CircuitBreaker, UpstreamHealth
from api.services.amadeus.pacing import Pacing
from api.services.amadeus.replies import Reply
from api.services.amadeus.transport import Call, Transport
from api.services.deadline import Deadline
from api.services.fares import cheapest_fare
from api.telemetry import metrics
from api.telemetry.events import Event
from api.telemetry.logs import current_request_id, get_logger
from api.telemetry.tracing import inject, span

RETRY_JITTER_SECONDS: Final = (0.1, 0.4)
# With less time than this left, a second try would only end in a timeout.
MIN_RETRY_SECONDS: Final = 1.0

log = get_logger()


class UpstreamClient:
    """Makes calls to Amadeus with discipline.

    Its methods return a reply of any status that says something definite. They raise
    AmadeusTimeout, AmadeusUnavailable, AmadeusBadAnswer and AmadeusQuota.
    """

    def __init__(
        self, transport: Transport, pacing: Pacing, breaker: CircuitBreaker, timeout: float
    ) -> None:
        """`timeout`: seconds that one attempt may take."""
        self._transport = transport
        self._pacing = pacing
        self._breaker = breaker
        self._timeout = timeout
        self._session = str(uuid.uuid4())

    def search(self, call: Call, deadline: Deadline) -> Reply:
        """Make a data call; a failure that may pass is tried once more."""
        try:
            return self._guarded(call, deadline)
        except UpstreamError as error:
            pause = (error.retry_after or 0.0) + uniform(*RETRY_JITTER_SECONDS)  # noqa: S311
            if not error.may_pass or deadline.remaining() < pause + MIN_RETRY_SECONDS:
                raise
            metrics.RETRIES.inc()
            log.warning(Event.AMADEUS_RETRY, reason=error.detail, pause_ms=round(pause * 1000))
        time.sleep(pause)
        return self._guarded(call, deadline)

    def fetch_token(self, call: Call, deadline: Deadline) -> Reply:
        """Make a token call, once: who asks for it knows when to ask again.

        It waits for no turn: behind a long queue of searches it would come too late for them all.
        """
        return self._attempt("token", call, deadline, Reply.result)

    def _guarded(self, call: Call, deadline: Deadline) -> Reply:
        self._breaker.check()
        try:
            self._pacing.await_turn(deadline, self._timeout)
        except AmadeusQuota:
            self._breaker.record(UpstreamHealth.QUOTA)
            raise
        if not deadline.remaining():
            raise AmadeusTimeout("The request ran out of time before Amadeus was called.")
        admitted = self._breaker.admit()
        health = UpstreamHealth.FAILING
        try:
            reply = self._attempt("search", call, deadline, _check_offers)
            health = _health_of(reply)
        except AmadeusQuota:
            health = UpstreamHealth.QUOTA
            raise
        finally:
            self._breaker.report(health, admitted)
        return reply

    def _attempt(
        self, kind: str, call: Call, deadline: Deadline, check: Callable[[Reply], object]
    ) -> Reply:
        """`check`: raises AmadeusBadAnswer where a reply without an error is no answer."""
        seconds = min(self._timeout, deadline.remaining())
        started = time.monotonic()
        status = None
        try:
            with span(f"amadeus {kind}", is_call=True) as spanned:
                reply = self._transport.send(self._traceable(call), seconds)
                status = reply.status
                spanned.set_attribute("http.response.status_code", status)
            if reply.error_reply is None:
                check(reply)
        except UpstreamError as error:
            metrics.called(kind, error.code, time.monotonic() - started)
            reason = f"{error.code}: {error.__cause__ or error.detail}"
            _log_call(log.warning, started, status, error=reason)
            raise
        metrics.called(kind, reply.status, time.monotonic() - started)
        if reply.error_reply is None:
            _log_call(log.info, started, reply.status)
        else:
            refused = reply.error_reply.error()
            say = log.info if reply.error_reply.is_answer else log.warning
            _log_call(say, started, reply.status, code=reply.error_reply.code)
            if isinstance(refused, AmadeusQuota):
                self._pacing.pause_for_quota(refused)
            if refused.may_pass or isinstance(refused, AmadeusQuota):
                raise refused
        return reply

    def _traceable(self, call: Call) -> Call:
        """The call with a trace and Amadeus's header (docs/amadeus.md, section "Availability")."""
        request_id = current_request_id.get() or uuid.uuid4()
        reference = f"{self._session}:{request_id}"
        headers = {**call.headers, "Ama-Client-Ref": reference}
        inject(headers)
        return replace(call, headers=headers)


def _check_offers(reply: Reply) -> None:
    cheapest_fare(reply.result().get("data"), None)


def _health_of(reply: Reply) -> UpstreamHealth:
    is_misconfigured = reply.error_reply and isinstance(
        reply.error_reply.error(), AmadeusMisconfigured
    )
    return UpstreamHealth.MISCONFIGURED if is_misconfigured else UpstreamHealth.OK


def _log_call(say: Callable[..., None], started: float, status: int | None, **fields: str) -> None:
    duration_ms = round((time.monotonic() - started) * 1000, 1)
    say(Event.AMADEUS_CALL, status=status, duration_ms=duration_ms, **fields)
