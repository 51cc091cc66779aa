"""Run the simulator of an external provider (OpenAI's wire format) on a UNIX socket that only this user can open."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config.private_socket import private_socket, uvicorn_command
from config.processes import die_with_parent


class Command(BaseCommand):
    help = "Run the provider simulator that external models call when no other provider is configured."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        listener = private_socket(settings.PROVIDER_SIMULATOR_SOCKET)
        self.stdout.write(f"Provider simulator on {settings.PROVIDER_SIMULATOR_SOCKET}")
        self.stdout.flush()
        command = uvicorn_command(sys.executable, "sandbox.providers.simulator.app:app", settings.ROOT, listener.fileno())
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
