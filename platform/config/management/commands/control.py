"""Run the control plane: a Celery worker on queue `control`, with the schedule of periodic tasks inside it."""

import sys
from typing import Any

from celery.utils.nodenames import default_nodename, host_format
from django.core.management.base import BaseCommand

from config.celery_app import app
from config.control_worker import equip
from config.processes import die_with_parent
from sandbox.freed_memory import keep_freed_memory

THREADS = 8


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        keep_freed_memory()
        equip(app)
        worker = app.Worker(
            hostname=host_format(default_nodename("control@%h")),
            queues=["control"],
            pool="threads",
            concurrency=THREADS,
            loglevel="INFO",
            task_events=False,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        worker.start()
        sys.exit(worker.exitcode)
