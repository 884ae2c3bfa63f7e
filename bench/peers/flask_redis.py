"""The same answer with Flask and redis-py."""

import datetime as dt
import os
import re

import redis
from flask import Flask, Response, request

CODE = re.compile("[A-Za-z]{3}")

application = Flask(__name__)
store = redis.Redis.from_url(os.environ["REDIS_URL"])


@application.get("/flights/price")
def price() -> Response:
    origin = request.args.get("origin", "")
    destination = request.args.get("destination", "")
    if not CODE.fullmatch(origin) or not CODE.fullmatch(destination):
        return Response("origin and destination must be three letters", status=400)
    try:
        date = dt.date.fromisoformat(request.args.get("date", ""))
    except ValueError:
        return Response("date must be YYYY-MM-DD", status=400)
    if date < dt.datetime.now(dt.UTC).date():
        return Response("date is in the past", status=400)
    body = store.get(f"{origin.upper()}|{destination.upper()}|{date}")
    if body is None:
        return Response("no offers", status=404)
    return Response(body, mimetype="application/json")
