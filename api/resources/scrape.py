"""GET /metrics."""

from typing import Final

import falcon

from api.access.audience import Audience
from api.http.media_types import preferred
from api.telemetry.metrics import Metrics

OPEN_METRICS: Final = "application/openmetrics-text"


class MetricsResource:
    """The metrics of all workers of this instance, for Prometheus."""

    audience = Audience.OPERATORS

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        prefers = preferred(req, (falcon.MEDIA_TEXT, OPEN_METRICS))
        resp.data, resp.content_type = self._metrics.exposition(
            open_metrics=prefers == OPEN_METRICS
        )
        resp.set_headers({"Cache-Control": "no-store", "Vary": "Accept"})

    on_head = on_get
