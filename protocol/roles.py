"""The two parts that a server adds: its operator and its source of offers."""

from typing import Any, NamedTuple, Protocol

from protocol.request.search import Search


class Operator(Protocol):
    """What the operator of a server controls: who gets a token, and who may search."""

    name: str
    """The name of the application that tokens show."""
    token_life: int
    """In seconds."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def accepts(self, client_id: str, client_secret: str) -> bool:
        """Return whether these credentials get a token."""

    def admit(self, client_id: str) -> None:
        """Count one search of a client with a valid token.

        Raises AmadeusError 38194 or 38195 if it exceeds a limit.
        """


class Found(NamedTuple):
    """What a search has found: offers, and the dictionaries that explain their codes."""

    offers: list[dict[str, Any]]
    dictionaries: dict[str, Any]
    """Left out of the answer if there are no offers."""


class OfferSource(Protocol):
    """Finds offers."""

    def find(self, search: Search) -> Found:
        """Return the offers for a search.

        Raises AmadeusError or InvalidSearch, which become the answer.
        """
