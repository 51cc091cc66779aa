"""The wheel that the site offers is one that pip takes, with everything in it."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox import client_wheel


@pytest.mark.django_db
def test_the_wheel_installs_and_imports(client: Any, tmp_path: Path) -> None:
    name = client_wheel.file_name()
    assert name == "proving_ground_client-0.1.0-py3-none-any.whl"
    assert client.get("/client/proving_ground_client-9-py3-none-any.whl").status_code == 404
    file = tmp_path / name
    file.write_bytes(client.get(f"/client/{name}").content)
    place = tmp_path / "place"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place), str(file)]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    source = client_wheel.SOURCE / "src" / "proving_ground_client"
    assert {each.name for each in (place / "proving_ground_client").glob("*.py")} == {each.name for each in source.glob("*.py")}
    metadata = zipfile.ZipFile(file).read("proving_ground_client-0.1.0.dist-info/METADATA").decode()
    assert "Requires-Dist: duckdb==2.0.0\n" in metadata


@pytest.mark.django_db
def test_the_page_of_tokens_says_how_to_install_it(client: Any, django_user_model: Any) -> None:
    client.force_login(
        django_user_model.objects.create_user("ada", "ada@example.org"), "django.contrib.auth.backends.ModelBackend"
    )
    page = client.get("/sandbox/tokens/", follow=True).content.decode()
    assert f"/client/{client_wheel.file_name()}</code>" in page
    assert 'href="/client/notebooks.zip"' in page


def test_the_notebooks_come_with_what_their_set_ups_read(client: Any) -> None:
    answer = client.get("/client/notebooks.zip")
    assert answer["Content-Type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert sorted(names) == [
        "notebooks/Demo/4.1 Real-time Deployment with Model Serving.ipynb",
        "notebooks/Demo/Snippets of an article on Model Serving.ipynb",
        "notebooks/Includes/Article-Setup.py",
        "notebooks/Includes/Classroom-Setup-4.1.py",
        "notebooks/Includes/churn.csv",
        "notebooks/Includes/fraud.csv",
        "notebooks/README.md",
    ]
