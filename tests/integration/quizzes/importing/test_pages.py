"""The pages of an import, mistakes in the form, who may open them; and what an export says."""

import io
import os
import re
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from quizzes.bank_files import read_banks
from quizzes.interchange import importing, uploads
from quizzes.models import ImportRun, Item
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.exchange_files import DEFAULTS, GIFT
from tests.integration.quizzes.importing.steps import KEY, Dry, csv_items, shown, stored

pytestmark = pytest.mark.django_db


def test_a_file_is_kept_for_an_hour(dry: Dry) -> None:
    run, fresh = dry(csv_items(1), "csv"), dry(csv_items(1), "csv")
    assert uploads.path_of(run.pk).stat().st_mode & 0o777 == 0o600
    old = time.time() - uploads.KEPT_S - 1
    os.utime(uploads.path_of(run.pk), (old, old))
    ImportRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(hours=2))
    importing.forget_uploads()
    run.refresh_from_db()
    fresh.refresh_from_db()
    assert (run.state, uploads.read(run.pk)) == ("gone", None)
    assert (fresh.state, uploads.read(fresh.pk)) == ("planned", csv_items(1))
    assert stored(run).state == "gone"


def fields(**more: Any) -> dict[str, Any]:
    file = SimpleUploadedFile("../my file.csv", csv_items(2))
    return {
        "file": file,
        "format": "csv",
        "bank": "custom_models",
        "declaration": "on",
        **DEFAULTS,
        "expires_on": in_days(90),
        **more,
    }


def in_days(days: int) -> str:
    return (timezone.now().date() + timedelta(days=days)).isoformat()


def test_from_the_form_to_the_bank(client: Client, folder: Path) -> None:
    answer = client.post(reverse("import_items"), fields())
    run = ImportRun.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, reverse("import_run", args=[run.pk]))
    assert "background worker cannot be reached; nothing was stored" in shown(client.get(answer["Location"]))
    uploads.keep(run.pk, csv_items(2))  # the worker is there again
    ImportRun.objects.update(state="queued")
    importing.read_import(run.pk)
    page = shown(client.get(reverse("import_run", args=[run.pk])))
    assert page.count("made-") == 2
    assert "Import 2 items" in page
    assert Item.objects.filter(key="made-0").count() == 0
    assert client.post(reverse("confirm_import", args=[run.pk])).status_code == 302
    ImportRun.objects.update(state="confirmed")
    importing.store_import(run.pk)
    assert "2 new, 0 changed, 0 as they were." in shown(client.get(reverse("import_run", args=[run.pk])))
    assert Item.objects.filter(key__startswith="made-").count() == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"file": ""}, "Choose a file."),
        ({"file": SimpleUploadedFile("a.csv", b"")}, "The file is empty."),
        ({"declaration": ""}, "Only items that may be used here"),
        ({"bank": ""}, "A new bank needs a name and a title."),
        ({"bank": "", "new_bank": "blueprints", "title": "X"}, "is taken"),
        ({"bank": "", "new_bank": "custom_models", "title": "X"}, "is taken"),
        ({"bank": "", "new_bank": "../../evil", "title": "X"}, "small letters, digits and underscores"),
        ({"new_bank": "../evil", "title": "X"}, "small letters, digits and underscores"),
        ({"bank": "nowhere"}, "Select a valid choice"),
        ({"format": "docx"}, "Select a valid choice"),
        ({"expires_on": in_days(400)}, "within the next 180 days"),
        ({"source_url": "no address"}, "valid URL"),
    ],
)
def test_a_mistake_in_the_form_keeps_what_was_chosen(client: Client, folder: Path, more: dict[str, Any], words: str) -> None:
    answer = client.post(reverse("import_items"), fields(product_version="Version 8 of May", **more))
    page = shown(answer)
    assert answer.status_code == 422
    assert words in page
    assert 'value="Version 8 of May"' in page
    assert ImportRun.objects.count() == 0


def test_refused_items_need_a_word(client: Client, dry: Dry, folder: Path) -> None:
    run = dry(GIFT, "gift")
    page = shown(client.get(reverse("import_run", args=[run.pk])))
    assert "Import the others without the 4 that are refused" in page
    assert "The question is numerical" in page
    only = shown(client.get(reverse("import_run", args=[run.pk]) + "?state=new"))
    assert "q-one" in only
    assert "The question is numerical" not in only
    answer = client.post(reverse("confirm_import", args=[run.pk]), follow=True)
    assert "Nothing was stored. Some items are refused" in shown(answer)
    run.refresh_from_db()
    assert run.state == "planned"
    client.post(reverse("discard_import", args=[run.pk]))
    run.refresh_from_db()
    assert (run.state, uploads.read(run.pk)) == ("gone", None)


