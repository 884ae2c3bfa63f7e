"""Who a resource is for."""

from enum import Enum, auto


class Audience(Enum):
    """Who may ask a resource, and which limits its requests count against.

    A resource names its audience in the attribute `audience`. One without it is for CLIENTS, so a
    new resource is protected unless it says otherwise.
    """

    CLIENTS = auto()
    """API_KEYS; every request counts against CLIENT_RATE_LIMIT and NOCACHE_RATE_LIMIT."""

    OPERATORS = auto()
    """OPERATOR_KEYS; refused requests count against CLIENT_RATE_LIMIT."""

    ANYBODY = auto()
    """No key, and no limit."""


def audience_of(resource: object) -> Audience:
    """Return the audience that a resource names, or CLIENTS."""
    return getattr(resource, "audience", Audience.CLIENTS)
