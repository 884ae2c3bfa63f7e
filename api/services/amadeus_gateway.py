"""Flight offers from Amadeus, through its official SDK.

The only module that imports `amadeus`; no type and no error of it leaves here.
"""

import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

import amadeus

from api.errors import AmadeusBadAnswer, UpstreamError
from api.logs import Event, get_logger
from api.models import PriceQuery
from api.services.deadline import Deadline, current_deadline
from api.services.rejections import PARAMETERS, error_of
from api.services.replies import refusal_from
from api.services.sdk_seam import SdkReply

# The order of Amadeus's list is not promised (FACTS section 2), so the first is not known to be
# the cheapest; its own limit is 250, of which each costs it time and us 1.1 kB.
MAX_OFFERS: Final = 50
_CURRENCY: Final = re.compile("[A-Z]{3}")
_AMOUNT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")

log = get_logger()


@dataclass(frozen=True, slots=True)
class Fare:
    """What an offer costs in all: an amount as Amadeus wrote it, and its currency."""

    amount: str
    currency: str


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
        except amadeus.ResponseError as exc:
            refusal = refusal_from(exc.response.status_code, exc.response.result)
            if refusal.is_no_offers:
                return None
            raise error_of(refusal, query) from None  # the SDK's error holds the token
        except Exception as exc:  # noqa: BLE001 - the SDK fails in more ways than it says
            # Where it happened, and not its message, which may quote a header.
            stack = "".join(traceback.format_tb(exc.__traceback__))
            log.error(Event.AMADEUS_CALL, error=type(exc).__name__, stack=stack)  # noqa: TRY400
            raise AmadeusBadAnswer("Amadeus's answer cannot be read.") from None
        finally:
            current_deadline.reset(under_way)
        return cheapest_fare(response.data, query.currency)


def _parameters(query: PriceQuery) -> dict[str, str | int]:
    """The query in Amadeus's words (FACTS section 2)."""
    given = query.model_dump(mode="json")
    # Amadeus takes nothing for none, and of True the SDK makes a word that Amadeus does not know.
    parameters = {theirs: given[ours] for theirs, ours in PARAMETERS.items() if given[ours]}
    if query.nonstop:
        parameters["nonStop"] = "true"
    return {**parameters, "max": MAX_OFFERS}


def cheapest_fare(offers: object, currency: str | None) -> Fare | None:
    """The lowest grand total among offers, compared as numbers; None if the list is empty.

    `currency`: the one that was asked for, if any. Amounts in several currencies cannot be
    compared: of a mixed list only those in the asked currency count, else in the first one's.
    Raises AmadeusBadAnswer where `offers` is no list, or holds no offer with a price.
    """
    if not isinstance(offers, list):
        raise AmadeusBadAnswer("Amadeus's answer holds no list of offers.")
    if not offers:
        return None
    fares = [fare for fare in map(_fare, offers) if fare is not None]
    if not fares:
        raise AmadeusBadAnswer("Amadeus's offers hold no price that can be read.")
    currencies = [fare.currency for fare in fares]
    common = currency if currency in currencies else currencies[0]
    comparable = (fare for fare in fares if fare.currency == common)
    return min(comparable, key=lambda fare: Decimal(fare.amount))


def _fare(offer: object) -> Fare | None:
    """The fare of one offer; None if it is missing or cannot be one."""
    price = offer.get("price") if isinstance(offer, dict) else None
    if not isinstance(price, dict):
        return None
    amount, currency = price.get("grandTotal"), price.get("currency")
    if not isinstance(amount, str) or not isinstance(currency, str):
        return None
    if not _CURRENCY.fullmatch(currency) or not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        return None
    return Fare(amount, currency)
