"""`platform/` is a source root and never a package: a package of that name would hide the standard library's module."""

import platform
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_standard_librarys_platform_module_is_the_one_imported() -> None:
    assert platform.__file__ is not None
    assert Path(platform.__file__).is_relative_to(sysconfig.get_path("stdlib"))
    assert platform.system()


def test_the_source_root_is_no_package_and_has_no_loose_module() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert list((ROOT / "platform").glob("*.py")) == []


def test_settings_come_from_the_source_root() -> None:
    import config.settings

    assert Path(config.settings.__file__) == ROOT / "platform" / "config" / "settings.py"


def test_no_tests_lie_under_the_source_root_and_no_test_folder_has_its_name() -> None:
    """Either would make pytest import a module called `platform`."""
    assert list((ROOT / "platform").rglob("test_*.py")) == []
    assert list((ROOT / "platform").rglob("conftest.py")) == []
    assert [folder for folder in (ROOT / "tests").rglob("platform") if folder.is_dir()] == []


def test_importing_config_makes_the_apps_importable() -> None:
    import config  # noqa: F401 - its import is what is tested

    assert str(ROOT) in sys.path
