"""From PENDING_REGISTRATION to READY: what a kill leaves, what never changes, and what is swept."""

import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from .conftest import ONLY_INPUTS, OSS, UC, UNSIGNED, Rest

NAME = "main.default.churn"
GONE = (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.fixture
def named(ada: Rest) -> Rest:
    ada.ok("POST", UC + "registered-models/create", {"name": NAME})
    return ada


def create(rest: Rest, **more: Any) -> str:
    answer = rest.ok("POST", UC + "model-versions/create", {"name": NAME, "source": "models:/m-1", **more})
    assert answer["model_version"]["status"] == "PENDING_REGISTRATION"
    return str(answer["model_version"]["version"])


def finalize(rest: Rest, version: str) -> tuple[int, Any]:
    return rest.call("POST", UC + "model-versions/finalize", {"name": NAME, "version": version})


def row(rest: Rest, version: str) -> Any:
    from sandbox.registry.registered_models import find_model
    from sandbox.registry.versions import find_version

    return find_version(find_model(rest.workspace, NAME), version)


def upload(rest: Rest, version: str, source: Path) -> Path:
    """What the Files API does: the files lie in the version's folder."""
    from sandbox.registry.version_files import may_write, version_folder

    may_write(rest.caller, row(rest, version))
    folder = version_folder(row(rest, version))
    shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


def test_a_version_becomes_ready_with_its_files_and_never_changes(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.errors import InvalidState
    from sandbox.registry.version_files import may_write, version_folder

    version = create(named, description="first", tags=[{"key": "k", "value": "v"}])
    uploaded = upload(named, version, model_dir())
    status, answer = finalize(named, version)
    assert (status, answer["model_version"]["status"]) == (200, "READY")
    assert answer["model_version"]["tags"] == [{"key": "k", "value": "v"}]
    folder = version_folder(row(named, version))
    assert (folder / "deep" / "weights.bin").read_bytes() == b"\x00\x01" * 100
    assert not uploaded.exists()  # a write that is under way has no place to go to
    with pytest.raises(InvalidState, match="never change"):
        may_write(named.caller, row(named, version))
    assert finalize(named, version)[0] == 200  # a client that did not get the answer asks again
    assert row(named, version).described["flavor"] == "sklearn"


@pytest.mark.parametrize(
    ("mlmodel", "code", "words"),
    [
        (None, "INVALID_STATE", "no MLmodel file"),
        (UNSIGNED, "INVALID_PARAMETER_VALUE", "did not contain any signature metadata"),
        (ONLY_INPUTS, "INVALID_PARAMETER_VALUE", "includes only inputs"),
        ("flavors: [", "INVALID_STATE", "not valid YAML"),
        ("- 1", "INVALID_STATE", "not a YAML mapping"),
        ("!!python/object/apply:os.system ['true']", "INVALID_STATE", "not valid YAML"),
    ],
)
def test_what_is_not_a_model_does_not_become_ready(
    named: Rest, model_dir: Callable[..., Path], mlmodel: str | None, code: str, words: str
) -> None:
    version = create(named)
    if mlmodel is not None:
        upload(named, version, model_dir(mlmodel))
    status, answer = finalize(named, version)
    assert (status, answer["error_code"]) == (400, code)
    assert words in answer["message"]
    assert row(named, version).status == "PENDING_REGISTRATION"
    shutil.rmtree(model_dir(name="whole").parent / "saved", ignore_errors=True)
    upload(named, version, model_dir(name="again"))
    assert finalize(named, version)[1]["model_version"]["status"] == "READY"


def test_an_mlmodel_that_is_a_link_is_none(named: Rest, model_dir: Callable[..., Path]) -> None:
    version = create(named)
    folder = upload(named, version, model_dir())
    (folder / "MLmodel").rename(folder / "real")
    (folder / "MLmodel").symlink_to(folder / "real")
    assert finalize(named, version)[1]["error_code"] == "INVALID_STATE"


def test_numbers_are_never_given_out_twice(named: Rest, model_dir: Callable[..., Path]) -> None:
    assert [create(named), create(named)] == ["1", "2"]
    named.ok("DELETE", UC + "model-versions/delete", {"name": NAME, "version": "2"})
    assert create(named) == "3"


def test_what_was_sealed_keeps_its_files(named: Rest, model_dir: Callable[..., Path]) -> None:
    """A write that began before makes the pending folder once more, and the client asks a second time."""
    from sandbox.registry import version_files

    version = create(named)
    uploaded = upload(named, version, model_dir())
    sealed = version_files.seal(row(named, version))
    uploaded.mkdir()
    (uploaded / "late.txt").write_text("too late")
    assert version_files.seal(row(named, version)) == sealed
    assert sorted(path.name for path in sealed.iterdir()) == ["MLmodel", "deep"]


def test_a_server_that_was_killed_while_it_finalized_is_asked_again(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry import version_files

    version = create(named)
    upload(named, version, model_dir())
    version_files.seal(row(named, version))  # the kill comes before the database says READY
    assert row(named, version).status == "PENDING_REGISTRATION"
    status, answer = finalize(named, version)
    assert (status, answer["model_version"]["status"]) == (200, "READY")
    assert (version_files.version_folder(row(named, version)) / "MLmodel").is_file()


def test_what_nobody_finishes_is_given_up_after_an_hour_without_a_file(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry.versions import give_up_unfinished

    left, busy, fresh = create(named), create(named), create(named)
    for version in (left, busy):
        folder = upload(named, version, model_dir(name=f"v{version}"))
        age(named, version, hours=2)
        for path in folder.rglob("*"):
            os.utime(path, (time.time() - 7200, time.time() - 7200))
    os.utime(folder / "MLmodel")  # the second client is slow, and still there
    assert give_up_unfinished(timezone.now()) == 1
    assert [row(named, v).status for v in (left, busy, fresh)] == ["FAILED_REGISTRATION", *["PENDING_REGISTRATION"] * 2]
    status, answer = finalize(named, left)
    assert (status, answer["error_code"]) == (400, "INVALID_STATE")
    assert "Register a new version" in answer["message"]
    shown = named.ok("GET", UC + "model-versions/get", name=NAME, version=left)["model_version"]
    assert "was not finished" in shown["status_message"]
    from sandbox.registry.version_files import model_folder

    assert sorted(path.name for path in model_folder(row(named, left).registered_model).iterdir()) == ["2.pending"]
    again = create(named)
    upload(named, again, model_dir(name="again"))
    assert finalize(named, again)[1]["model_version"]["version"] == "4"


def age(rest: Rest, version: str, hours: int) -> None:
    from sandbox.models import ModelVersion

    long_ago = timezone.now() - timedelta(hours=hours)
    ModelVersion.objects.filter(pk=row(rest, version).pk).update(updated_at=long_ago, created_at=long_ago)


def test_a_finalize_that_comes_too_late_leaves_no_files(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.errors import InvalidState
    from sandbox.registry import version_files, versions

    version = create(named)
    upload(named, version, model_dir())
    mine = row(named, version)  # read before it is given up
    versions._fail(row(named, version), "given up")
    upload_folder = version_files.version_folder(mine)
    shutil.copytree(model_dir(name="late"), upload_folder)
    with pytest.raises(InvalidState, match="given up meanwhile"):
        versions.make_ready(mine, "ada")
    assert row(named, version).status == "FAILED_REGISTRATION"
    assert not list(version_files.model_folder(mine.registered_model).iterdir())


def test_nothing_but_a_ready_version_is_served(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.errors import InvalidState
    from sandbox.registry import store

    version = create(named)
    with pytest.raises(InvalidState, match="Only READY versions"):
        store.get_version(named.workspace.id, NAME, version)
    assert store.list_models(named.workspace.id)[0].versions == ()


def test_deleting_takes_the_files_away(
    named: Rest, model_dir: Callable[..., Path], django_capture_on_commit_callbacks: Any
) -> None:
    from sandbox.registry.version_files import model_folder, root

    version = create(named)
    upload(named, version, model_dir())
    finalize(named, version)
    named.ok("POST", OSS + "registered-models/alias", {"name": NAME, "alias": "a", "version": version})
    folder = model_folder(row(named, version).registered_model)
    with django_capture_on_commit_callbacks(execute=True):
        named.ok("DELETE", UC + "model-versions/delete", {"name": NAME, "version": version})
    assert list(folder.iterdir()) == []
    assert named.refused("GET", OSS + "registered-models/alias", name=NAME, alias="a") == GONE
    create(named)
    with django_capture_on_commit_callbacks(execute=True):
        named.ok("DELETE", UC + "registered-models/delete", {"name": NAME})
    assert list((root() / named.workspace.id).iterdir()) == []


def test_so_many_may_wait_for_their_files(named: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.registry import versions

    monkeypatch.setattr(versions, "MAX_PENDING", 2)
    create(named), create(named)
    body = {"name": NAME, "source": "x"}
    assert named.refused("POST", UC + "model-versions/create", body) == (400, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    "source",
    ["file:///etc/passwd", "/etc/passwd", "http://localhost:1/x", "s3://bucket/x", "dbfs:/x", "mlflow-artifacts://other-host/x",
     "mlflow-artifacts:/../../etc", "mlflow-artifacts:/workspaces/ws-0/1/x", "FILE:///etc/passwd", "", 7, None, ["models:/x/1"],
     "models:/", "models:/../x", "models:/m-1/../../x", "models:/churn@", "runs:/", "runs:/../../etc", "runs:/ab/../../x",
     "dbfs:/databricks/mlflow-tracking/../x", "dbfs:/databricks/mlflow-tracking/1/ab/artifacts/../../..", "x" * 2000,
     "models:/a\nb/1"],
)  # fmt: skip
def test_a_source_outside_of_the_workspace_is_refused(named: Rest, source: Any) -> None:
    status, answer = named.call("POST", OSS + "model-versions/create", {"name": NAME, "source": source})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert named.ok("GET", OSS + "model-versions/search") == {}


def test_a_folder_of_a_model_version_is_no_place_for_others(named: Rest, eve: Rest, model_dir: Callable[..., Path]) -> None:
    version = create(named)
    upload(named, version, model_dir())
    assert eve.refused("POST", UC + "model-versions/finalize", {"name": NAME, "version": version}) == GONE
    eve.ok("POST", OSS + "registered-models/create", {"name": NAME})
    body = {"name": NAME, "source": f"models:/{NAME}/{version}"}
    assert eve.refused("POST", OSS + "model-versions/create", body) == GONE


def test_files_of_models_that_are_gone_are_swept(named: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry.version_files import model_folder, root
    from sandbox.registry.versions import give_up_unfinished

    kept = upload(named, create(named), model_dir())
    for orphan in (root() / ("9" * 32) / "m" / "1", root() / named.workspace.id / "gone" / "2.pending"):
        shutil.copytree(kept, orphan)
    give_up_unfinished(timezone.now())
    assert kept.is_dir()
    assert {path.parent.name + "/" + path.name for path in root().glob("*/*")} == {
        f"{named.workspace.id}/{model_folder(row(named, '1').registered_model).name}"
    }
