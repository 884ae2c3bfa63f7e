"""The upper limit: Falcon with a constant answer, without validation or Redis."""

from typing import Any

import falcon

_BODY = (
    b'{"data": {"origin": "JFK", "destination": "LAX", "departure_date": "2026-12-01",'
    b' "price": "250 USD"}}\n'
)


class Hello:
    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_JSON
        resp.data = _BODY


application: falcon.App[Any, Any] = falcon.App()
application.add_route("/flights/price", Hello())
