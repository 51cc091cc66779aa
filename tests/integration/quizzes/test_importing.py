"""Imports: the dry run, what is stored, files of other systems, hostile files, the pages and who may open them."""

import html
import io
import os
import re
import shutil
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from quizzes.bank_files import parse_bank, read_bank, read_banks
from quizzes.banks import load_banks
from quizzes.interchange import importing, uploads
from quizzes.interchange.formats import FORMATS, export
from quizzes.interchange.planning import Plan, Wishes
from quizzes.item_specs import ItemSpec
from quizzes.models import Form, ImportRun, Item, ItemEvent
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.exchange_files import CANVAS, DEFAULTS, GIFT, INTO_CUSTOM, INTO_NEW, MOODLE, archive

pytestmark = pytest.mark.django_db
BANKS = django_settings.FIXTURES_DIR / "banks"
KEY = "custom-split-adds-up"


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """A folder with two banks, loaded."""
    made = tmp_path / "banks"
    made.mkdir()
    for name in ("blueprints", "misconceptions", "custom_models", "external_models"):
        shutil.copy(BANKS / f"{name}.yaml", made)
    settings.FIXTURES_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    load_banks(made)
    return made


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


Dry = Callable[..., ImportRun]


@pytest.fixture
def dry(folder: Path, author: User) -> Dry:
    """The run after its dry run."""

    def run(data: bytes | str, form: str, wishes: Wishes = INTO_CUSTOM) -> ImportRun:
        made = importing.keep(author, "file.txt", data.encode() if isinstance(data, str) else data, form, wishes)
        assert importing.read_import(made.pk)
        made.refresh_from_db()
        return made

    return run


def stored(run: ImportRun, *, without_refused: bool = False) -> ImportRun:
    """The run after its confirmation, as the worker leaves it."""
    ImportRun.objects.filter(pk=run.pk, state="planned").update(state="confirmed", without_refused=without_refused)
    assert importing.store_import(run.pk)
    run.refresh_from_db()
    return run


def states(plan: Plan) -> dict[str, str]:
    return {entry.key or entry.where: entry.state for entry in plan.entries}


def reasons(run: ImportRun, name: str) -> str:
    return " ".join(next(e for e in importing.plan_of(run).entries if name in (e.key, e.where)).reasons)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


# --- what comes back from an export ---------------------------------------------------------------


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


# --- files of other systems -----------------------------------------------------------------------


def item_of(folder: Path, bank: str, key: str) -> ItemSpec:
    return next(item for item in read_bank(folder / f"{bank}.yaml").items if item.key == key)


def test_gift_with_html_and_unknown_types(dry: Dry, folder: Path) -> None:
    run = dry(GIFT, "gift")
    assert states(importing.plan_of(run)) == {
        "q-one": "new", "line 11": "refused", "line 13": "refused", "q-four": "refused", "line 21": "refused",
    }  # fmt: skip
    assert "true/false or a short answer" in reasons(run, "line 11")
    assert "numerical" in reasons(run, "line 13")
    assert "3 of its options have no rationale ('Oak'; 'Elm'; 'Fir')" in reasons(run, "q-four")
    before = texts(folder)
    assert not importing.confirm(run, without_refused=False)
    assert texts(folder) == before
    assert stored(run, without_refused=True).message == "1 new, 0 changed, 0 as they were; 4 left out."
    found = item_of(folder, "custom_models", "q-one")
    assert found.stem == "A bakery forecasts demand for bread at its endpoint. Which call asks the model?"
    assert [(o.text, o.is_key, o.rationale) for o in found.options] == [
        ("A listing of endpoints", False, "It names endpoints and sends no rows anywhere."),
        ("A query with its rows", True, "Rows sent to the invocations address are scored."),
        ("A fresh registration", False, "That stores another version and asks nothing."),
        ("A grant of rights", False, "It says who may call, and calls nothing itself."),
    ]
    assert (found.exam, found.objective, found.difficulty) == ("ml-associate", "query-custom-model", "medium")
    assert (found.source.url, str(found.expires_on)) == (DEFAULTS["source_url"], "2027-05-01")
    assert {o.misconception for o in found.options} == {"imported-not-tagged"}
    assert Item.objects.get(key="q-one").form_items.get().form.slug == "custom-models"


