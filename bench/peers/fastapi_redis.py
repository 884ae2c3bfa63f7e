"""The same answer with FastAPI and redis.asyncio."""

import datetime as dt
import os
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Response
from redis import asyncio as redis

Code = Annotated[str, Query(pattern="^[A-Za-z]{3}$")]

application = FastAPI()
store = redis.Redis.from_url(os.environ["REDIS_URL"])


@application.get("/flights/price")
async def price(origin: Code, destination: Code, date: dt.date) -> Response:
    if date < dt.datetime.now(dt.UTC).date():
        raise HTTPException(400, "date is in the past")
    body = await store.get(f"{origin.upper()}|{destination.upper()}|{date}")
    if body is None:
        raise HTTPException(404, "no offers")
    return Response(body, media_type="application/json")
