"""Hostile and broken files: refused with a sentence, or item by item; nothing of them is run."""

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from quizzes.bank_files import parse_bank
from quizzes.interchange import importing, uploads
from quizzes.interchange.formats import FORMATS, export
from quizzes.models import Item
from tests.integration.quizzes.exchange_files import CANVAS, INTO_NEW, MOODLE, archive
from tests.integration.quizzes.importing.steps import Dry, csv_items, item_of, reasons, states, stored, texts

pytestmark = pytest.mark.django_db


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
