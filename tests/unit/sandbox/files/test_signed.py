"""Signed addresses, and uploads in parts, which are made of them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.files import signed_urls
from sandbox.files.signed_urls import Signed
from sandbox.workspaces import members
from tests.unit.sandbox.files.conftest import VOLUME, Answer, Files

ARTIFACT = "/WorkspaceInternal/Mlflow/Artifacts/1/Runs/abc/artifacts/model/MLmodel"
PATH = f"{VOLUME}/a.bin"
FILE = f"/api/2.0/fs/files{PATH}"


def path_of(url: str) -> str:
    assert url.startswith("http://files.test/api/2.0/fs/signed/")
    return url.removeprefix("http://files.test")


@pytest.mark.parametrize("in_query", [True, False])
def test_both_ways_of_asking(files: Files, in_query: bool) -> None:
    def sign(call: str) -> str:
        address = f"/api/2.0/fs/{call}"
        asked = files("POST", address, path=PATH) if in_query else files("POST", address, json.dumps({"path": PATH}).encode())
        assert (asked.status, asked.json["headers"]) == (200, [])
        return path_of(asked.json["url"])

    upload, download = sign("create-upload-url"), sign("create-download-url")
    assert files("PUT", upload, b"by address", who="").status == 200
    assert files("GET", download, who="").body == b"by address"
    assert files("GET", download, who="", headers={"range": "bytes=3-"}).body == b"address"
    assert files("HEAD", download, who="").headers["content-length"] == "10"
    for method, address in (("GET", upload), ("PUT", download), ("DELETE", download), ("POST", upload)):
        assert files(method, address, b"x", who="").status == 403
    assert files("GET", download[:-2], who="").status == 403
    assert files("GET", FILE).body == b"by address"


def test_an_address_ends_with_its_time_and_with_its_person_s_rights(files: Files) -> None:
    workspace, bob = files.workspaces["bob"]
    files("PUT", FILE, b"x")
    ada = files.workspaces["ada"][1]

    def ask(user_id: int, expires_in_s: float = 60) -> Answer:
        signed = Signed(workspace.id, str(user_id), "GET", PATH, time.time() + expires_in_s)
        return files("GET", path_of(signed_urls.sign(signed, "http://files.test")), who="")

    assert ask(ada.pk).body == b"x"
    expired = ask(ada.pk, -1)
    assert (expired.status, expired.headers["content-type"]) == (403, "application/xml")
    assert b"<Message>Request has expired</Message>" in expired.body
    assert ask(bob.pk).status == 403  # without READ_VOLUME
    assert ask(files.workspaces["eve"][1].pk).status == 403
    members.set_admin(workspace, bob, True)
    assert ask(bob.pk).status == 200
    members.remove_member(workspace, bob)
    assert ask(bob.pk).status == 403
    artifact = Signed(workspace.id, str(bob.pk), "GET", ARTIFACT, time.time() + 60)
    assert files("GET", path_of(signed_urls.sign(artifact, "http://files.test")), who="").status == 403


def test_an_address_lives_an_hour_at_most(files: Files) -> None:
    def expiry_of(**query: str) -> float:
        url = files("POST", "/api/2.0/fs/create-upload-url", path=PATH, **query).json["url"]
        signed = signed_urls.read(url.rpartition("/")[2])
        assert signed is not None
        return signed.expires_at_s - time.time()

    assert 3590 < expiry_of() <= 3600
    assert 3590 < expiry_of(expire_time="2100-01-01T00:00:00Z") <= 3600
    soon = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert 80 < expiry_of(expire_time=soon) <= 90
    for wrong in ("soon", "2001-01-01T00:00:00Z"):
        assert files("POST", "/api/2.0/fs/create-upload-url", path=PATH, expire_time=wrong).status == 400
    assert files("POST", "/api/2.0/fs/create-upload-url").status == 400
    assert files("POST", "/api/2.0/fs/create-upload-url", path=PATH, who="eve").status == 404


# --- uploads in parts --------------------------------------------------------------------------------


def begin(files: Files, **query: Any) -> str:
    return str(files("POST", FILE, action="initiate-upload", **query).json["multipart_upload"]["session_token"])


def part_addresses(files: Files, token: str, count: int, first: int = 1, who: str = "ada") -> Answer:
    body = {"path": PATH, "session_token": token, "start_part_number": first, "count": count}
    return files("POST", "/api/2.0/fs/create-upload-part-urls", json.dumps(body).encode(), who=who)


def send_parts(files: Files, token: str, parts: list[bytes]) -> list[dict[str, Any]]:
    addresses = part_addresses(files, token, len(parts)).json["upload_part_urls"]
    sent = []
    for address, content in reversed(list(zip(addresses, parts, strict=True))):
        answer = files("PUT", path_of(address["url"]), content, who="")
        assert answer.status == 200
        sent.append({"part_number": address["part_number"], "etag": answer.headers["etag"]})
    return sorted(sent, key=lambda part: part["part_number"])


def complete(files: Files, token: str, parts: Any) -> Answer:
    body = json.dumps({"parts": parts}).encode()
    return files("POST", FILE, body, action="complete-upload", upload_type="multipart", session_token=token)


def test_parts_become_one_file_in_one_step(files: Files, on_disk: Callable[[], list[str]]) -> None:
    token = begin(files)
    parts = send_parts(files, token, [b"one ", b"two ", b"three"])
    assert files("GET", FILE).status == 404
    assert complete(files, token, parts[:1] + parts[2:]).status == 400
    assert complete(files, token, [{**part, "etag": "x"} for part in parts]).status == 400
    assert complete(files, token, "all").status == 400
    assert complete(files, token, parts).status == 200
    assert files("GET", FILE).body == b"one two three"
    assert len(on_disk()) == 1
    assert complete(files, token, parts).status == 404


def test_a_part_may_be_sent_again(files: Files) -> None:
    token = begin(files)
    send_parts(files, token, [b"wrong", b"!"])
    parts = send_parts(files, token, [b"right", b"!"])
    assert complete(files, token, parts).status == 200
    assert files("GET", FILE).body == b"right!"


def test_an_upload_in_parts_can_be_given_up(files: Files, on_disk: Callable[[], list[str]]) -> None:
    token = begin(files)
    parts = send_parts(files, token, [b"one", b"two"])
    body = json.dumps({"path": PATH, "session_token": token}).encode()
    address = files("POST", "/api/2.0/fs/create-abort-upload-url", body).json["abort_upload_url"]["url"]
    assert files("DELETE", path_of(address), who="").status == 200
    assert on_disk() == []
    assert complete(files, token, parts).status == 404
    assert files("DELETE", path_of(address), who="").status == 404


def test_an_upload_in_parts_keeps_the_rules_of_a_whole_one(files: Files, settings: Any) -> None:
    files("PUT", FILE, b"there")
    token = begin(files, overwrite="false")
    assert complete(files, token, send_parts(files, token, [b"new"])).status == 409
    assert files("GET", FILE).body == b"there"
    settings.ARTIFACT_BODY_LIMIT_BYTES = 5
    addresses = part_addresses(files, token, 1, 2).json["upload_part_urls"]
    assert files("PUT", path_of(addresses[0]["url"]), b"more", who="").status == 413


def test_a_session_is_of_one_workspace_and_path(files: Files) -> None:
    token = begin(files)
    assert part_addresses(files, token, 1, who="eve").status == 404
    assert part_addresses(files, "made up", 1).status == 404
    other = json.dumps({"path": PATH + "2", "session_token": token}).encode()
    assert files("POST", "/api/2.0/fs/create-upload-part-urls", other).status == 404
    for first, count in ((0, 1), (1, 0), (1, 1001), (1000, 2)):
        assert part_addresses(files, token, count, first).status == 400
