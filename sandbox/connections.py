"""The one place that opens Redis connections for Django processes."""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def redis_client() -> Any:
    """A thread-safe client of the site's Redis (values are bytes). It tries once more, at once, when a connection broke."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=5, retry=Retry(NoBackoff(), 1))
