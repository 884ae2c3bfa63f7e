"""The admin URLs: counters, faults, settings and revocation. They are disabled by default."""

from typing import Any

import falcon
import orjson

from protocol.tokens import REVOCATION_CODES, Tokens
from sandbox.answer import json_bytes
from sandbox.faults.fault_book import Fault, FaultBook
from sandbox.state.controls import Controls
from sandbox.state.counters import Counters

_FAULT_KEYS = frozenset({"leg", "fault", "arg", "count", "origin", "destination"})


class CountersResource:
    """`/admin/counters`."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Show all counters."""
        _send(resp, self._counters.snapshot())

    def on_delete(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Reset all counters to zero."""
        self._counters.clear()
        resp.status = falcon.HTTP_204


class FaultsResource:
    """`/admin/faults`."""

    def __init__(self, faults: FaultBook) -> None:
        self._faults = faults

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Show the active faults."""
        _send(resp, {"faults": [fault.as_json() for fault in self._faults.all()]})

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Add a fault. It replaces the one for the same endpoint and route."""
        wanted = _object(req)
        unknown = wanted.keys() - _FAULT_KEYS
        if unknown:
            raise ValueError(
                f"unknown field {min(unknown)!r}; the fields are: " + ", ".join(sorted(_FAULT_KEYS))
            )
        fault = Fault(
            leg=_text(wanted, "leg", required=True),
            name=_text(wanted, "fault", required=True),
            arg=_argument(wanted.get("arg")),
            count=wanted.get("count"),
            origin=_text(wanted, "origin"),
            destination=_text(wanted, "destination"),
        )
        self._faults.set(fault)
        _send(resp, fault.as_json())

    def on_delete(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Remove all faults."""
        self._faults.clear()
        resp.status = falcon.HTTP_204


class SettingsResource:
    """`/admin/settings`."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Show the current settings."""
        _send(resp, self._controls.as_json())

    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Change some settings."""
        self._controls.change(_object(req))
        _send(resp, self._controls.as_json())


class RevocationResource:
    """`/admin/tokens/revoke`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Revoke every token issued so far."""
        wanted = _object(req, empty={})
        code = wanted.get("code", 38193)
        if wanted.keys() - {"code"} or type(code) is not int or code not in REVOCATION_CODES:
            raise ValueError("the only field is code, which must be 38190, 38192 or 38193")
        self._tokens.revoke_all(code)
        resp.status = falcon.HTTP_204


def bad_admin_input(
    req: falcon.Request, resp: falcon.Response, error: Exception, _: dict[str, Any]
) -> None:
    """Answer 400 with the reason. Outside the admin URLs a ValueError is a bug of ours."""
    if not req.path.startswith("/admin/"):
        raise error
    resp.status = falcon.HTTP_400
    _send(resp, {"error": str(error)})


def add_admin_routes(
    app: "falcon.App[Any, Any]",
    controls: Controls,
    counters: Counters,
    faults: FaultBook,
    tokens: Tokens,
) -> None:
    """Add the admin URLs to an application."""
    app.add_route("/admin/counters", CountersResource(counters))
    app.add_route("/admin/faults", FaultsResource(faults))
    app.add_route("/admin/settings", SettingsResource(controls))
    app.add_route("/admin/tokens/revoke", RevocationResource(tokens))
    app.add_error_handler(ValueError, bad_admin_input)


def _object(req: falcon.Request, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    body = req.bounded_stream.read()
    if not body.strip() and empty is not None:
        return empty
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body must be JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - one kind of bad input
    return content


def _text(wanted: dict[str, Any], name: str, *, required: bool = False) -> Any:
    value = wanted.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(
            f"{name} must be a non-empty string" + (" and is required" if required else "")
        )
    return value


def _argument(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("arg must be a number or a string")  # noqa: TRY004 - one kind of bad input
    return str(value)


def _send(resp: falcon.Response, content: dict[str, Any]) -> None:
    resp.content_type = "application/json"
    resp.data = json_bytes(content)
