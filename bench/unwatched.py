"""The service without its metrics, to see what they cost. Only measurements start it."""

from collections import defaultdict
from typing import Any

from api import metrics
from api.services import prices
from api.services.stores import memory, redis_store
from api.wsgi import application

__all__ = ["application"]


class _Uncounted:
    def inc(self) -> None:
        pass


_uncounted: Any = defaultdict(_Uncounted)
metrics.request_served = lambda *_: None
prices._LOOKUPS = _uncounted  # type: ignore[misc] # noqa: SLF001
memory._READS = redis_store._READS = _uncounted  # type: ignore[misc] # noqa: SLF001
