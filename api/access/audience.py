"""The audience of a resource."""

from enum import Enum, auto


class Audience(Enum):
    """Who may use a resource, and which rate limits apply.

    A resource names its audience in the attribute `audience`. The default is CLIENTS, so a new
    resource is protected unless it says otherwise.
    """

    CLIENTS = auto()
    """Needs one of API_KEYS, if any are set. Every request counts against the rate limits."""

    OPERATORS = auto()
    """Needs one of OPERATOR_KEYS, if any are set. Rejected requests count, too."""

    ANYBODY = auto()
    """Needs no key, and no limit applies."""


def audience_of(resource: object) -> Audience:
    """Return the audience of a resource; CLIENTS if it names none."""
    return getattr(resource, "audience", Audience.CLIENTS)
