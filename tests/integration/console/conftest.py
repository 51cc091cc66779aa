"""Pages without the other processes: nothing is written to the checkout, no registry answers."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, settings: Any) -> None:
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.MLFLOW_SOCKET = tmp_path / "no-mlflow.sock"
