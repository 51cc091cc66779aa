"""Run MLflow's tracking and registry server on a UNIX socket that only this user can open."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from config.private_socket import private_socket, uvicorn_command
from config.processes import die_with_parent

_POSTGRESQL_SCHEMA = "mlflow"


class Command(BaseCommand):
    help = "Run the MLflow server of the registry (reached only through the site's proxy)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        die_with_parent()
        artifacts = settings.MLFLOW_DIR / "artifacts"
        artifacts.mkdir(parents=True, exist_ok=True)
        environment = server_environment(backend_store_uri(), artifacts)
        listener = private_socket(settings.MLFLOW_SOCKET)
        os.umask(0o077)
        self.stdout.write(f"MLflow server on {settings.MLFLOW_SOCKET}", ending="\n")
        self.stdout.flush()
        # uvicorn itself: MLflow's command line would start a second process only to pass the environment on
        command = uvicorn_command(sys.executable, "sandbox.registry.mlflow_app:app", settings.ROOT, listener.fileno())
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted


def backend_store_uri() -> str:
    """Where MLflow keeps experiments and models, as SQLAlchemy spells it.

    Beside SQLite it has a file of its own; in PostgreSQL it shares the site's database but has a schema of its own.
    """
    database = settings.DATABASES["default"]
    if "postgresql" not in database["ENGINE"]:
        return f"sqlite:///{settings.MLFLOW_DIR / 'mlflow.sqlite3'}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {_POSTGRESQL_SCHEMA}")
    connection.close()
    return postgresql_uri(database)


def postgresql_uri(database: dict[str, Any]) -> str:
    """The site's PostgreSQL database with the search path set to MLflow's schema."""
    from sqlalchemy import URL  # a dependency of MLflow; nothing else of the site needs it

    return URL.create(
        "postgresql+psycopg",
        username=database.get("USER") or None,
        password=database.get("PASSWORD") or None,
        host=database.get("HOST") or None,
        port=int(database["PORT"]) if database.get("PORT") else None,
        database=database["NAME"],
        query={"options": f"-csearch_path={_POSTGRESQL_SCHEMA}"},
    ).render_as_string(hide_password=False)


def server_environment(store_uri: str, artifacts: Path) -> dict[str, str]:
    """The server's environment: ours without any MLflow variable of the operator's shell, plus its settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "_MLFLOW_", "DATABRICKS_"))}
    return inherited | {
        "_MLFLOW_SERVER_FILE_STORE": store_uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": store_uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(artifacts),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # host and origin checks protect a server on a port; this one has none and our proxy in front
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MPLCONFIGDIR": str(settings.MLFLOW_DIR),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(settings.ROOT),
        "PYTHONWARNINGS": "ignore",
    }
