"""A bank in a folder of its own, where authors may write; one item of it; an author."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from quizzes.banks import load_banks
from quizzes.models import Item
from sandbox.models import User
from tests.integration.quizzes.key_fixes.steps import BANK, BANKS, KEY


@pytest.fixture
def bank(tmp_path: Path, settings: Any) -> Path:
    """custom_models.yaml in a folder of its own, loaded."""
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("blueprints", "misconceptions", BANK):
        shutil.copy(BANKS / f"{name}.yaml", folder)
    settings.FIXTURES_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    load_banks(folder)
    return folder / f"{BANK}.yaml"


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def item(bank: Path) -> Item:
    return Item.objects.select_related("current").get(key=KEY)
