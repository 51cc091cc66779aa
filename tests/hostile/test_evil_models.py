"""Hostile model files fail their own build, with a sentence, and reach nothing."""

from pathlib import Path

import pytest

from sandbox.builds import operations
from sandbox.builds.operations import BuildFailed, build_model
from sandbox.jail.limits import GIB, Limits
from tests.hostile.evil_models import evil_pickles, evil_skops, model_folder, runs

NAMES = list(evil_pickles(Path("/nowhere/bait")))


@pytest.fixture
def bait(tmp_path: Path) -> Path:
    file = tmp_path / "site" / "secret"
    file.parent.mkdir(mode=0o777)
    file.write_text("a-secret-of-the-site")
    return file


@pytest.mark.parametrize("name", NAMES)
def test_an_evil_pickle_reaches_nothing(name: str, bait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "BUILD_LIMITS", Limits(cpu_s=5, wall_s=120, address_space_bytes=3 * GIB))
    folder = model_folder(tmp_path / "model", evil_pickles(bait)[name])
    with pytest.raises(BuildFailed) as caught:
        build_model(folder, into=tmp_path / "store")
    assert caught.value.message
    assert "a-secret-of-the-site" not in caught.value.message + caught.value.log
    assert [each.name for each in bait.parent.iterdir()] == ["secret"]
    assert not (tmp_path / "store").exists()


def test_a_build_does_not_see_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "a-secret-of-the-site")
    folder = model_folder(tmp_path / "model", runs("import os; raise ValueError(str(dict(os.environ)))"))
    with pytest.raises(BuildFailed) as caught:
        build_model(folder, into=tmp_path / "store")
    assert "a-secret-of-the-site" not in caught.value.message + caught.value.log


def test_a_skops_file_is_loaded_by_our_list_and_not_by_its_own(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", evil_skops(), "model.skops", serialization_format="skops")
    text = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(
        text.replace("serialization_format", "skops_trusted_types: [posixpath.expandvars]\n    serialization_format")
    )
    with pytest.raises(BuildFailed, match='does not have the "python_function" flavor') as caught:
        build_model(folder, into=tmp_path / "store")
    assert "types that are not trusted here: posixpath.expandvars" in caught.value.log


def test_a_loader_of_ones_own_is_run_in_the_jail_alone(tmp_path: Path, bait: Path) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "evil.py").write_text(f"open({str(bait)!r})")
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: evil\n    code: code\n")
    with pytest.raises(BuildFailed, match=r"An error occurred while loading the model. PermissionError: "):
        build_model(folder, into=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_links_are_not_followed(tmp_path: Path, bait: Path) -> None:
    folder = model_folder(tmp_path / "model", b"")
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to(bait)
    with pytest.raises(BuildFailed, match=r"names 'model.pkl', which is not among the model's files"):
        build_model(folder, into=tmp_path / "store")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", b"")
    for number in range(operations.MOST_FILES):
        (folder / f"file{number}").touch()
    with pytest.raises(BuildFailed, match="more than 200 files"):
        build_model(folder, into=tmp_path / "store")
