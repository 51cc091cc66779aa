"""All or nothing: files that cannot be written, banks that changed meanwhile, dead workers, many items."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from quizzes.bank_files import read_bank, read_banks
from quizzes.interchange import importing, uploads
from quizzes.interchange.formats import FORMATS, export
from quizzes.models import ImportRun, Item, ItemEvent
from tests.integration.quizzes.exchange_files import INTO_NEW
from tests.integration.quizzes.importing.steps import KEY, Dry, csv_items, item_of, reasons, states, stored, texts

pytestmark = pytest.mark.django_db


def test_a_file_that_cannot_be_written_leaves_everything(dry: Dry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two banks are to change; the second file fails."""
    specs = [item for bank in read_banks(folder) for item in bank.items]
    changed = [replace(spec, stem=spec.stem.replace(" a ", " one ", 1)) for spec in specs]
    data, _ = export(changed, FORMATS["csv"])
    run = dry(data, "csv")
    assert {e.bank for e in importing.plan_of(run).entries if e.state == "changed"} == {"custom_models", "external_models"}
    before, real, calls = texts(folder), os.replace, []

    def failing(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("os.replace", failing)
    assert stored(run).state == "refused"
    assert "No space left on device" in run.message
    assert {name: text for name, text in texts(folder).items() if not name.startswith(".")} == before
    assert not Item.objects.filter(versions__number=2).exists()
    assert ItemEvent.objects.count() == 0


def test_banks_that_changed_since_the_dry_run_are_shown_first(dry: Dry, folder: Path) -> None:
    run = dry(csv_items(2), "csv")
    other = dry(csv_items(2), "csv")
    assert stored(run).message == "2 new, 0 changed, 0 as they were."
    before = texts(folder)
    again = stored(other)
    assert (again.state, again.message) == ("planned", importing.CHANGED)
    assert states(importing.plan_of(again)) == {"made-0": "same", "made-1": "same"}
    assert texts(folder) == before


def test_a_worker_that_died_over_an_import_is_replaced(dry: Dry, folder: Path) -> None:
    run = dry(csv_items(2), "csv")
    ImportRun.objects.filter(pk=run.pk).update(state="storing", started_at=timezone.now())
    assert not importing.store_import(run.pk)  # it may still live
    ImportRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - 2 * importing.LONGEST_SILENCE)
    assert importing.store_import(run.pk)
    run.refresh_from_db()
    assert run.state == "stored"
    assert Item.objects.filter(key__startswith="made-").count() == 2


def test_near_duplicates_and_doubled_keys_are_refused(dry: Dry, folder: Path) -> None:
    known = item_of(folder, "custom_models", KEY)
    twin = replace(known, key="twin", options=tuple(replace(o, text=f"{o.text} ") for o in known.options))
    data, _ = export([twin], FORMATS["csv"])
    assert f"Stem and key are nearly those of {KEY}" in reasons(dry(data, "csv"), "twin")
    rows = csv_items(1).decode().splitlines()
    run = dry("\n".join([*rows, rows[1]]), "csv")
    assert [entry.state for entry in importing.plan_of(run).entries] == ["new", "refused"]
    assert "Another item of the file has the key 'made-0'" in importing.plan_of(run).entries[1].reasons[0]


def test_keys_that_are_always_first_are_spread(dry: Dry, folder: Path) -> None:
    rows = [line.replace(",yes,", ",no,") for line in csv_items(24).decode().splitlines()]
    first = "\n".join([rows[0], *(line.replace(",no,", ",yes,", 1) for line in rows[1:])])
    run = stored(dry(first, "csv", INTO_NEW))
    assert run.state == "stored", run.message
    items = read_bank(folder / "from_elsewhere.yaml").items
    assert [item.key_position for item in items] == [number % 3 for number in range(24)]
    assert all(item.options[item.key_position].text.startswith("The plain") for item in items)


def test_many_items_are_handled_and_too_many_are_refused(dry: Dry, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.perf_counter()
    run = dry(csv_items(10_000), "csv")
    refused_s = time.perf_counter() - begun
    assert (run.state, run.message) == (
        "refused",
        "The file has 10,000 items; 2,000 at once are allowed. Make several files of it, the second one from line 2002 on, "
        "and import them into the same bank one after the other. Nothing was stored.",
    )
    assert uploads.read(run.pk) is None
    begun = time.perf_counter()
    run = dry(csv_items(500), "csv", INTO_NEW)
    planned_s = time.perf_counter() - begun
    assert (run.state, run.done, run.total) == ("planned", 500, 500)
    assert importing.plan_of(run).count("new") == 500
    begun = time.perf_counter()
    assert stored(run).state == "stored", run.message
    with capsys.disabled():
        print(f"\n10,000 refused {refused_s:.1f} s, 500 planned {planned_s:.1f} s, stored {time.perf_counter() - begun:.1f} s")
    assert Item.objects.filter(bank="from_elsewhere").count() == 500
