"""Each provider with the same two offers, the cheaper one last."""

from collections.abc import Callable
from typing import Any

from tests.support.providers.duffel import Duffel, offer
from tests.support.providers.ignav import Ignav, itinerary

# Typed loosely, because the stand-ins record different things.
TWO_OFFERS: dict[str, Callable[[], Any]] = {
    "duffel": lambda: Duffel(offer("306.85"), offer("189.40")),
    "ignav": lambda: Ignav(itinerary(306.85), itinerary(189.40)),
}
