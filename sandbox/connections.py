"""The one place that opens Redis connections for Django processes."""

from functools import cache
from typing import Any

import redis
from django.conf import settings


@cache
def redis_client() -> Any:
    """A thread-safe client of the site's Redis (values are bytes)."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=5)
