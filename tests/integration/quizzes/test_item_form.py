"""The editor's form: what was not changed stays as it is, character by character; mistakes stay beside their fields."""

import html
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from quizzes.bank_edit import block_of
from quizzes.banks import load_banks
from quizzes.item_form.fields import NAMES, FormItem
from quizzes.item_form.lines import form_of
from quizzes.models import Item
from quizzes.publishing import stored_block
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn

pytestmark = pytest.mark.django_db
SOURCE = "https://docs.databricks.com/aws/en/machine-learning/model-serving/serve-multiple-models-to-serving-endpoint"
BANK, KEY = "custom_models", "custom-split-adds-up"


@pytest.fixture
def bank(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("blueprints", "misconceptions", BANK):
        shutil.copy(django_settings.FIXTURES_DIR / "banks" / f"{name}.yaml", folder)
    settings.FIXTURES_DIR = settings.DATA_DIR = tmp_path
    load_banks(folder)
    return folder / f"{BANK}.yaml"


@pytest.fixture
def client(db: None, sign_in: SignIn) -> Client:
    return sign_in(User.objects.create_user("author", password="a password for tests", role="author"))


def sent(text: str, form: FormItem, base: str, **more: Any) -> dict[str, Any]:
    """What the form sends."""
    fields: dict[str, Any] = {name: form.fields[name] for name in NAMES}
    fields |= {"form": "1", "text": text, "base": base, "bank": BANK, "option": [o.name for o in form.options]}
    fields["key"] = [o.name for o in form.options if o.is_key]
    for o in form.options:
        fields |= {f"text-{o.name}": o.text, f"rationale-{o.name}": o.rationale, f"misconception-{o.name}": o.misconception}
    return fields | more


def opened(bank: Path, **more: Any) -> dict[str, Any]:
    """The form of the item as it stands in the file, with other values for some fields."""
    block = stored_block(BANK, KEY)
    return sent(block.text, form_of(bank.read_text(), KEY, bank.name), block.digest, **more)


def page(client: Client, name: str, fields: dict[str, Any], status: int = 200) -> str:
    answer = client.post(reverse(name, args=[KEY]), fields)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return html.unescape(answer.content.decode())


def shown_fields(shown: str) -> QueryDict:
    """What a browser would send of the form in a page (its text fields, selects and checks)."""
    found = QueryDict(mutable=True)
    for tag, name, body in re.findall(r'<textarea([^>]*) name="([^"]+)"[^>]*>\n?(.*?)</textarea>', shown, re.DOTALL):
        found.appendlist(name, body)
        assert tag is not None
    for attributes in re.findall(r"<input ([^>]*)>", shown):
        named, value = re.search(r'name="([^"]+)"', attributes), re.search(r'value="([^"]*)"', attributes)
        is_off = re.search(r'type="(radio|checkbox)"', attributes) and "checked" not in attributes
        if named and value and not is_off:
            found.appendlist(named[1], value[1])
    for name, choices in re.findall(r'<select[^>]* name="([^"]+)".*?>(.*?)</select>', shown, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', choices)
        found.appendlist(name, chosen[1] if chosen else "")
    return found


def test_the_page_opens_as_a_form_and_sends_what_stands_in_the_file(bank: Path, client: Client) -> None:
    before = bank.read_text()
    answer = client.get(reverse("author_edit", args=[KEY]))
    editor = answer.content.decode().split('id="editor-form"')[1].split("</form>")[0]
    fields = shown_fields(html.unescape(editor))
    assert fields["objective"] == "split-traffic"
    assert fields["source_dated"] == "2026-06-18"
    assert fields.getlist("option") == ["o1", "o2", "o3", "o4"]
    assert fields["key"] == "o2"
    saved = client.post(reverse("author_edit", args=[KEY]), dict(fields.lists()))
    assert saved.status_code == 302
    assert bank.read_text() == before
    assert Item.objects.get(key=KEY).versions.count() == 1


def test_one_field_changes_its_own_lines_and_keeps_proofs_anchors_and_comments(bank: Path, client: Client) -> None:
    bank.write_text(
        bank.read_text().replace(
            "    objective: split-traffic\n", "    # asked for by the trainers\n    objective: split-traffic\n", 1
        )
    )
    before = bank.read_text()
    fields = opened(bank, difficulty="hard", **{"rationale-o1": "No version is the default: a sum of 90 is refused."})
    page(client, "author_edit", fields, 302)
    after = bank.read_text()
    old, new = before.splitlines(), after.splitlines()
    gone, come = [line for line in old if line not in new], [line for line in new if line not in old]
    assert [line.split(". ")[0] for line in gone] == ["        rationale: There is no default version"]
    assert come == ["        rationale: 'No version is the default: a sum of 90 is refused.'"]
    assert block_of(after, KEY, "x").text.count("difficulty: hard") == 1
    assert "# asked for by the trainers" in after
    item = Item.objects.get(key=KEY)
    assert item.current is not None
    assert item.current.number == 2
    assert [bool(option.proof) for option in item.current.options.all()] == [True] * 4
    assert item.difficulty == "hard"


def test_a_comment_that_must_go_is_named(bank: Path, client: Client) -> None:
    bank.write_text(bank.read_text().replace("    bloom: apply\n", "    bloom: apply  # the trainers wanted more\n", 1))
    shown = page(client, "author_preview", opened(bank, bloom="analyse"))
    assert "Comments in the lines that change are not kept: <code># the trainers wanted more</code>" in shown
    assert "The linter has nothing to say" in shown


def test_options_are_moved_added_and_removed_before_anything_is_written(bank: Path, client: Client) -> None:
    before = bank.read_text()
    moved = page(client, "author_redraw", opened(bank, do="up-o3"))
    assert re.findall(r'name="option" value="(\w+)"', moved) == ["o1", "o3", "o2", "o4"]
    added = page(client, "author_redraw", opened(bank, do="add"))
    assert re.findall(r'name="option" value="(\w+)"', added) == ["o1", "o2", "o3", "o4", "n1"]
    removed = page(client, "author_redraw", opened(bank, do="remove-o4"))
    assert re.findall(r'name="option" value="(\w+)"', removed) == ["o1", "o2", "o3"]
    assert bank.read_text() == before
    names = ["o1", "o2", "n1", "o3"]
    new = {"text-n1": "One route `churn-1`: 80, since the other follows", "rationale-n1": "Each entity has its own route.",
           "misconception-n1": "split-remainder-is-implicit"}  # fmt: skip
    refused = page(client, "author_edit", opened(bank, option=names, **new), 422)
    assert re.search(r'id="error-no_proof">.*?Some options have a proof and others do not', refused, re.DOTALL) is not None
    page(client, "author_edit", opened(bank, option=names, no_proof="The new one is about to get its proof.", **new), 302)
    item = Item.objects.get(key=KEY)
    assert item.current is not None
    options = list(item.current.options.all())
    assert options[2].text == new["text-n1"]
    assert [bool(option.proof) for option in options] == [True, True, False, True]
    assert options[1].is_key


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ({"stem": ""}, "stem", "Write the question."),
        ({"expires_on": "soon"}, "expires_on", "Write a date such as 2027-05-15."),
        ({"source_url": ""}, "source_url", "Name the page that shows that the key is right."),
        ({"rationale-o3": ""}, "rationale-o3", "Say why it is right or wrong."),
        ({"key": []}, "", "Mark exactly one option as right."),
        ({"stem": "A retailer has two versions and wonders."}, "", "The stem should be a question"),
        ({"misconception-o1": "nobody-believes-this"}, "", "is not in misconceptions.yaml"),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_typed_is_lost(
    bank: Path, client: Client, more: dict[str, Any], field: str, words: str
) -> None:
    before = bank.read_text()
    fields = opened(bank, **{"text-o2": "Typed just now: `churn-1` 80, `churn-2` 20", **more})
    warned = words.startswith("The stem should")
    shown = page(client, "author_edit", fields, 302) if warned else page(client, "author_edit", fields, 422)
    if warned:  # a warning does not stop anybody
        return
    assert words in shown
    assert "Typed just now: `churn-1` 80, `churn-2` 20" in shown
    if field:
        assert f'aria-describedby="error-{field}' in shown
        assert re.search(rf'id="error-{field}">.*?{re.escape(words)}', shown, re.DOTALL) is not None
    assert bank.read_text() == before


def test_an_option_that_the_text_does_not_have_is_refused(bank: Path, client: Client) -> None:
    fields = opened(bank)
    fields["option"] = ["o1", "o2", "o3", "o9"]
    fields |= {f"{name}-o9": "words" for name in ("text", "rationale", "misconception")}
    assert "The form has an option that the text does not have." in page(client, "author_edit", fields, 422)


def test_yaml_is_one_click_away_and_back_with_what_was_typed(bank: Path, client: Client) -> None:
    shown = page(client, "author_redraw", opened(bank, view="yaml", product_version="typed in the form"))
    text = re.search(r'<textarea[^>]*id="draft-text"[^>]*>\n(.*?)</textarea>', shown, re.DOTALL)
    assert text is not None
    assert "product_version: typed in the form" in text[1]
    typed = text[1].replace("typed in the form", "typed as YAML")
    back = page(client, "author_redraw", {"text": typed, "base": "", "bank": BANK, "view": "form"})
    assert 'value="typed as YAML"' in back
    broken = page(client, "author_redraw", {"text": typed + "\n  - [", "base": "", "bank": BANK, "view": "form"}, 422)
    assert "It cannot be shown as a form" in broken
    assert "typed as YAML" in broken
    assert "view=yaml" not in client.get(reverse("author_edit", args=[KEY]) + "?view=yaml").content.decode()


def test_a_new_item_is_written_with_the_form(bank: Path, client: Client) -> None:
    answer = client.post(reverse("author_new"), {"key": "brand-new", "bank": BANK, "kind": "single"})
    editor = html.unescape(answer.content.decode().split('id="editor-form"')[1].split("</form>")[0])
    fields = dict(shown_fields(editor).lists())
    stem = "A museum serves two versions of its guide; a tenth of the calls go to the new one. Which share is the rest?"
    shown = {"stimulus_language": "json", "stimulus_caption": "Its routes", "stimulus_code": '{"traffic_percentage": 10}'}
    typed = {"objective": "split-traffic", "stem": stem, "source_url": SOURCE, "no_proof": "Nothing is run for it.", "key": "o2"}
    for number, share in enumerate((70, 90, 80, 60), 1):
        typed |= {f"text-o{number}": f"{share} percent", f"rationale-o{number}": f"A tenth and {share} percent, against 100."}
        typed |= {f"misconception-o{number}": "split-remainder-is-implicit"}
    fields |= {name: [value] for name, value in (typed | shown).items()}
    created = client.post(reverse("author_create", args=["brand-new"]), fields)
    assert created.status_code == 302, re.sub("<[^>]+>", " ", created.content.decode())
    item = Item.objects.get(key="brand-new")
    assert item.current is not None
    assert {f"stimulus_{name}": value for name, value in item.current.stimulus.items()} == shown
    assert [option.position for option in item.current.options.all() if option.is_key] == [2]


def test_learners_do_not_reach_it(bank: Path, sign_in: SignIn, learner: User) -> None:
    assert sign_in(learner).post(reverse("author_redraw", args=[KEY]), {"text": "x"}).status_code == 403
