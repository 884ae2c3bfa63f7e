"""What the stand-ins for providers share: answers that a test has ordered."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import falcon
import httpx2


class StandIn:
    """A provider as a WSGI application, `app`.

    failures: for each leg the answers to give first, each made from the response.
    """

    name: str

    def __init__(self) -> None:
        self.app: falcon.App[Any, Any] = falcon.App()
        self.failures: defaultdict[str, list[Callable[[falcon.Response], None]]]
        self.failures = defaultdict(list)

    @property
    def connections(self) -> httpx2.BaseTransport:
        """A transport that reaches it without a socket."""
        return httpx2.WSGITransport(app=self.app)

    def environment(self, url: str) -> dict[str, str]:
        """The variables that point a bridge at it, if it serves at this URL."""
        raise NotImplementedError

    def fail(self, leg: str, status: int, body: object = None, **headers: str) -> None:
        """Answer the next request of a leg with this status and body."""

        def answer(resp: falcon.Response) -> None:
            resp.status = status
            resp.text = body if isinstance(body, str) else json.dumps(body)
            for name, value in headers.items():
                resp.set_header(name.replace("_", "-"), value)

        self.failures[leg].append(answer)

    def failed(self, leg: str, resp: falcon.Response) -> bool:
        """Give the next ordered answer of a leg, if there is one."""
        if self.failures[leg]:
            self.failures[leg].pop(0)(resp)
            return True
        return False
