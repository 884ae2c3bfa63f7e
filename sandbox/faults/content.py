"""Faults in the content of an answer: its status, media type, encoding or JSON.

Each fault is a function that takes the correct answer and the fault's argument, and returns the
faulty answer. So these faults work over any transport, and in process. If the argument is `STATUS`,
`STATUS:CODE` or `STATUS:CODE:SECONDS`, the fault changes the documented error of that status
instead; the seconds become its `Retry-After`.
"""

import gzip
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from sandbox.answer import Answer, json_bytes
from sandbox.documented import Leg, documented_answer

BodyFault = Callable[[Leg, Answer, str | None], Answer]

_PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>"
    b"<body><h1>The service is temporarily unavailable</h1></body></html>\n"
)
_DEPTH = 100_000
_HUGE = 50_000_000


def base_answer(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    """Return the answer to change: the correct one, or the documented one for status `arg`."""
    if not arg:
        return answer
    status, *rest = arg.split(":")
    if int(status) < 400:  # noqa: PLR2004 - an HTTP status
        return replace(answer, status=int(status))
    return documented_answer(leg, int(status), *(int(part) if part else None for part in rest))


def _with_body(make: Callable[[bytes], bytes], **headers: str) -> BodyFault:
    """Return a fault that changes the bytes of the body and sets headers."""

    def play(leg: Leg, answer: Answer, arg: str | None) -> Answer:
        base = base_answer(leg, answer, arg)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(base.status, base.headers | named, make(base.body))

    return play


def _constant(value: object) -> BodyFault:
    """Return a fault that replaces the body with a JSON value."""
    return _with_body(lambda _: json_bytes(value))


def _status(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    return base_answer(leg, answer, arg)


def _no_content(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    return Answer(204)


def _content_type(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    return replace(answer, headers=answer.headers | {"Content-Type": arg or "application/hal+json"})


def _charset(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    base = base_answer(leg, answer, arg)
    kind = base.headers.get("Content-Type", "application/json")
    return replace(base, headers=base.headers | {"Content-Type": f"{kind}; charset=utf-8"})


def _no_content_type(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    base = base_answer(leg, answer, arg)
    return replace(
        base, headers={k: v for k, v in base.headers.items() if k.lower() != "content-type"}
    )


def _redirect(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    """Redirect to `[STATUS:]LOCATION`. Without it, omit the header, as some gateways do."""
    status, found, location = (arg or "").partition(":")
    if not (found and status.isdigit()):
        status, location = "302", arg or ""
    headers = {"Location": location} if location else {}
    return Answer(int(status), {"Content-Type": "text/html"} | headers, _PAGE)


def _huge(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    """Append spaces. The body remains valid JSON for a reader without a size limit."""
    return replace(answer, padding=int(float(arg or _HUGE)))


BODY_FAULTS: dict[str, BodyFault] = {
    "status": _status,
    "204": _no_content,
    "redirect": _redirect,
    "content_type": _content_type,
    "charset": _charset,
    "no_content_type": _no_content_type,
    "gzip": _with_body(gzip.compress, Content_Encoding="gzip"),
    "latin1": _with_body(lambda body: body[:-1] + ',"note":"caf\xe9"}'.encode("latin-1")),
    "bom": _with_body(lambda body: b"\xef\xbb\xbf" + body),
    "invalid_json": _with_body(lambda body: body[:-1]),
    "html": _with_body(lambda _: _PAGE, Content_Type="text/html"),
    "empty": _with_body(lambda _: b""),
    "null": _constant(None),
    "list": _constant([]),
    "string": _constant("text"),
    "empty_object": _constant({}),
    "deep": _with_body(lambda _: b'{"data":' + b"[" * _DEPTH + b"]" * _DEPTH + b"}"),
    "huge": _huge,
}


def _errors(change: Callable[[dict[str, Any]], dict[str, Any]]) -> BodyFault:
    """Return a fault in the list `errors`; the default status is 400."""

    def play(leg: Leg, answer: Answer, arg: str | None) -> Answer:
        base = base_answer(leg, answer, arg or "400")
        item = {
            "status": base.status,
            "code": 477,
            "title": "INVALID FORMAT",
            "detail": "invalid query parameter format",
            "source": {"parameter": "departureDate"},
        }
        return replace(base, body=json_bytes(change(item)))

    return play


def _string_codes(leg: Leg, answer: Answer, arg: str | None) -> Answer:
    """Write `status` and `code` as strings, as some gateways in front of Amadeus do."""
    base = base_answer(leg, answer, arg or "429")
    content = orjson.loads(base.body)
    for item in content.get("errors", [content]):
        item |= {name: str(item[name]) for name in ("status", "code") if name in item}
    return replace(base, body=json_bytes(content))


BODY_FAULTS |= {
    "string_codes": _string_codes,
    "errors_null": _errors(lambda _: {"errors": None}),
    "errors_dict": _errors(lambda item: {"errors": {"code": item["code"], "title": "x"}}),
    "source_null": _errors(lambda item: {"errors": [item | {"source": None}]}),
    "detail_int": _errors(lambda item: {"errors": [item | {"detail": 42}]}),
    "detail_null": _errors(lambda item: {"errors": [item | {"detail": None}]}),
    "two_errors": _errors(
        lambda item: {"errors": [item, item | {"code": 32171, "title": "MANDATORY DATA MISSING"}]}
    ),
}


def _offers(change: Callable[[list[dict[str, Any]], str | None], None]) -> BodyFault:
    """Return a fault in the list of offers. It does not change an error."""

    def play(leg: Leg, answer: Answer, arg: str | None) -> Answer:
        if not answer.ok:
            return answer
        content = orjson.loads(answer.body)
        change(content["data"], arg)
        return replace(answer, body=json_bytes(content))

    return play


def _select(offers: list[dict[str, Any]], arg: str | None) -> tuple[list[dict[str, Any]], str]:
    """Return the offers to change and the rest of the argument.

    These are all offers, or only the first one if the argument is `first` or `first:…`.
    """
    which, _, rest = (arg or "").partition(":")
    return (offers[:1], rest) if which == "first" else (offers, arg or "")


def _missing_price(offers: list[dict[str, Any]], arg: str | None) -> None:
    for offer in _select(offers, arg)[0]:
        del offer["price"]


def _odd_price(offers: list[dict[str, Any]], arg: str | None) -> None:
    selected, price = _select(offers, "abc" if arg is None else arg)
    for offer in selected:
        offer["price"]["grandTotal"] = offer["price"]["total"] = price


def _mixed_currency(offers: list[dict[str, Any]], arg: str | None) -> None:
    for offer in offers[1::2]:
        mixed = "USD" if offer["price"]["currency"] != "USD" else "EUR"
        for price in [offer["price"], *(t["price"] for t in offer["travelerPricings"])]:
            price["currency"] = mixed


def _unsorted(offers: list[dict[str, Any]], arg: str | None) -> None:
    offers.reverse()


OFFER_FAULTS: dict[str, BodyFault] = {
    "no_data": _constant({"meta": {"count": 0}}),
    "null_data": _constant({"meta": {"count": 0}, "data": None}),
    "empty_list": _constant({"meta": {"count": 0}, "data": []}),
    "data_and_errors": _constant({"data": [], "errors": [{"status": 200, "code": 141}]}),
    "nan": _with_body(lambda _: b'{"data":[NaN]}'),
    "missing_price": _offers(_missing_price),
    "odd_price": _offers(_odd_price),
    "mixed_currency": _offers(_mixed_currency),
    "unsorted": _offers(_unsorted),
}


def _token(change: Callable[[dict[str, Any], str | None], None]) -> BodyFault:
    """Return a fault in the token's JSON. It does not change an error."""

    def play(leg: Leg, answer: Answer, arg: str | None) -> Answer:
        if not answer.ok:
            return answer
        content = orjson.loads(answer.body)
        change(content, arg)
        return replace(answer, body=json_bytes(content))

    return play


TOKEN_FAULTS: dict[str, BodyFault] = {
    "no_access_token": _token(lambda token, _: token.pop("access_token")),
    "no_expires_in": _token(lambda token, _: token.pop("expires_in")),
    "null_expires_in": _token(lambda token, _: token.update(expires_in=None)),
    "string_expires_in": _token(lambda token, _: token.update(expires_in="1799")),
    "tiny_expires_in": _token(lambda token, arg: token.update(expires_in=int(float(arg or 5)))),
    "newline_token": _token(lambda token, _: token.update({"access_token": "a\r\nX: y"})),
    "state_expired": _token(lambda token, _: token.update(state="expired")),
}
