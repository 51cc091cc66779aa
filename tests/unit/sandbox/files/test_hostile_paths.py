"""Tricks with paths: whatever is asked, nothing outside of the caller's own folders is read, made or removed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.catalog.models import Securable
from sandbox.catalog.volumes import folder_of
from tests.unit.sandbox.files.conftest import VOLUME, Files

HOSTILE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "hostile_paths.yaml").read_text())
METHODS = (("GET", "files"), ("PUT", "files"), ("DELETE", "files"), ("GET", "directories"), ("PUT", "directories"))


def test_no_path_leads_out(files: Files, on_disk: Callable[[], list[str]]) -> None:
    wrong = [
        (method, kind, each["path"], answer.status)
        for each in HOSTILE
        for method, kind in METHODS
        if (answer := files(method, f"/api/2.0/fs/{kind}{each['path']}", b"x")).status != each["status"]
        or answer.json["error_code"] not in {"INVALID_PARAMETER_VALUE", "NOT_FOUND", "RESOURCE_DOES_NOT_EXIST"}
    ]
    assert wrong == []
    assert on_disk() == []


@pytest.mark.parametrize(("name", "status"), [("n" * 256, 400), ("d/" * 600 + "a", 400), ("n" * 255, 204)])
def test_long_names_are_refused_by_a_sentence(files: Files, name: str, status: int) -> None:
    answer = files("PUT", f"/api/2.0/fs/files{VOLUME}/{name}", b"x")
    assert answer.status == status
    assert status == 204 or "longer than" in answer.json["message"]


def test_signed_addresses_are_made_for_plain_paths_only(files: Files) -> None:
    for each in HOSTILE:
        for call in ("create-upload-url", "create-download-url"):
            assert files("POST", f"/api/2.0/fs/{call}", path=each["path"]).status == each["status"], each


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "."])
def test_links_on_the_disk_are_not_followed(files: Files, volume: Securable, roots: Path, target: str) -> None:
    folder = folder_of(volume)
    folder.mkdir(parents=True)
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside" / "secret").write_text("not yours")
    (folder / "link").symlink_to(target)
    address = f"/api/2.0/fs/files{VOLUME}/link"

    assert files("GET", address).status == 404
    assert files("GET", f"{address}/secret").status == 404
    assert files("PUT", f"{address}/new", b"x").status == 409
    assert files("GET", f"/api/2.0/fs/directories{VOLUME}/link").status == 404
    assert files("GET", f"/api/2.0/fs/directories{VOLUME}").json["contents"] == []
    assert files("DELETE", address).status == 404
    # a new file takes the link's place and leaves what it pointed at alone
    assert files("PUT", address, b"mine").status == 204
    assert (folder / "link").read_bytes() == b"mine"
    assert (folder.parent / "outside" / "secret").read_text() == "not yours"
