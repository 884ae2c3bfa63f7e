"""Flight offers from Amadeus, through its official SDK.

Only this module imports `amadeus`. None of the SDK's types and errors leave it.
"""

import logging
import traceback
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import amadeus

from api.errors import AmadeusBadAnswer, UpstreamError
from api.models import FlightOffer, PriceQuery
from api.services.amadeus.sdk_adapter import SdkReply, SearchRejected
from api.services.amadeus.search_errors import PARAMETERS, to_domain_error
from api.services.cache.requests import FetchPostponed
from api.services.deadline import Deadline, Patience, Terms, current_terms
from api.services.fares import cheapest_offer
from api.services.offers import read_offer
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# The cheapest offer may not be the first (docs/amadeus.md, section "Flight offers search").
# Amadeus allows 250, but each one makes the answer slower and 1.1 kB larger.
MAX_OFFERS: Final = 50

log = get_logger()


class AmadeusGateway:
    """Finds the cheapest offer with the SDK. http: the SDK's `http` option; see `sdk_adapter`."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        http: Callable[[Request], SdkReply],
    ) -> None:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        uses_tls = parts.scheme == "https"
        sdk_logger = logging.getLogger("amadeus")
        # Pass every option: for a missing one, the SDK reads an AMADEUS_* variable.
        self._sdk = amadeus.Client(
            client_id=client_id,
            client_secret=client_secret,
            hostname="test",  # `host` overrides it, but an invalid value would raise KeyError
            host=f"[{host}]" if ":" in host else host,
            ssl=uses_tls,
            port=parts.port or (443 if uses_tls else 80),
            custom_app_id="",
            custom_app_version="",
            log_level="silent",
            logger=sdk_logger,
            http=http,
        )
        # Remove the SDK's own handler, which would print unformatted lines to stdout.
        sdk_logger.handlers.clear()

    def cheapest(
        self, query: PriceQuery, deadline: Deadline, patience: Patience | None
    ) -> FlightOffer | None:
        """Return the cheapest offer for a query; None if there are no offers.

        Raises UpstreamError, and FetchPostponed if it is patient and there is no room for it.
        """
        terms_set = current_terms.set(Terms(deadline, patience))
        try:
            response = self._sdk.shopping.flight_offers_search.get(**_parameters(query))
        except (UpstreamError, FetchPostponed):
            raise
        except SearchRejected as exc:
            if exc.error_reply.is_no_offers:
                return None
            raise to_domain_error(exc.error_reply, query) from None
        except Exception as exc:  # noqa: BLE001 - the SDK raises more than it documents
            # Log the stack without the message, which may quote a header.
            stack = "".join(traceback.format_tb(exc.__traceback__))
            log.error(Event.AMADEUS_CALL, error=type(exc).__name__, stack=stack)  # noqa: TRY400
            raise AmadeusBadAnswer("Amadeus's answer cannot be read.") from None
        finally:
            current_terms.reset(terms_set)
        cheapest = cheapest_offer(response.data, query.currency)
        if cheapest is None:
            return None
        return read_offer(query, *cheapest, response.result.get("dictionaries"))


def _parameters(query: PriceQuery) -> dict[str, str | int]:
    """Return the query with Amadeus's names (docs/amadeus.md, section "Flight offers search")."""
    given = query.model_dump(mode="json")
    # Omit zero counts. Send "true" as text: Amadeus rejects "True", which the SDK makes of True.
    parameters = {theirs: given[ours] for theirs, ours in PARAMETERS.items() if given[ours]}
    if query.nonstop:
        parameters["nonStop"] = "true"
    return {**parameters, "max": MAX_OFFERS}
