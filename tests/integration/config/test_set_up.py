"""Bringing database and content up to date, again and again."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from config.management.commands.set_up import _content_digest, set_up
from quizzes.models import Item
from sandbox.models import User
from tests.stack import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_it_makes_people_and_loads_the_banks_once() -> None:
    assert [sign_in.username for sign_in in set_up()] == ["learner", "instructor", "author", "operator"]
    items = dict(Item.objects.values_list("pk", "current_id"))
    assert len(items) >= 15
    assert set_up() == []
    assert dict(Item.objects.values_list("pk", "current_id")) == items
    assert User.objects.filter(username__in=["learner", "instructor", "author", "operator"]).count() == 4


def test_an_empty_database_is_filled_whatever_the_mark_says(data_dir: Path) -> None:
    """The mark of what was loaded lies beside the database, which may be another one by now."""
    (data_dir / "loaded_content").write_text(_content_digest())
    set_up()
    assert Item.objects.count() >= 15


def test_changed_content_is_loaded(data_dir: Path) -> None:
    set_up()
    Item.objects.filter(pk=Item.objects.first().pk).update(retired=True)
    (data_dir / "loaded_content").write_text("the digest of other content")
    set_up()
    assert not Item.objects.filter(retired=True).exists()


INTERRUPTED = """
import sys
from django.db.migrations.recorder import MigrationRecorder
note = MigrationRecorder.record_applied
def stopped(self, app, name):
    if (app, name) == ("auth", "0001_initial"):
        raise KeyboardInterrupt
    note(self, app, name)
MigrationRecorder.record_applied = stopped
sys.argv = ["manage.py", "set_up"]
import manage
manage.main()
"""


def test_who_is_stopped_while_tables_are_made_starts_again_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Between the tables of a migration and the note that it was applied."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "DJANGO_", "PYTEST_"))}
    environment = {**kept, "DATA_DIR": str(tmp_path / "site")}
    run = partial(subprocess.run, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert "KeyboardInterrupt" in run([sys.executable, "-c", INTERRUPTED]).stderr
    again = run([sys.executable, "manage.py", "set_up"])
    assert (again.returncode, "First sign-ins" in again.stdout) == (0, True), again.stderr