def test_an_import_is_for_its_author(
    dry: Dry, sign_in: SignIn, author: User, operator: User, learner: User, instructor: User
) -> None:
    run = dry(csv_items(1), "csv")
    other = User.objects.create_user("other", password="a password for tests", role="author")
    people = {"author": author, "other": other, "operator": operator, "learner": learner, "instructor": instructor}
    wanted = {"author": 200, "other": 404, "operator": 404, "learner": 403, "instructor": 403}
    url = reverse("import_run", args=[run.pk])
    assert {name: sign_in(user).get(url).status_code for name, user in people.items()} == wanted
    for name in ("confirm_import", "discard_import"):
        strangers = {who: user for who, user in people.items() if who != "author"}
        found = {who: sign_in(user).post(reverse(name, args=[run.pk])).status_code for who, user in strangers.items()}
        assert found == {who: wanted[who] for who in strangers}
    run.refresh_from_db()
    assert (run.state, uploads.read(run.pk)) == ("planned", csv_items(1))
    assert Client().get(url).status_code == 302
    assert sign_in(author).get(reverse("import_run", args=[987_654])).status_code == 404


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("import_items", []), ("export_items", []), ("export_file", ["file"]), ("fix_key", [KEY]), ("key_fix", [1])],
)
def test_who_is_no_author_gets_403(
    folder: Path, sign_in: SignIn, learner: User, instructor: User, operator: User, name: str, arguments: list[Any]
) -> None:
    url = reverse(name, args=arguments)
    assert [sign_in(user).get(url).status_code for user in (learner, instructor)] == [403, 403]
    assert [sign_in(user).post(url).status_code for user in (learner, instructor)] == [403, 403]
    assert sign_in(operator).get(url).status_code in {200, 404}
    assert Client().get(url).status_code == 302


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_losses_are_said_before_and_inside(client: Client, folder: Path) -> None:
    page = shown(client.get(reverse("export_items"), {"format": "gift", "words": "retailer SPLIT"}))
    assert "1 of 1 item go into" in page
    name = r"proving-ground-selection-\d{4}-\d\d-\d\d\.gift\.txt"
    assert re.search(name, page)
    assert re.search(r"Not carried: .*misconception, proof, evidence\.", page)
    answer = client.get(reverse("export_file", args=["file"]), {"format": "gift", "words": "retailer SPLIT"})
    assert re.fullmatch(f'attachment; filename="{name}"', answer["Content-Disposition"])
    text = body(answer).decode()
    assert f"// {KEY}: Not carried: " in text
    losses = body(client.get(reverse("export_file", args=["losses"]), {"format": "gift", "words": "retailer SPLIT"})).decode()
    assert losses.startswith(f"dropped: {KEY}: Not carried: ")
    packed = body(client.get(reverse("export_file", args=["file"]), {"format": "qti_3_0", "key": KEY}))
    with zipfile.ZipFile(io.BytesIO(packed)) as found:
        assert set(found.namelist()) == {"imsmanifest.xml", f"items/{KEY}.xml", "loss_report.txt"}
    moodle = body(client.get(reverse("export_file", args=["file"]), {"format": "moodle_xml"}))
    items = sum(len(bank.items) for bank in read_banks(folder))
    assert moodle.count(b'<question type="') == items
    assert moodle.count(b": Not carried: ") == items


def test_retired_items_are_exported_only_when_asked_for(client: Client, folder: Path) -> None:
    Item.objects.filter(key=KEY).update(retired=True)
    everything = body(client.get(reverse("export_file", args=["file"]), {"format": "csv"})).decode()
    assert f"\n{KEY}," not in everything
    assert f"\n{KEY}," in body(client.get(reverse("export_file", args=["file"]), {"format": "csv", "status": "retired"})).decode()
    for query in (
        {"format": "qti_1_2"},
        {"format": "x"},
        {"format": "csv", "words": "no such words"},
        {"format": "csv", "key": "none"},
    ):
        assert client.get(reverse("export_file", args=["file"]), query).status_code == 404
