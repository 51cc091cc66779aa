"""Bring database and content up to date: migrations, the first people, item banks. Doing it again changes nothing."""

import hashlib
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from config import first_sign_ins

_SET_UP_LOCK = 0x5E7_0B
"""Number of the PostgreSQL advisory lock: several hosts that start at once take turns."""


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        new = set_up()
        if new:
            path = settings.DATA_DIR / first_sign_ins.FILE_NAME
            self.stdout.write(f"First sign-ins (kept in {path}):\n{first_sign_ins.as_table(new)}")


def set_up() -> list[first_sign_ins.SignIn]:
    """Returns the people who were made now, with their passwords."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        return _steps()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_SET_UP_LOCK])
        try:
            return _steps()
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_SET_UP_LOCK])


def _steps() -> list[first_sign_ins.SignIn]:
    if _migrations_are_pending():
        _migrate()
    new = first_sign_ins.make_missing_people(settings.DATA_DIR)
    _load_content_if_changed(settings.DATA_DIR / "loaded_content")
    return new


def _migrate() -> None:
    """On SQLite all migrations or none: Django notes some of them only after their tables are there, so who is stopped in between
    would find a database that can never be migrated. PostgreSQL does not alter tables with pending checks of foreign keys.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite":
        call_command("migrate", interactive=False, verbosity=0)
        return
    connection.disable_constraint_checking()  # which SQLite can do only outside of a transaction
    try:
        with transaction.atomic(DEFAULT_DB_ALIAS):
            call_command("migrate", interactive=False, verbosity=0)
    finally:
        connection.enable_constraint_checking()


def _load_content_if_changed(stamp: Path) -> None:
    """Reading and checking all banks takes two seconds, which a start need not spend on what is there already."""
    wanted = _content_digest()
    if stamp.exists() and stamp.read_text() == wanted and apps.get_model("quizzes", "Item").objects.exists():
        return
    call_command("load_banks", verbosity=0, skip_broken=True)  # a mistake in one bank keeps no site from starting
    stamp.write_text(wanted)


def _content_digest() -> str:
    """Of the content and of the code that loads it."""
    files = [file for folder in ("banks", "labs") for file in sorted((settings.FIXTURES_DIR / folder).glob("*.yaml"))]
    files += sorted((settings.ROOT / "quizzes").glob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _migrations_are_pending() -> bool:
    """Looking takes a tenth of the time that `migrate` needs to find nothing to do."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
