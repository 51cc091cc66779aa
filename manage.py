#!/usr/bin/env python
"""The door: puts platform/ on the path and runs Django's command line."""

import os
import sys
from importlib import import_module
from pathlib import Path

BECOME_A_PROGRAM = {"mlflow_server", "node", "provider_simulator"}
"""Commands that only read the settings and become another program: loading the apps first would double what their start costs."""


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if len(sys.argv) == 2 and sys.argv[1] in BECOME_A_PROGRAM:
        import_module(f"config.management.commands.{sys.argv[1]}").Command().handle()
    else:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
