"""Access for web pages of other origins (the CORS protocol of the Fetch standard)."""

from typing import Any, Final

import falcon

# Headers that a page may read in addition to the CORS-safelisted ones.
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
    "X-Upstream-Calls",
)


class VaryOnOrigin:
    """Middleware that adds `Vary: Origin` to every answer, because CORS headers depend on it."""

    def process_response(
        self, _req: falcon.Request, resp: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        resp.append_header("Vary", "Origin")


def cors(origins: str | None) -> list[falcon.CORSMiddleware[Any, Any] | VaryOnOrigin]:
    """Return the middleware for origins separated by commas, or for any origin (`*`)."""
    if origins is None:
        return []
    if origins == "*":
        return [falcon.CORSMiddleware("*", EXPOSED_HEADERS)]
    return [falcon.CORSMiddleware(origins.split(","), EXPOSED_HEADERS), VaryOnOrigin()]
