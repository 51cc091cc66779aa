"""Make the example tables and models anew, after a change of their generator or recipes."""

import os
import shutil
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sandbox.registry.datasets import write_tables
from sandbox.registry.example_models import EXAMPLES


class Command(BaseCommand):
    help = "Write fixtures/tables and train the models of fixtures/models."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tables", action="store_true", help="write the tables only")

    def handle(self, *args: Any, **options: Any) -> None:
        for path in write_tables(settings.FIXTURES_DIR / "tables"):
            self.stdout.write(f"{path.relative_to(settings.ROOT)}: {path.stat().st_size} bytes")
        if not options["tables"]:
            self._train()

    def _train(self) -> None:
        """In a process of its own, because the site imports neither scikit-learn nor MLflow."""
        models = settings.FIXTURES_DIR / "models"
        for example in EXAMPLES:
            shutil.rmtree(models / example.directory / "model", ignore_errors=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        subprocess.run(
            [sys.executable, "-m", "sandbox.registry.training", str(models)],
            cwd=settings.ROOT,
            env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            check=True,
        )
