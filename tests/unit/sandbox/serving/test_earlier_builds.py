"""What was built is not built again: of one's own, of the site's examples, and nothing of anybody else's."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from sandbox import public
from sandbox.builds import store
from sandbox.builds.fingerprint import fingerprint
from sandbox.builds.operations import BuiltModel
from sandbox.registry.example_models import EXAMPLES, install_models, model_directory
from sandbox.serving import earlier_builds, model_builds
from sandbox.serving.models import BuildStatus, ModelBuild
from sandbox.workspaces.models import Workspace

OWN = "0" * 64


@pytest.fixture
def stranger(workspace: Any) -> Workspace:
    return Workspace.objects.get(id=public.isolated_workspace("stranger", 600).workspace_id)


def open_build(workspace: Workspace, name: str = "main.default.churn", version: str = "1") -> ModelBuild:
    return ModelBuild.objects.create(workspace=workspace, entity_name=name, entity_version=version, source=f"{name} {version}")


def was_built(workspace: Workspace, files: str, content: bytes, into: Path) -> ModelBuild:
    """A build that is done, of files with this fingerprint."""
    sha256, _ = store.put(into, content)
    build = open_build(workspace, f"main.default.model_{ModelBuild.objects.count()}")
    build.status, build.fingerprint, build.model_sha256, build.finished_at = BuildStatus.READY, files, sha256, timezone.now()
    build.signature, build.log, build.runtime = {"inputs": content.decode()}, f"Built {content.decode()}.", "pyfunc"
    build.save()
    return build


def test_it_works(workspace: Any, settings: Any) -> None:
    was_built(workspace, OWN, b"first", settings.MODEL_DIR)
    newest = was_built(workspace, OWN, b"second", settings.MODEL_DIR)
    found = earlier_builds.find(open_build(workspace), OWN)
    assert found is not None
    assert (found.sha256, found.runtime, found.signature) == (newest.model_sha256, "pyfunc", {"inputs": "second"})
    assert found.path.read_bytes() == b"second"
    assert found.log == f"{earlier_builds.SAME_FILES}\nBuilt second."
    assert earlier_builds.find(open_build(workspace, version="2"), "1" * 64) is None
    assert earlier_builds.find(open_build(workspace, version="3"), "") is None


def test_nobody_finds_what_another_workspace_has_built(workspace: Any, stranger: Workspace, settings: Any) -> None:
    was_built(workspace, OWN, b"mine", settings.MODEL_DIR)
    assert earlier_builds.find(open_build(stranger), OWN) is None
    assert earlier_builds.find(open_build(workspace), OWN) is not None


def keep(files: str, content: bytes, into: Path) -> BuiltModel:
    """What a build hands over, when it has built files with this fingerprint."""
    sha256, path = store.put(into, content)
    built = BuiltModel(sha256, path, {"inputs": content.decode()}, f"Built {content.decode()}.", runtime="pyfunc")
    earlier_builds.keep_for_all(built, files)
    return built


def test_the_examples_are_found_by_everybody(workspace: Any, stranger: Workspace, settings: Any) -> None:
    for example in EXAMPLES:
        files = fingerprint(model_directory(example))
        assert earlier_builds.find(open_build(stranger, version=f"{example.directory} before"), files) is None
        keep(files, b"damaged", settings.MODEL_DIR)
        keep(files, example.directory.encode(), settings.MODEL_DIR)
        found = earlier_builds.find(open_build(stranger, version=example.directory), files)
        assert found is not None
        assert found.path.read_bytes() == example.directory.encode()
    keep(OWN, b"mine", settings.MODEL_DIR)
    assert earlier_builds.find(open_build(stranger), OWN) is None
    assert earlier_builds.find(open_build(workspace), OWN) is None


def test_a_build_takes_over_what_it_finds(stranger: Workspace, settings: Any) -> None:
    """An example as the registry gives it is the one that lies in the fixtures."""
    files = fingerprint(model_directory(EXAMPLES[0]))
    champion = keep(files, b"champion", settings.MODEL_DIR)
    install_models(stranger.id)
    build = model_builds.find_or_open(stranger, "main.default.churn", "1")
    assert model_builds.run(build.id) == []
    build.refresh_from_db()
    assert (build.status, build.model_sha256, build.runtime) == (BuildStatus.READY, champion.sha256, "pyfunc")
    assert (build.fingerprint, build.signature) == (files, {"inputs": "champion"})
    assert build.log == f"{earlier_builds.SAME_FILES}\nBuilt champion."


@pytest.mark.parametrize("damage", [b"other", None])
def test_a_file_that_is_lost_or_damaged_is_built_again(workspace: Any, settings: Any, damage: bytes | None) -> None:
    path = settings.MODEL_DIR / was_built(workspace, OWN, b"first", settings.MODEL_DIR).model_sha256
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    assert earlier_builds.find(open_build(workspace), OWN) is None


def test_a_build_that_failed_or_is_under_way_is_not_found(workspace: Any, settings: Any) -> None:
    build = was_built(workspace, OWN, b"first", settings.MODEL_DIR)
    for status in (BuildStatus.FAILED, BuildStatus.BUILDING, BuildStatus.WAITING):
        ModelBuild.objects.filter(id=build.id).update(status=status)
        assert earlier_builds.find(open_build(workspace, version=status), OWN) is None


# --- the fingerprint -----------------------------------------------------------------------------


def test_every_file_and_every_name_counts(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "code" / "a.py").write_text("one = 1")
    seen = [fingerprint(folder)]
    assert fingerprint(shutil.copytree(folder, tmp_path / "copy")) == seen[0]

    (folder / "code" / "a.py").write_text("one = 2")
    seen.append(fingerprint(folder))
    (folder / "code" / "a.py").rename(folder / "code" / "b.py")
    seen.append(fingerprint(folder))
    (folder / "requirements.txt").write_text("numpy")
    seen.append(fingerprint(folder))
    (folder / "code" / "b.py").write_text("one = 2numpy")  # the same bytes, cut elsewhere
    (folder / "requirements.txt").write_text("")
    seen.append(fingerprint(folder))
    assert len({*seen}) == len(seen) == 5
    assert all(len(each) == 64 for each in seen)
