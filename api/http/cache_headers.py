"""Headers that say where an answer came from and how long it is fresh."""

import hashlib
from functools import lru_cache

import falcon

from api.services.cache.requests import CacheResult, Outcome

CACHE_NAME = "flight-price-api"


def set_cache_headers(
    resp: falcon.Response, result: CacheResult, max_age: int | None = None
) -> None:
    """Set X-Cache, Cache-Status (RFC 9211), Age and Cache-Control.

    max_age: seconds that the answer may be old, if the client said so.
    """
    left = int(result.entry.ttl - result.age)
    headers = {
        "X-Cache": result.outcome.value,
        "Cache-Status": cache_status(result, left),
        "Age": str(int(result.age)),
        "Cache-Control": _cache_control(result, max_age),
    }
    resp.set_headers(headers)


def set_etag(req: falcon.Request, resp: falcon.Response, body: bytes) -> bool:
    """Set the ETag. If the client has this body already, set the status 304 and return True."""
    resp.etag = etag = _etag_of(body)
    is_unchanged = any(tag in ("*", etag) for tag in req.if_none_match or ())
    if is_unchanged:
        resp.status = falcon.HTTP_304
    return is_unchanged


@lru_cache(maxsize=4096)
def _etag_of(body: bytes) -> str:
    """Return the ETag without quotes; it is the same in every worker."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def cache_status(result: CacheResult, left: int) -> str:
    """Return the value of Cache-Status (RFC 9211, section 2).

    left: seconds of the TTL left, below zero for an older answer.
    """
    match result.outcome:
        case Outcome.HIT:
            status = f"hit; ttl={left}"
        case Outcome.STALE:
            status = f"hit; ttl={left}; detail=stale-if-error"
        case Outcome.BYPASS:
            status = f"fwd=request{_stored(result)}"
        case Outcome.MISS:
            status = f"fwd=miss{_stored(result)}"
    return f"{CACHE_NAME}; {status}{'; collapsed' if result.coalesced else ''}"


def _cache_control(result: CacheResult, max_age: int | None) -> str:
    if max_age:
        # "No offers" is served for its TTL only.
        return f"max-age={max_age if result.entry.body else min(max_age, int(result.entry.ttl))}"
    match result.outcome:
        case Outcome.BYPASS:
            return "no-store"
        case Outcome.STALE:
            return "max-age=0"  # some clients ignore Age
        case Outcome.HIT if result.age >= result.entry.ttl:  # known, but no longer fresh
            return "max-age=0"
        case _:  # the whole TTL, from which caches subtract Age (RFC 9111, section 4.2)
            return f"max-age={int(result.entry.ttl)}"


def _stored(result: CacheResult) -> str:
    return "; stored" if result.entry.ttl > 0 else ""
