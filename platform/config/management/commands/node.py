"""`manage.py node`: starts and watches replicas on this host."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from sandbox import key_file


class Command(BaseCommand):
    help = "Run the node of this host: it starts, watches and stops replicas."

    def handle(self, *args: Any, **options: Any) -> None:
        environment = {
            "REDIS_URL": settings.REDIS_URL,
            "NODE_NAME": settings.NODE_NAME,
            "NODE_MEMORY_MB": str(settings.NODE_MEMORY_MB or ""),
            "SANDBOX_KEY_FILE": str(settings.SECRETS_DIR / key_file.NAME),
            "MODEL_DIR": str(settings.MODEL_DIR),
            "PYFUNC_SOCKET": str(settings.RUN_DIR / f"pyfunc-{settings.NODE_NAME}.sock"),
            "PYTHONPATH": str(settings.ROOT),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        os.chdir(settings.ROOT)
        # a fresh interpreter: replicas are forked from this one and are to stay free of Django
        os.execve(sys.executable, [sys.executable, "-m", "sandbox.replicas.node"], {**os.environ, **environment})  # noqa: S606 - no shell is wanted
