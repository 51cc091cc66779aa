"""Exports that come back, changed elsewhere or not."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from quizzes.bank_files import read_bank, read_banks
from quizzes.interchange import importing, uploads
from quizzes.interchange.formats import FORMATS, export
from quizzes.models import Item, ItemEvent
from sandbox.models import User
from tests.integration.quizzes.importing.steps import BANKS, KEY, Dry, states, stored, texts

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slug", ["csv", "gift", "moodle_xml", "qti_2_2", "qti_3_0"])
def test_an_export_that_comes_back_changes_nothing(dry: Dry, folder: Path, slug: str) -> None:
    """Proofs, evidence and whatever else the format does not carry is found under the item's key."""
    specs = [item for bank in read_banks(folder) for item in bank.items]
    data, _ = export(specs, FORMATS[slug])
    run = dry(data, slug)
    assert run.state == "planned", run.message
    assert states(importing.plan_of(run)) == {spec.key: "same" for spec in specs if spec.kind != "computed"}


@pytest.mark.parametrize("slug", ["csv", "gift", "moodle_xml", "qti_2_2", "qti_3_0"])
def test_every_bank_of_the_site_comes_back_the_same(slug: str, dry: Dry, folder: Path) -> None:
    """All kinds of items, in every format."""
    for path in BANKS.glob("*.yaml"):
        shutil.copy(path, folder)
    specs = [item for bank in read_banks(folder) for item in bank.items]
    data, report = export(specs, FORMATS[slug])
    assert {line.where for line in report.refusals} == {spec.key for spec in specs if spec.kind == "computed"}
    run = dry(data, slug)
    assert run.state == "planned", run.message
    plan = importing.plan_of(run)
    assert [(e.key, e.state, e.changes, e.reasons) for e in plan.entries if e.state != "same"] == []
    assert plan.count("same") == sum(spec.kind != "computed" for spec in specs)


def test_a_change_made_elsewhere_is_laid_over_the_item(dry: Dry, folder: Path, author: User) -> None:
    specs = {item.key: item for item in read_bank(folder / "custom_models.yaml").items}
    old = specs[KEY]
    options = tuple(replace(o, rationale="Every share is given by its own route.") if o.is_key else o for o in old.options)
    new = replace(old, stem=old.stem.replace("retailer", "book shop"), options=options)
    assert new.stem != old.stem
    data, _ = export([new, *(spec for key, spec in specs.items() if key != KEY)], FORMATS["moodle_xml"])
    before = texts(folder)
    run = dry(data, "moodle_xml")
    entry = next(e for e in importing.plan_of(run).entries if e.key == KEY)
    assert (entry.state, entry.changes) == ("changed", ["stem", "options"])
    assert importing.plan_of(run).count("same") == len(specs) - 1
    assert texts(folder) == before
    assert stored(run).state == "stored", run.message
    found = {item.key: item for item in read_bank(folder / "custom_models.yaml").items}
    assert found[KEY] == new  # proofs, sources and dates included
    assert {key: item for key, item in found.items() if key != KEY} == {k: i for k, i in specs.items() if k != KEY}
    item = Item.objects.select_related("current").get(key=KEY)
    assert item.current is not None
    assert (item.current.number, item.current.stem) == (2, new.stem)
    event = ItemEvent.objects.get()
    assert (event.item, event.kind, event.actor) == (item, "imported", author)
    assert event.detail == "From file.txt (Moodle XML); version 2."
    assert uploads.read(run.pk) is None
