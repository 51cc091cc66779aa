"""What the control plane's Celery worker carries besides its tasks: first content, the periodic schedule, a heartbeat."""

import logging
import time
from importlib import import_module
from typing import Any

import redis
from celery import Celery, bootsteps
from celery.beat import EmbeddedService, Scheduler
from django.conf import settings
from django.db import connection

from config.health import CONTROL_HEARTBEAT_KEY
from sandbox.serving.foundation import ensure_foundation_endpoints

SCHEDULED_MODULES = ("sandbox.serving.tasks", "sandbox.inference_tables.tasks", "sandbox.features.tasks", "quizzes.tasks")
"""Each has BEAT_SCHEDULE, entries in Celery's own form."""
SHORTEST_EXPIRY_S = 5.0


def equip(app: Celery) -> None:
    """Give the worker of `app` the merged schedule, the scheduler thread and the heartbeat."""
    app.conf.beat_schedule = merged_schedule()
    app.steps["consumer"].add(Beat)
    app.steps["consumer"].add(Heartbeat)
    for chatty in ("celery.beat", "celery.app.trace", "celery.worker.strategy"):  # lines for each tick, each second
        logging.getLogger(chatty).setLevel(logging.WARNING)


def merged_schedule() -> dict[str, dict[str, Any]]:
    """A tick that is still queued when the next one is due is dropped: ticks must not pile up behind a long build."""
    merged: dict[str, dict[str, Any]] = {}
    for module in SCHEDULED_MODULES:
        for name, entry in import_module(module).BEAT_SCHEDULE.items():
            merged[name] = {**entry, "options": {"expires": _expiry_s(entry["schedule"]), **entry.get("options", {})}}
    return merged


def _expiry_s(schedule: Any) -> float:
    interval_s = schedule if isinstance(schedule, int | float) else getattr(schedule, "seconds", SHORTEST_EXPIRY_S)
    return max(float(interval_s), SHORTEST_EXPIRY_S)


class Beat(bootsteps.StartStopStep):
    """The scheduler thread: starts with the first connection to the broker and survives reconnections.

    The preconfigured endpoints are made just before, here and not in `set_up`, because that needs the broker.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._service: Any = None

    def start(self, consumer: Any) -> None:
        if self._service is None:
            ensure_foundation_endpoints()
            connection.close()
            # the scheduler in memory: the schedule is code, there is no state to keep in a file
            self._service = EmbeddedService(consumer.app, thread=True, scheduler_cls=Scheduler)
            self._service.start()


class Heartbeat(bootsteps.StartStopStep):
    """Writes the time each second while the worker is connected and consuming (`config.health` reads it)."""

    requires = (Beat,)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        self._beat()
        self._timer = consumer.timer.call_repeatedly(1.0, self._beat)

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        try:
            self._redis.set(CONTROL_HEARTBEAT_KEY, f"{time.time():.3f}", ex=60)
        except redis.RedisError:
            return  # the missing heartbeat says it
