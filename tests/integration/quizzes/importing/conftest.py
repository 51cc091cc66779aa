"""Two banks in a folder of their own, an author with her browser, and dry runs."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from quizzes.banks import load_banks
from quizzes.interchange import importing
from quizzes.interchange.plans import Wishes
from quizzes.models import ImportRun
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.exchange_files import INTO_CUSTOM
from tests.integration.quizzes.importing.steps import BANKS, Dry


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder with two banks, loaded."""
    made = tmp_path / "banks"
    made.mkdir()
    for name in ("blueprints", "misconceptions", "custom_models", "external_models"):
        shutil.copy(BANKS / f"{name}.yaml", made)
    settings.FIXTURES_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    load_banks(made)
    return made


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def dry(folder: Path, author: User) -> Dry:
    """The run after its dry run."""

    def run(data: bytes | str, form: str, wishes: Wishes = INTO_CUSTOM) -> ImportRun:
        made = importing.keep(author, "file.txt", data.encode() if isinstance(data, str) else data, form, wishes)
        assert importing.read_import(made.pk)
        made.refresh_from_db()
        return made

    return run


@pytest.fixture
def client(author: User, sign_in: SignIn) -> Client:
    return sign_in(author)
