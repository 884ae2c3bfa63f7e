"""Which pages of other origins may read the answers (the Fetch standard's CORS protocol)."""

from typing import Any, Final

import falcon

# What a page may read beside the headers that every page may.
EXPOSED_HEADERS: Final = (
    "Age",
    "Cache-Status",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Amadeus-Environment",
    "X-Cache",
    "X-Request-ID",
)


class VaryOnOrigin:
    """Tells caches that the answer differs from origin to origin, whoever asks."""

    def process_response(
        self, _req: falcon.Request, resp: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        resp.append_header("Vary", "Origin")


def cors(origins: str | None) -> list[falcon.CORSMiddleware[Any, Any] | VaryOnOrigin]:
    """The middleware for these origins, separated by commas: any for `*`; none costs nothing."""
    if origins is None:
        return []
    if origins == "*":
        return [falcon.CORSMiddleware("*", EXPOSED_HEADERS)]
    return [falcon.CORSMiddleware(origins.split(","), EXPOSED_HEADERS), VaryOnOrigin()]