def test_moodle_with_html_code_scripts_and_an_essay(dry: Dry, folder: Path) -> None:
    run = dry(MOODLE, "moodle_xml", INTO_NEW)
    plan = importing.plan_of(run)
    assert states(plan) == {"greenhouse-rows": "new", "line 16": "refused", "kinds-of-orchard": "new"}
    assert "'essay' cannot be imported" in reasons(run, "line 16")
    assert ("line 4", "Markup was turned into plain text: script.") in plan.losses
    assert stored(run, without_refused=True).state == "stored", run.message
    found = item_of(folder, "from_elsewhere", "greenhouse-rows")
    assert found.stem == "A greenhouse sends humidity to its endpoint. Which field is missing?"
    assert found.stimulus is not None
    assert found.stimulus.code == '{"columns": ["humidity"]}'
    assert [(o.text, o.is_key) for o in found.options] == [
        ("The `index` list", False), ("The `data` list", True), ("The `name` text", False),
    ]  # fmt: skip
    assert found.options[1].rationale == "Without rows there & then is nothing to score."
    pairs = item_of(folder, "from_elsewhere", "kinds-of-orchard").options
    assert [(o.prompt, o.text) for o in pairs] == [
        ("Apple orchard", "Pippins"), ("Cherry orchard", "Morellos"), ("Plum orchard", "Damsons"),
    ]  # fmt: skip
    assert {o.rationale for o in pairs} == {"Each fruit grows in the orchard that bears its name."}
    assert list(Form.objects.get(slug="from-elsewhere").form_items.values_list("item__key", flat=True)) == [
        "greenhouse-rows", "kinds-of-orchard",
    ]  # fmt: skip


def test_canvas(dry: Dry, folder: Path) -> None:
    files = {"imsmanifest.xml": b"<manifest/>", "g1/assessment_meta.xml": b"<quiz/>", "g1/g1.xml": CANVAS.encode()}
    run = dry(archive(files), "qti_1_2", INTO_NEW)
    plan = importing.plan_of(run)
    assert [entry.state for entry in plan.entries] == ["new", "new", "new", "refused"], plan
    assert "asks for something else" in " ".join(plan.entries[-1].reasons)
    assert stored(run, without_refused=True).state == "stored", run.message
    one, two, three = (item_of(folder, "from_elsewhere", key) for key in ("i1a", "i2b", "i3c"))
    assert one.stem == "A winery scores grapes nightly. Which table keeps answers?"
    assert [(o.text, o.is_key, o.rationale) for o in one.options] == [
        ("Inference table", True, "Requests and answers land there."),
        ("Feature lookups", False, "They are read for a call."),
        ("Registry events", False, "They tell of versions alone."),
    ]
    assert two.kind == "multiple"
    assert two.key_texts == ["A baseline of old grapes", "A window of new grapes"]
    assert [(o.prompt, o.text) for o in three.options] == [
        ("Cask of Bordeaux", "French oak"), ("Cask of Tokaj", "Hungarian oak"), ("Cask of Barolo", "Sweet chestnut"),
    ]  # fmt: skip


# --- all or nothing -------------------------------------------------------------------------------


def csv_items(count: int, **more: str) -> bytes:
    """Items whose words are all their own."""
    head = ["key", "kind", "stem", *(f"option_{n}_{c}" for n in range(1, 4) for c in ("text", "is_key", "rationale")), *more]
    lines = [",".join(head)]
    for number in range(count):
        words = [f"{stem}{number}" for stem in ("plain", "slope", "ridge")]
        options = [
            cell
            for place, word in enumerate(words)
            for cell in (f"The {word} way", "yes" if place == number % 3 else "no", f"Because of {word}.")
        ]
        lines.append(
            ",".join(
                [
                    f"made-{number}",
                    "single",
                    f"Town{number} asks gully{number} which marsh{number} fits?",
                    *options,
                    *more.values(),
                ]
            )
        )
    return "\n".join(lines).encode()


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
        "refused", "The file has 10000 items; 2000 at once are allowed. Part it. Nothing was stored.",
    )  # fmt: skip
    assert uploads.read(run.pk) is None
    begun = time.perf_counter()
    run = dry(csv_items(1_000), "csv", INTO_NEW)
    planned_s = time.perf_counter() - begun
    assert (run.state, run.done, run.total) == ("planned", 1_000, 1_000)
    assert importing.plan_of(run).count("new") == 1_000
    begun = time.perf_counter()
    assert stored(run).state == "stored", run.message
    with capsys.disabled():
        print(f"\n10,000 refused {refused_s:.1f} s, 1,000 planned {planned_s:.1f} s, stored {time.perf_counter() - begun:.1f} s")
    assert Item.objects.filter(bank="from_elsewhere").count() == 1_000


