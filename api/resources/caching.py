"""The headers that tell where an answer came from and for how long it is good."""

import hashlib

import falcon

from api.services.questions import Answer, Outcome

CACHE_NAME = "flight-price-api"


def set_cache_headers(req: falcon.Request, resp: falcon.Response, answer: Answer) -> None:
    """X-Cache, Cache-Status (RFC 9211), Age, Cache-Control and ETag; 304 where that matches."""
    age = int(answer.age)
    left = max(0, int(answer.entry.ttl - answer.age))
    resp.set_headers(
        {
            "X-Cache": answer.outcome.value,
            "Cache-Status": cache_status(answer, left),
            "Age": str(age),
            "Cache-Control": (
                "no-store" if answer.outcome is Outcome.BYPASS else f"max-age={left}"
            ),
        }
    )
    if answer.entry.body:
        etag = hashlib.blake2b(answer.entry.body, digest_size=8).hexdigest()
        resp.etag = etag
        if any(tag in ("*", etag) for tag in req.if_none_match or ()):
            resp.status = falcon.HTTP_304


def cache_status(answer: Answer, left: int) -> str:
    """The Cache-Status header's value (RFC 9211, section 2)."""
    match answer.outcome:
        case Outcome.HIT:
            status = f"hit; ttl={left}"
        case Outcome.STALE:
            overdue = int(answer.age - answer.entry.ttl)
            status = f"hit; ttl=-{overdue}; detail=stale-if-error"
        case Outcome.BYPASS:
            status = "fwd=request; stored"
        case Outcome.MISS:
            status = "fwd=miss; stored"
    return f"{CACHE_NAME}; {status}{'; collapsed' if answer.coalesced else ''}"
