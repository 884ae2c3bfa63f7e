"""Connections to an upstream through httpx2, such as to a server in this process."""

import httpcore2
import httpx2


class Httpx2Connections:
    """Implements `Connections` on a transport of httpx2."""

    def __init__(self, transport: httpx2.BaseTransport) -> None:
        self._transport = transport

    def handle_request(self, request: httpcore2.Request) -> httpcore2.Response:
        url, content = request.url, b"".join(request.stream)  # type: ignore[arg-type]
        response = self._transport.handle_request(
            httpx2.Request(
                request.method.decode(),
                bytes(url).decode(),
                headers=request.headers,
                content=content,
            )
        )
        return httpcore2.Response(
            response.status_code, headers=response.headers.raw, content=response.iter_raw()
        )

    def close(self) -> None:
        self._transport.close()
