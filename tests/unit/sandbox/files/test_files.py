"""Files and folders of a volume: stored whole or not at all, read whole or in part."""

import os
import random
import threading
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from sandbox.catalog import volumes
from sandbox.catalog.models import Grant, ModelVersion, Securable
from sandbox.errors import NotFound
from sandbox.files import quota, staging, tree
from sandbox.registry import registered_models, version_files, versions
from sandbox.workspaces.members import Caller
from tests.unit.sandbox.files.conftest import VOLUME, Files

FILE = f"/api/2.0/fs/files{VOLUME}/folder/a b%.txt"
FOLDER = f"/api/2.0/fs/directories{VOLUME}"
CONTENT = bytes(range(256)) * 4096  # 1 MiB: more than one piece of an answer


def test_a_file_comes_back_as_it_was_sent(files: Files) -> None:
    pieces: list[bytes | None] = [CONTENT[:7], b"", CONTENT[7:700_000], CONTENT[700_000:]]
    assert files("PUT", FILE, pieces).status == 204
    answer = files("GET", FILE)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    head = files("HEAD", FILE)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert head.headers["last-modified"] == answer.headers["last-modified"]


def test_overwrite_false_keeps_the_file_that_is_there(files: Files) -> None:
    assert files("PUT", FILE, b"one", overwrite="false").status == 204
    refused = files("PUT", FILE, b"two", overwrite="false")
    assert (refused.status, refused.json["error_code"]) == (409, "ALREADY_EXISTS")
    assert files("GET", FILE).body == b"one"
    assert files("PUT", FILE, b"three").status == 204
    assert files("GET", FILE).body == b"three"


