"""Runs a sandbox server for a test, and calls its admin URLs."""

import json
import urllib.request
from typing import Any

from tests.support.servers.command import PATIENCE, CommandServer


class SandboxServer(CommandServer):
    """`python -m sandbox` on a free local port while the `with` lasts.

    `options` are passed on the command line.
    """

    def __init__(self, *options: str, admin: bool = True) -> None:
        super().__init__("sandbox", *(["--admin"] if admin else []), *options)

    def fault(
        self,
        leg: str,
        name: str,
        arg: float | str | None = None,
        count: int | None = None,
        **route: str,
    ) -> None:
        """Play this fault on the next `count` requests of the leg, or until changed.

        `route` may be `origin` and `destination`.
        """
        wanted = {"leg": leg, "fault": name, "arg": arg, "count": count, **route}
        self.admin("PUT", "faults", wanted)

    def clear(self) -> None:
        """Remove all faults, and reset the counters."""
        self.admin("DELETE", "faults")
        self.admin("DELETE", "counters")

    def calls(self, leg: str) -> int:
        """The number of calls of a leg since the counters were reset."""
        count: int = self.counters()[leg]["calls"]
        return count

    def counters(self) -> dict[str, Any]:
        """The counters since the last `clear`."""
        counters: dict[str, Any] = self.admin("GET", "counters")
        return counters

    def settings(self, **wanted: Any) -> dict[str, Any]:
        """Change some settings: token_life, rate_limit, quota, latency."""
        settings: dict[str, Any] = self.admin("PUT", "settings", wanted)
        return settings

    def revoke_tokens(self, code: int | None = None) -> None:
        """Refuse all tokens issued so far, with this code."""
        self.admin("POST", "tokens/revoke", {} if code is None else {"code": code})

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the admin URLs. Raises urllib.error.HTTPError if it is refused."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/admin/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # Ignore proxies in the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE) as answer:
            content = answer.read()
        return json.loads(content) if content else None
