"""GET /metrics."""

import falcon

from api import metrics


class MetricsResource:
    """What Prometheus scrapes: the metrics of all workers of this instance."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data, resp.content_type = metrics.exposition(req.get_header("Accept") or "")
        resp.set_headers({"Cache-Control": "no-store", "Vary": "Accept"})

    on_head = on_get
