"""Files as GIFT, Moodle and Canvas write them."""

from pathlib import Path

import pytest

from quizzes.interchange import importing
from quizzes.models import Form, Item
from tests.integration.quizzes.exchange_files import CANVAS, DEFAULTS, GIFT, INTO_NEW, MOODLE, archive
from tests.integration.quizzes.importing.steps import Dry, item_of, reasons, states, stored, texts

pytestmark = pytest.mark.django_db


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