@pytest.mark.parametrize(
    ("wanted", "status", "expected"),
    [
        ("bytes=0-0", 206, b"0"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=0-999", 206, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=4-2", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
    ],
)
def test_a_range_is_a_part_of_the_file(files: Files, wanted: str, status: int, expected: bytes) -> None:
    files("PUT", FILE, b"0123456789")
    answer = files("GET", FILE, headers={"range": wanted})
    assert (answer.status, answer.body) == (status, expected)
    if status == 206:
        first = b"0123456789".index(expected)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/10"


def test_a_file_that_changed_meanwhile_is_not_continued(files: Files) -> None:
    files("PUT", FILE, b"new")
    told = files("HEAD", FILE).headers["last-modified"]
    assert files("GET", FILE, headers={"if-unmodified-since": told}).status == 200
    assert files("GET", FILE, headers={"if-unmodified-since": formatdate(0, usegmt=True)}).status == 412


def test_folders_are_listed_page_by_page(files: Files) -> None:
    names = [f"file-{number:02d}" for number in range(7)]
    for name in names:
        files("PUT", f"/api/2.0/fs/files{VOLUME}/many/{name}", name.encode())
    assert files("PUT", f"{FOLDER}/many/sub/deeper").status == 204
    found: list[dict[str, Any]] = []
    token = ""
    for _ in range(3):
        page = files("GET", f"{FOLDER}/many", page_size=3, page_token=token).json
        found += page["contents"]
        token = page.get("next_page_token", "")
    assert [entry["name"] for entry in found] == [*names, "sub"]
    assert token == ""
    assert found[0] == {
        "path": f"{VOLUME}/many/file-00",
        "name": "file-00",
        "is_directory": False,
        "file_size": 7,
        "last_modified": found[0]["last_modified"],
    }
    assert found[-1]["is_directory"]
    assert files("GET", f"{FOLDER}/many", page_token="?").status == 400
    assert files("GET", f"{FOLDER}/many", page_size="x").status == 400


def test_folders_and_files_are_deleted_each_by_its_own_call(files: Files) -> None:
    files("PUT", FILE, b"x")
    assert files("HEAD", f"{FOLDER}/folder").status == 200
    assert files("DELETE", f"{FOLDER}/folder").status == 400
    assert files("DELETE", f"/api/2.0/fs/files{VOLUME}/folder").status == 404
    assert files("DELETE", FILE).status == 204
    assert files("DELETE", FILE).json["error_code"] == "NOT_FOUND"
    assert files("DELETE", f"{FOLDER}/folder").status == 204
    assert files("HEAD", f"{FOLDER}/folder").status == 404
    assert files("DELETE", FOLDER).status == 400
    assert files("HEAD", FOLDER).status == 200


def test_a_file_and_a_folder_cannot_have_one_name(files: Files) -> None:
    files("PUT", FILE, b"x")
    assert files("PUT", f"{FILE}/below", b"x").status == 409
    assert files("PUT", f"/api/2.0/fs/files{VOLUME}/folder", b"x").status == 409
    assert files("GET", f"/api/2.0/fs/files{VOLUME}/folder").status == 404
    assert files("PUT", f"/api/2.0/fs/files{VOLUME}", b"x").status == 400


# --- uploads that fail -------------------------------------------------------------------------------


def test_an_upload_that_breaks_off_leaves_nothing(files: Files, on_disk: Callable[[], list[str]]) -> None:
    assert files("PUT", FILE, [CONTENT, None]).status == 400
    assert files("PUT", FILE, [b"short"], headers={"content-length": "10"}).status == 400
    assert on_disk() == []


def test_a_file_over_the_limit_is_413_and_leaves_nothing(files: Files, settings: Any, on_disk: Callable[[], list[str]]) -> None:
    settings.ARTIFACT_BODY_LIMIT_BYTES = 1_000_000
    assert files("PUT", FILE, [CONTENT[:900_000], CONTENT[:200_000]]).status == 413
    assert files("PUT", FILE, headers={"content-length": "1000001"}).status == 413
    assert on_disk() == []


def test_a_workspace_has_a_quota(files: Files, settings: Any, on_disk: Callable[[], list[str]]) -> None:
    settings.FILES_QUOTA_BYTES = 2_500_000
    assert [files("PUT", f"{FILE}{number}", CONTENT).status for number in range(2)] == [204, 204]
    refused = files("PUT", f"{FILE}2", CONTENT)
    assert (refused.status, refused.json["error_code"]) == (400, "RESOURCE_EXHAUSTED")
    entries = 3 * quota.ENTRY_BYTES  # the volume's folder, the one in it, and the file that is being received
    assert f"take {2 * len(CONTENT) + entries} of 2500000 bytes" in refused.json["message"]
    assert len(on_disk()) == 2
    assert files("DELETE", f"{FILE}1").status == 204
    quota.forget()
    assert files("PUT", f"{FILE}2", CONTENT).status == 204


def test_empty_files_and_folders_count(files: Files, settings: Any, on_disk: Callable[[], list[str]]) -> None:
    settings.FILES_QUOTA_BYTES = 5 * quota.ENTRY_BYTES  # the volume's folder, the one in it, and three more
    folders = FILE.replace("/files/", "/directories/")
    assert files("PUT", FILE, b"").status == 204
    assert files("PUT", f"{folders}-a/b").status == 204
    for method, address in (("PUT", f"{FILE}-2"), ("PUT", f"{folders}-c")):
        refused = files(method, address)
        assert (refused.status, refused.json["error_code"]) == (400, "RESOURCE_EXHAUSTED")
    assert "each file and folder counts 16384 bytes at least" in refused.json["message"]
    begun = files("POST", f"{FILE}-3", action="initiate-upload")
    assert begun.json["error_code"] == "RESOURCE_EXHAUSTED"
    assert files("PUT", FILE, b"x").json["error_code"] == "RESOURCE_EXHAUSTED"  # one more until it is whole
    assert files("PUT", f"{folders}-a/b").status == 204  # there already: nothing is made
    assert files("GET", f"{folders}-c").status == 404
    assert len(on_disk()) == 1
    quota.forget()
    assert quota.measure(files.workspaces["ada"][0].id) == 5 * quota.ENTRY_BYTES


def test_inodes_are_kept_for_the_site(files: Files, monkeypatch: Any, on_disk: Callable[[], list[str]]) -> None:
    monkeypatch.setattr(quota, "INODE_RESERVE", 1 << 60)
    assert "The disk of this site is full" in files("PUT", FILE, b"").json["message"]
    assert on_disk() == []


def test_a_full_disk_is_a_sentence(files: Files, monkeypatch: Any, on_disk: Callable[[], list[str]]) -> None:
    monkeypatch.setattr(quota, "DISK_RESERVE_BYTES", 1 << 60)
    refused = files("PUT", FILE, b"x")
    assert (refused.status, refused.json["message"].split(";")[0]) == (400, "The disk of this site is full")
    assert on_disk() == []


def test_what_killed_processes_left_is_swept(files: Files, roots: Path, monkeypatch: Any) -> None:
    folder = staging.staging_folder(files.workspaces["ada"][0].id)
    (folder / "file-left").write_bytes(b"half")
    (folder / "parts-left").mkdir()
    assert staging.sweep() == 0
    monkeypatch.setattr(staging, "FILES_KEPT_S", -1.0)
    monkeypatch.setattr(staging, "PARTS_KEPT_S", -1.0)
    assert staging.sweep() == 2
    assert list(folder.iterdir()) == []


# --- who may -----------------------------------------------------------------------------------------


def test_a_token_is_needed(files: Files) -> None:
    for who in ("", "nobody"):
        assert files("GET", FILE, who=who).status == 401


def test_another_workspace_s_files_are_missing(files: Files) -> None:
    files("PUT", FILE, b"ada's")
    for who in ("eve", "grace"):
        missing = files("GET", FILE.replace("/data/", "/nothing/"), who=who)
        for method, address in (("GET", FILE), ("PUT", FILE), ("DELETE", FILE), ("GET", FOLDER), ("PUT", f"{FOLDER}/x")):
            theirs = files(method, address, b"x", who=who)
            assert (theirs.status, theirs.json) == (
                404,
                {**missing.json, "message": missing.json["message"].replace("nothing", "data")},
            )
    assert files("GET", FILE).body == b"ada's"


def test_a_member_needs_the_privilege(files: Files, volume: Securable) -> None:
    files("PUT", FILE, b"x")
    assert files("GET", FILE, who="bob").json["error_code"] == "PERMISSION_DENIED"
    Grant.objects.create(securable=volume, principal="bob@example.org", privilege="READ_VOLUME")
    assert files("GET", FILE, who="bob").status == 200
    assert files("PUT", FILE, b"y", who="bob").status == 403
    assert files("DELETE", FILE, who="bob").status == 403
    Grant.objects.create(securable=volume, principal="users", privilege="WRITE_VOLUME")
    assert files("PUT", FILE, b"y", who="bob").status == 204


def test_a_new_volume_of_an_old_name_is_empty(files: Files) -> None:
    files("PUT", FILE, b"x")
    caller = Caller(*files.workspaces["ada"])
    volumes.drop_volume(caller, "main.default.data")
    assert files("GET", FILE).status == 404
    volumes.create_volume(caller, "main.default.data")
    assert files("GET", FILE).status == 404


def test_addresses_that_are_not_there(files: Files) -> None:
    for method, path in (
        ("GET", "/api/2.0/fs/endpoints"),
        ("PATCH", FILE),
        ("POST", FOLDER),
        ("GET", "/api/2.0/fs/create-upload-url"),
    ):
        assert files(method, path).json["error_code"] == "ENDPOINT_NOT_FOUND"
    assert files("POST", FILE, action="copy").status == 400
    assert files("GET", FILE, **{f"q{number}": "1" for number in range(201)}).json["error_code"] == "BAD_REQUEST"


def test_random_bytes_in_random_pieces(files: Files) -> None:
    chance = random.Random(7)
    content = chance.randbytes(1_500_000)
    cuts = sorted(chance.sample(range(len(content)), 40))
    pieces: list[bytes | None] = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    assert files("PUT", FILE, pieces).status == 204
    assert files("GET", FILE).body == content


def test_no_file_lands_in_a_version_while_it_is_sealed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is open already, and in the moment before the file gets its name somebody finalizes the version."""
    caller = Caller(*files.workspaces["ada"])
    registered_models.create_model(caller, "main.default.churn")
    version = versions.create_version(caller, "main.default.churn", source="")
    address = "/api/2.0/fs/files/Models/main/default/churn/1/MLmodel"
    assert files("PUT", address, b"flavors: {}").status == 204
    rename, happened = os.rename, []

    def seal() -> None:
        with version_files.closed(version):
            version_files.seal(version)
        happened.append("sealed")

    sealing = threading.Thread(target=seal)

    def rename_late(*args: Any, **kwargs: Any) -> None:
        if "dst_dir_fd" in kwargs:  # the file; the other one is the folder that is sealed
            sealing.start()
            sealing.join(0.2)
            happened.append("moved")
        rename(*args, **kwargs)

    monkeypatch.setattr(os, "rename", rename_late)
    assert files("PUT", address, b"flavors: {other: {}}").status == 204
    sealing.join()
    assert happened == ["moved", "sealed"]
    monkeypatch.undo()

    late = tree.Place(version_files.version_folder(version), ("late",), "late", caller.workspace.id)  # found while it was pending
    for change in (tree.make_folder, tree.delete_file):
        with pytest.raises(NotFound):
            change(late)
    final = version_files.model_folder(version.registered_model) / "1"
    assert {path.name: path.read_text() for path in final.iterdir()} == {"MLmodel": "flavors: {other: {}}"}


def test_a_version_takes_files_until_it_is_sealed(files: Files) -> None:
    caller = Caller(*files.workspaces["ada"])
    registered_models.create_model(caller, "main.default.churn")
    version = versions.create_version(caller, "main.default.churn", source="")
    address = "/api/2.0/fs/files/Models/main/default/churn/1/MLmodel"
    assert files("PUT", address, b"flavors: {}", who="bob").status == 403
    assert files("PUT", address, b"flavors: {}", who="eve").status == 404
    assert files("PUT", address.replace("/1/", "/2/"), b"flavors: {}").status == 404
    assert files("PUT", address, b"flavors: {}").status == 204
    assert files("GET", address).body == b"flavors: {}"

    version_files.seal(version)  # as finalize does, before it says READY
    assert files("PUT", address, b"other").json["error_code"] == "INVALID_STATE"
    version.status = ModelVersion.Status.READY
    version.save()
    for method in ("PUT", "DELETE"):
        assert files(method, address, b"other").json["error_code"] == "INVALID_STATE"
    assert files("GET", address).body == b"flavors: {}"
    assert files("GET", address, who="eve").status == 404
