"""The query for a calendar: the cheapest prices of many days."""

import calendar
import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from api.models.fields import (
    MAX_DAYS_AHEAD,
    Day,
    Month,
    Nights,
    Switch,
    bookable_days,
    reject,
)
from api.models.queries import CacheOptions, Party, PriceQuery, Route, is_given

MAX_DAYS: Final = 31
_A_MONTH: Final = "give month, or from and to"


class Period(Route):
    """The days of departure: a month, or from one day to another."""

    from_: Day | None = Field(
        default=None,
        alias="from",
        description="first departure date, YYYY-MM-DD; with to, instead of month",
    )
    to: Day | None = Field(
        default=None,
        validate_default=True,
        description=f"last departure date, YYYY-MM-DD; at most {MAX_DAYS} days in all",
    )
    month: Month | None = Field(
        default=None,
        validate_default=True,
        description="month of departure, YYYY-MM; required without from and to",
    )
    nights: Nights | None = Field(
        default=None,
        description="round trips that return so many days later; leave it out for one-way trips",
        examples=[7],
    )

    @field_validator("from_")
    @classmethod
    def _begins_in_time(cls, value: dt.date | None) -> dt.date | None:
        if value is not None:
            _reject_far(value)
        return value

    @field_validator("to")
    @classmethod
    def _ends_a_period(cls, value: dt.date | None, info: ValidationInfo) -> dt.date | None:
        if value is None:
            if is_given(info.data, "from_"):
                reject("is required with from")
            return None
        if not is_given(info.data, "from_"):
            reject("must be given with from")
        first: dt.date | None = info.data.get("from_")
        if first is not None and value < first:
            reject(f"must not be before from ({first})")
        latest = None if first is None else first + dt.timedelta(days=MAX_DAYS - 1)
        if latest is not None and value > latest:
            reject(f"must not be after {latest}, because a calendar has at most {MAX_DAYS} days")
        _reject_past(value)
        return value

    @field_validator("month")
    @classmethod
    def _is_a_period(cls, value: dt.date | None, info: ValidationInfo) -> dt.date | None:
        others = is_given(info.data, "from_") or is_given(info.data, "to")
        if value is None:
            return None if others else reject("is required, or from and to")
        if others:
            reject("must not be given with from or to")
        _reject_far(value)
        _reject_past(_last_of(value))
        return value

    @field_validator("nights")
    @classmethod
    def _leaves_days(cls, value: int | None, info: ValidationInfo) -> int | None:
        if {"from_", "to", "month"} <= info.data.keys() and not _departures(info.data, value):
            reject(f"leaves no day whose return is at most {MAX_DAYS_AHEAD} days ahead")
        return value

    @property
    def departures(self) -> list[dt.date]:
        """The days that can be booked. Days that are over, or too far ahead, are left out."""
        return _departures(self.__dict__, self.nights)


class _Known(BaseModel):
    known: Switch


# The fields of the last base come first, so `known` is validated before `max_age` here.
class CalendarRequest(CacheOptions, _Known, Party, Period):
    """A query for a calendar. Validation needs CACHE_TTL as `ttl` in its context."""

    # Parameters of a price that a calendar refuses, with the reason.
    refused: ClassVar[Mapping[str, str]] = {
        "date": f"is for one day; {_A_MONTH}",
        "return_date": "is for one day; give nights",
        "nocache": "is for the price of one day; a calendar fetches no known day again",
    }

    @field_validator("max_age")
    @classmethod
    def _fetches_no_fresh_day(cls, value: int | None, info: ValidationInfo) -> int | None:
        is_known, ttl = info.data.get("known", True), (info.context or {})["ttl"]
        if is_known and value == 0:
            reject("must not be 0 with known, because a known price has an age")
        if not is_known and value is not None and value < ttl:
            reject(f"must be at least {ttl}, because less would fetch every day again")
        return value

    def queries(self) -> list[PriceQuery]:
        """Return the query for the price of each day. The days are bookable, so they are valid."""
        shared = {name: getattr(self, name) for name in (*Route.model_fields, *Party.model_fields)}
        nights = None if self.nights is None else dt.timedelta(days=self.nights)
        return [
            PriceQuery.model_construct(
                date=day, return_date=None if nights is None else day + nights, **shared
            )
            for day in self.departures
        ]


def _departures(values: Mapping[str, Any], nights: int | None) -> list[dt.date]:
    if values["month"] is None:
        first, last = values["from_"], values["to"]
    else:
        first, last = values["month"], _last_of(values["month"])
    earliest, latest = bookable_days()
    first, last = max(first, earliest), min(last, latest - dt.timedelta(days=nights or 0))
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def _last_of(month: dt.date) -> dt.date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def _reject_past(last: dt.date) -> None:
    earliest, _ = bookable_days()
    if last < earliest:
        reject(f"is in the past; the earliest date is {earliest}")


def _reject_far(first: dt.date) -> None:
    _, latest = bookable_days()
    if first > latest:
        reject(f"is more than {MAX_DAYS_AHEAD} days ahead; the latest date is {latest}")