# --- hostile and broken files ---------------------------------------------------------------------


def lying(data: bytes) -> bytes:
    """The archive with a smaller size of its file than it has, in both places."""
    size = struct.pack("<I", zipfile.ZipFile(io.BytesIO(data)).infolist()[0].file_size)
    return data.replace(size, struct.pack("<I", 10))


def encrypted(data: bytes) -> bytes:
    """The archive with the flag of a password in both places."""
    at = data.rindex(b"PK\x01\x02")
    return data[:6] + b"\x01" + data[7 : at + 8] + b"\x01" + data[at + 9 :]


def xml(body: str, head: str = "") -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<quiz>{body}</quiz>'.encode()


LINES = '<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
EXTERNAL = '<!DOCTYPE quiz [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
ELSEWHERE = '<!DOCTYPE quiz SYSTEM "http://127.0.0.1:9/x.dtd">'
HOSTILE: list[tuple[str, str, Callable[[], bytes], str]] = [
    ("zip bomb", "qti_2_2", lambda: archive({"a.xml": b"<a>" + b" " * 50_000_000 + b"</a>"}), "unpacks to more than 200 times"),
    ("many large files", "qti_2_2", lambda: archive({f"{n}.xml": b" " * 900_000 for n in range(130)}), "more than 100 MB"),
    ("traversal", "qti_2_2", lambda: archive({"../../etc/cron.d/x.xml": b"<a/>"}), "leads out of it"),
    ("windows traversal", "qti_2_2", lambda: archive({"..\\..\\x.xml": b"<a/>"}), "leads out of it"),
    ("absolute", "qti_2_2", lambda: archive({"/etc/passwd.xml": b"<a/>"}), "leads out of it"),
    ("drive", "qti_2_2", lambda: archive({"C:/x.xml": b"<a/>"}), "leads out of it"),
    ("link", "qti_2_2", lambda: archive({"x.xml": b"/etc/passwd"}, external_attr=0xA1FF << 16, create_system=3), "is a link"),
    ("encrypted", "qti_2_2", lambda: encrypted(archive({"x.xml": b"<a/>"})), "is encrypted"),
    ("nested", "qti_1_2", lambda: archive({"inner.zip": archive({"x.xml": b"<a/>"})}), "another archive"),
    ("20,001 files", "qti_2_2", lambda: archive({f"{n}.xml": b"" for n in range(20_001)}), "20001 files"),
    ("lying size", "qti_2_2", lambda: lying(archive({"x.xml": os.urandom(500).hex().encode()})), "cannot be read"),
    ("cut off", "qti_2_2", lambda: archive({"x.xml": os.urandom(900).hex().encode()})[:-40], "cannot be read"),
    ("external entity", "moodle_xml", lambda: xml("&x;", EXTERNAL), "declares entities"),
    ("entity bomb", "moodle_xml", lambda: xml("&i;", f"<!DOCTYPE quiz [{LINES}]>"), ""),
    ("parameter entity", "moodle_xml", lambda: xml("", '<!DOCTYPE quiz [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]>'), ""),
    ("external dtd", "moodle_xml", lambda: xml("", ELSEWHERE), "document type elsewhere"),
    ("depth", "moodle_xml", lambda: xml("<a>" * 100_000 + "</a>" * 100_000), "not well-formed"),
    ("half a file", "moodle_xml", lambda: MOODLE.encode()[: len(MOODLE) // 2], "not well-formed"),
    ("invalid utf-8", "moodle_xml", lambda: xml("\xff").replace("ÿ".encode(), b"\xff\xfe"), "not well-formed"),
    ("null in xml", "moodle_xml", lambda: xml("<question/>").replace(b"<question/>", b"\x00"), "not well-formed"),
    ("utf-16 csv", "csv", lambda: "key,kind,stem".encode("utf-16"), "Line 1 is not UTF-8"),
    ("latin csv", "csv", lambda: b"key,kind\ncaf\xe9,single", "Line 2 is not UTF-8"),
    ("null csv", "csv", lambda: csv_items(1) + b"\x00", "null characters"),
    ("latin gift", "gift", lambda: b"ok\n\ncaf\xe9 {=a ~b}", "Line 3 is not UTF-8"),
    ("null gift", "gift", lambda: b"a \x00 {=a ~b}", "null characters"),
    ("giant cell", "csv", lambda: csv_items(1) + b"\nx,single," + b"y" * 200_000, "cannot be read"),
    ("giant head", "csv", lambda: b'"' + b"y" * 200_000, "cannot be read"),
    ("no columns", "csv", lambda: b"a,b\n1,2", "no column key"),
    ("a picture", "qti_3_0", lambda: b"\x89PNG\r\n\x1a\n" + bytes(50), "not well-formed"),
    ("nothing", "gift", lambda: b"  \n ", "is empty"),
    ("another format", "qti_2_2", lambda: MOODLE.encode(), "no QTI 2 or 3 item"),
    ("no item", "qti_1_2", lambda: archive({"a.xml": b"<manifest/>"}), "no QTI 1.2 item"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "make", "words"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_file_is_refused_with_a_sentence(
    dry: Dry, folder: Path, form: str, make: Callable[[], bytes], words: str
) -> None:
    before = texts(folder)
    run = dry(make(), form)
    assert run.state == "refused", (run.state, importing.plan_of(run))
    assert words in run.message
    assert run.message.endswith("Nothing was stored.")
    assert "error of this site" not in run.message
    assert "root:" not in run.message
    assert texts(folder) == before
    assert uploads.read(run.pk) is None


def test_a_broken_file_of_an_archive_does_not_hide_the_others(dry: Dry, folder: Path) -> None:
    files = {"good.xml": CANVAS.encode(), "bad.xml": CANVAS.encode()[:900], "worse.xml": b"\x00\xff"}
    run = dry(archive(files), "qti_1_2", INTO_NEW)
    found = states(importing.plan_of(run))
    assert (found["bad.xml"], found["worse.xml"], found["i1a"]) == ("refused", "refused", "new")
    assert "not well-formed" in reasons(run, "bad.xml")


def test_formulas_and_scripts_are_text(dry: Dry, folder: Path) -> None:
    rows = csv_items(1).decode().replace("The plain0 way", "=HYPERLINK(1)").replace("Because of slope0.", "<script>x</script>")
    run = stored(dry(rows, "csv"))
    assert run.state == "stored", run.message
    found = item_of(folder, "custom_models", "made-0")
    assert found.options[0].text == "=HYPERLINK(1)"
    data, _ = export([found], FORMATS["csv"])
    assert b",'=HYPERLINK(1)," in data
    item = Item.objects.select_related("current").get(key="made-0")
    assert item.current is not None
    assert item.current.options.get(position=2).rationale == "<script>x</script>"


def test_html_that_is_nested_without_end_refuses_its_item(dry: Dry, folder: Path) -> None:
    deep = MOODLE.replace("<p>A greenhouse", "<div>" * 20_000 + "<p>A greenhouse")
    run = dry(deep, "moodle_xml", INTO_NEW)
    assert run.state == "planned", run.message
    assert states(importing.plan_of(run))["kinds-of-orchard"] == "new"


def test_strange_characters_and_paths_in_keys_go(dry: Dry, folder: Path) -> None:
    rows = csv_items(2).decode().replace("made-0", "../../etc/Passwd").replace("made-1", "Überraschung\u2028\x07!")
    run = dry(rows, "csv", INTO_NEW)
    assert set(states(importing.plan_of(run))) == {"etc-passwd", "berraschung"}
    assert stored(run).state == "stored", run.message
    assert parse_bank((folder / "from_elsewhere.yaml").read_text(), "x").slug == "from_elsewhere"


# --- uploads and pages ----------------------------------------------------------------------------


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


@pytest.fixture
def client(author: User, sign_in: SignIn) -> Client:
    return sign_in(author)


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


def shown(answer: Any) -> str:
    return html.unescape(answer.content.decode())


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


# --- export ---------------------------------------------------------------------------------------


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_losses_are_said_before_and_inside(client: Client, folder: Path) -> None:
    page = shown(client.get(reverse("export_items"), {"format": "gift", "words": "retailer SPLIT"}))
    assert "1 of 1 item go into" in page
    name = f"proving-ground-selection-{timezone.now().date().isoformat()}.gift.txt"
    assert name in page
    assert re.search(r"Not carried: .*misconception, proof, evidence\.", page)
    answer = client.get(reverse("export_file", args=["file"]), {"format": "gift", "words": "retailer SPLIT"})
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
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
