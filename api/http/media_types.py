"""The choice between media types."""

from collections.abc import Sequence

import falcon
from falcon import mediatypes


def preferred(req: falcon.Request, media_types: Sequence[str]) -> str:
    """Return the one of these that the client prefers; of equals, the first. Empty if none is.

    Falcon compares letter by letter, but media types are case-insensitive (RFC 9110, 8.3.1).
    """
    try:
        return mediatypes.best_match(media_types, req.accept.lower())
    except ValueError:  # the header is malformed
        return ""
