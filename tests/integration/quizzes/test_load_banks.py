"""Loading banks: again changes nothing, a change makes a version, history is kept."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from quizzes.bank_files import read_banks
from quizzes.banks import Loaded, load_banks
from quizzes.models import Exam, Form, Item, ItemVersion, Lab, Option
from quizzes.models.immutable import ImmutableRowError

pytestmark = pytest.mark.django_db
BANKS = settings.FIXTURES_DIR / "banks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of three banks and the labs that a test may change."""
    (tmp_path / "banks").mkdir()
    for name in ("blueprints", "misconceptions", "custom_models", "external_models", "foundation_models"):
        shutil.copy(BANKS / f"{name}.yaml", tmp_path / "banks")
    shutil.copytree(settings.FIXTURES_DIR / "labs", tmp_path / "labs")
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "banks" / "custom_models.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_it_loads_the_fixtures() -> None:
    """All of them, as a site does at its first start."""
    banks = read_banks(BANKS)
    count = sum(len(bank.items) for bank in banks)
    out = StringIO()
    call_command("load_banks", stdout=out)
    assert f"{count} items ({count} new, {count} new versions, 0 retired), 1 labs." in out.getvalue()
    assert Exam.objects.count() == 3
    assert Lab.objects.get().slug == "champion-challenger"
    assert Option.objects.count() == sum(len(item.options) for bank in banks for item in bank.items)
    assert not Item.objects.filter(exam=None).exists()
    for bank in banks:
        assert Form.objects.get(slug=bank.slug.replace("_", "-")).form_items.count() == len(bank.items)
    assert load_banks(BANKS) == Loaded(items=count, new_items=0, new_versions=0, retired=0)


def test_loading_again_changes_nothing(folder: Path) -> None:
    load_banks(folder / "banks")
    versions = list(ItemVersion.objects.values_list("pk", "created_at"))
    assert load_banks(folder / "banks") == Loaded(items=22, new_items=0, new_versions=0, retired=0)
    assert list(ItemVersion.objects.values_list("pk", "created_at")) == versions


def test_a_changed_item_gets_a_new_version_and_keeps_the_old_one(folder: Path) -> None:
    load_banks(folder / "banks")
    change(folder, "There is no default version.", "No version is the default.")
    assert load_banks(folder / "banks") == Loaded(items=22, new_items=0, new_versions=1, retired=0)
    item = Item.objects.get(key="custom-split-adds-up")
    assert item.current is not None
    assert (item.current.number, item.versions.count()) == (2, 2)
    assert item.current.options.get(position=1).rationale.startswith("No version is the default.")
    assert item.versions.get(number=1).options.get(position=1).rationale.startswith("There is no default version.")


def test_an_item_that_no_file_holds_is_retired_and_can_come_back(folder: Path) -> None:
    load_banks(folder / "banks")
    change(folder, "key: custom-missing-endpoint", "key: custom-absent-endpoint")
    assert load_banks(folder / "banks") == Loaded(items=22, new_items=1, new_versions=1, retired=1)
    assert Item.objects.get(key="custom-missing-endpoint").retired
    change(folder, "key: custom-absent-endpoint", "key: custom-missing-endpoint")
    assert load_banks(folder / "banks") == Loaded(items=22, new_items=0, new_versions=0, retired=1)
    assert not Item.objects.get(key="custom-missing-endpoint").retired


def test_a_bank_with_an_error_loads_nothing(folder: Path) -> None:
    change(folder, "The exception `ResourceDoesNotExist`, from status 404", "All of the above")
    with pytest.raises(CommandError) as caught:
        call_command("load_banks", folder=folder)
    assert "1 errors; nothing was loaded" in str(caught.value)
    assert Item.objects.count() == 0


def test_a_site_starts_without_the_bank_that_has_an_error(folder: Path) -> None:
    load_banks(folder / "banks")
    change(folder, "The exception `ResourceDoesNotExist`, from status 404", "All of the above")
    (folder / "banks" / "unreadable.yaml").write_text("items: [")
    err = StringIO()
    call_command("load_banks", folder=folder, skip_broken=True, stderr=err)
    assert "custom-missing-endpoint: 'All of the above'" in err.getvalue()
    assert "unreadable.yaml is not valid YAML" in err.getvalue()
    untouched = Item.objects.get(key="custom-missing-endpoint")
    assert (untouched.retired, untouched.versions.count()) == (False, 1)


def test_versions_and_options_are_never_changed_or_deleted(folder: Path) -> None:
    load_banks(folder / "banks")
    version = ItemVersion.objects.all()[0]
    option = version.options.all()[0]
    version.stem = "Another?"
    for forbidden in (
        version.save,
        version.delete,
        option.save,
        option.delete,
        lambda: Option.objects.update(is_key=True),
        lambda: Option.objects.all().delete(),
        lambda: ItemVersion.objects.filter(pk=version.pk).update(stem="Another?"),
    ):
        with pytest.raises(ImmutableRowError):
            forbidden()


def test_the_lint_command_lists_findings_and_fails_on_errors(folder: Path) -> None:
    out = StringIO()
    call_command("lint_items", folder=folder / "banks", stdout=out)
    assert "22 items, 0 errors" in out.getvalue()
    change(folder, "bloom: remember", "bloom: guess")
    out = StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("lint_items", folder=folder / "banks", stdout=out)
    assert caught.value.code == 1
    assert "custom-missing-endpoint  [naming]  bloom is 'guess'" in out.getvalue()
