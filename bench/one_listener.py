"""A worker that accepts up to sixteen connections at once, and does not share them with others."""

from functools import partial
from typing import Any

from gevent.server import StreamServer

from api.serving.worker import Worker


class SixteenATurn(Worker):
    """The service's worker without its sharing of connections."""

    def _server(self, listener: Any) -> StreamServer:
        handle = partial(self.handle, listener)
        server = StreamServer(listener, handle=handle, spawn=self.connections)
        server.max_accept = 16
        return server
