"""Flight offers from Amadeus, through its official SDK.

The only module that imports `amadeus`; no type and no error of it leaves here.
"""

import logging
import traceback
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import amadeus

from api.errors import AmadeusBadAnswer, UpstreamError
from api.models import PriceQuery
from api.services.amadeus.sdk_adapter import SdkReply, SearchRefused
from api.services.amadeus.search_errors import PARAMETERS, to_domain_error
from api.services.deadline import Deadline, current_deadline
from api.services.fares import Fare, cheapest_fare
from api.telemetry.events import Event
from api.telemetry.logs import get_logger

# Amadeus promises no order (docs/amadeus.md, section "Flight offers search"), so the first offer
# is not known to be the cheapest. Its limit is 250; each offer costs it time, and us 1.1 kB.
MAX_OFFERS: Final = 50

log = get_logger()


class AmadeusGateway:
    """Asks Amadeus for the cheapest fare."""

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
        # Every option is passed, since for one that is not the SDK reads AMADEUS_* by itself.
        self._sdk = amadeus.Client(
            client_id=client_id,
            client_secret=client_secret,
            hostname="test",  # has no effect beside `host`, but a bad value would raise KeyError
            host=f"[{host}]" if ":" in host else host,
            ssl=uses_tls,
            port=parts.port or (443 if uses_tls else 80),
            custom_app_id="",
            custom_app_version="",
            log_level="silent",
            logger=sdk_logger,
            http=http,
        )
        # The SDK installs a handler that would print to stdout, past our own lines.
        sdk_logger.handlers.clear()

    def cheapest(self, query: PriceQuery, deadline: Deadline) -> Fare | None:
        """The lowest fare among the offers for a query; None if there are no offers.

        Raises UpstreamError.
        """
        under_way = current_deadline.set(deadline)
        try:
            response = self._sdk.shopping.flight_offers_search.get(**_parameters(query))
        except UpstreamError:
            raise
        except SearchRefused as exc:
            if exc.error_reply.is_no_offers:
                return None
            raise to_domain_error(exc.error_reply, query) from None
        except Exception as exc:  # noqa: BLE001 - the SDK fails in more ways than it says
            # Where it happened, and not its message, which may quote a header.
            stack = "".join(traceback.format_tb(exc.__traceback__))
            log.error(Event.AMADEUS_CALL, error=type(exc).__name__, stack=stack)  # noqa: TRY400
            raise AmadeusBadAnswer("Amadeus's answer cannot be read.") from None
        finally:
            current_deadline.reset(under_way)
        return cheapest_fare(response.data, query.currency)


def _parameters(query: PriceQuery) -> dict[str, str | int]:
    """The query in Amadeus's words (docs/amadeus.md, section "Flight offers search")."""
    given = query.model_dump(mode="json")
    # Amadeus takes nothing for none, and of True the SDK makes a word that Amadeus does not know.
    parameters = {theirs: given[ours] for theirs, ours in PARAMETERS.items() if given[ours]}
    if query.nonstop:
        parameters["nonStop"] = "true"
    return {**parameters, "max": MAX_OFFERS}
