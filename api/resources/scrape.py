"""GET /metrics."""

from typing import Final

import falcon

from api.access.audience import Audience
from api.telemetry import metrics

OPEN_METRICS: Final = "application/openmetrics-text"


class MetricsResource:
    """The metrics of all workers of this instance, for Prometheus."""

    audience = Audience.OPERATORS

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        prefers = req.client_prefers((falcon.MEDIA_TEXT, OPEN_METRICS))
        resp.data, resp.content_type = metrics.exposition(open_metrics=prefers == OPEN_METRICS)
        resp.set_headers({"Cache-Control": "no-store", "Vary": "Accept"})

    on_head = on_get
