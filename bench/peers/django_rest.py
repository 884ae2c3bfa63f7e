"""The same answer with Django REST framework and django-redis, in one file."""

import datetime as dt
import os

import django
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path


class Raw:
    """A serializer that changes nothing, because Redis holds complete bodies."""

    def __init__(self, options: object) -> None:
        pass

    def dumps(self, value: bytes) -> bytes:
        return value

    def loads(self, value: bytes) -> bytes:
        return value


def bare_key(key: str, _prefix: str, _version: int) -> str:
    return key


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": os.environ["REDIS_URL"],
            "KEY_FUNCTION": f"{__name__}.bare_key",
            "OPTIONS": {"SERIALIZER": f"{__name__}.Raw"},
        }
    },
)
django.setup()

from rest_framework import serializers  # noqa: E402 - needs the settings
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Query(serializers.Serializer):
    origin = serializers.RegexField("^[A-Za-z]{3}$")
    destination = serializers.RegexField("^[A-Za-z]{3}$")
    date = serializers.DateField()

    def validate_date(self, value: dt.date) -> dt.date:
        if value < dt.datetime.now(dt.UTC).date():
            raise serializers.ValidationError("is in the past")
        return value


class Price(APIView):
    def get(self, request: Request) -> HttpResponse | Response:
        query = Query(data=request.query_params)
        query.is_valid(raise_exception=True)
        data = query.validated_data
        origin, destination = data["origin"].upper(), data["destination"].upper()
        body = cache.get(f"{origin}|{destination}|{data['date']}")
        if body is None:
            return Response({"detail": "no offers"}, status=404)
        return HttpResponse(body, content_type="application/json")


urlpatterns = [path("flights/price", Price.as_view())]
application = WSGIHandler()
