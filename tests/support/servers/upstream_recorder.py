"""An upstream that issues a token, finds no offers, and records its requests."""

import json
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

TOKEN = {"access_token": "a-token", "expires_in": 1799}


class UpstreamRecorder:
    """Listens on a free local port while the `with` lasts."""

    def __init__(self) -> None:
        self._requests: list[tuple[str, Message]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({"data": []})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(TOKEN)

            def _answer(self, document: object) -> None:
                recorder._requests.append((urlsplit(self.path).path, self.headers))
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever).start()
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def headers_of(self, path: str) -> list[Message]:
        """The headers of each request for a path."""
        return [headers for requested, headers in self._requests if requested == path]
