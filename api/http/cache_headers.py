"""The headers that tell where an answer came from and for how long it is good."""

import hashlib
from functools import lru_cache

import falcon

from api.services.cache.requests import Answer, Outcome

CACHE_NAME = "flight-price-api"


def set_cache_headers(req: falcon.Request, resp: falcon.Response, answer: Answer) -> None:
    """X-Cache, Cache-Status (RFC 9211), Age, Cache-Control and ETag; 304 where that matches."""
    left = max(0, int(answer.entry.ttl - answer.age))
    headers = {
        "X-Cache": answer.outcome.value,
        "Cache-Status": cache_status(answer, left),
        "Age": str(int(answer.age)),
        "Cache-Control": _cache_control(answer),
    }
    if answer.entry.body:
        set_etag(req, resp, answer.entry.body)
    resp.set_headers(headers)


def set_etag(req: falcon.Request, resp: falcon.Response, body: bytes) -> bool:
    """Name the body. True, with the status 304, if the client has it already."""
    resp.etag = etag = _etag_of(body)
    is_known = any(tag in ("*", etag) for tag in req.if_none_match or ())
    if is_known:
        resp.status = falcon.HTTP_304
    return is_known


@lru_cache(maxsize=4096)
def _etag_of(body: bytes) -> str:
    """The body's name, without quotes; the same in every worker."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def cache_status(answer: Answer, left: int) -> str:
    """The Cache-Status header's value (RFC 9211, section 2)."""
    match answer.outcome:
        case Outcome.HIT:
            status = f"hit; ttl={left}"
        case Outcome.STALE:
            status = f"hit; ttl={int(answer.entry.ttl - answer.age)}; detail=stale-if-error"
        case Outcome.BYPASS:
            status = f"fwd=request{_stored(answer)}"
        case Outcome.MISS:
            status = f"fwd=miss{_stored(answer)}"
    return f"{CACHE_NAME}; {status}{'; collapsed' if answer.coalesced else ''}"


def _cache_control(answer: Answer) -> str:
    match answer.outcome:
        case Outcome.BYPASS:
            return "no-store"
        case Outcome.STALE:
            return "max-age=0"  # for clients too that do not look at Age
        case _:  # all of its life; caches subtract Age from it (RFC 9111, section 4.2)
            return f"max-age={int(answer.entry.ttl)}"


def _stored(answer: Answer) -> str:
    return "; stored" if answer.entry.ttl > 0 else ""
