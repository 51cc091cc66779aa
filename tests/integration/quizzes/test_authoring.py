"""The author's pages: find an item, edit it in its bank file, conflicts, quarantine, versions, reports; and who may."""

import html
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from quizzes.bank_files import read_bank
from quizzes.banks import load_banks
from quizzes.item_statistics import ENOUGH
from quizzes.models import DraftProof, Item, ItemEvent, ProblemReport
from quizzes.publishing import stored_block
from quizzes.quarantine import quarantine_by_statistics
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn, make_form, sat

pytestmark = pytest.mark.django_db
KEY = "custom-split-adds-up"
OLD, NEW = "There is no default version.", "No version is the default."
BANKS = django_settings.FIXTURES_DIR / "banks"


@pytest.fixture
def bank(tmp_path: Path, settings: Any) -> Path:
    """custom_models.yaml in a folder of its own, loaded."""
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("blueprints", "misconceptions", "custom_models"):
        shutil.copy(BANKS / f"{name}.yaml", folder)
    settings.FIXTURES_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    load_banks(folder)
    return folder / "custom_models.yaml"


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def client(author: User, sign_in: SignIn) -> Client:
    return sign_in(author)


def draft(text: str | None = None, base: str | None = None) -> dict[str, str]:
    """What the editor sends; the item as it stands in its file unless told otherwise."""
    block = stored_block("custom_models", KEY)
    return {"text": block.text if text is None else text, "base": block.digest if base is None else base, "bank": "custom_models"}


def save(client: Client, fields: dict[str, str], key: str = KEY, page: str = "author_edit") -> tuple[int, str]:
    answer = client.post(reverse(page, args=[key]), fields)
    return answer.status_code, html.unescape(answer.content.decode())


# --- the editor -----------------------------------------------------------------------------------


def test_a_saved_draft_is_in_the_file_and_in_the_next_drill(bank: Path, client: Client, author: User) -> None:
    before = bank.read_text()
    text = stored_block("custom_models", KEY).text.replace(OLD, NEW)
    assert save(client, draft(text))[0] == 302
    assert bank.read_text() == before.replace(OLD, NEW)  # not one other character
    item = Item.objects.get(key=KEY)
    assert item.current is not None
    assert (item.current.number, item.versions.count()) == (2, 2)
    assert item.current.options.get(position=1).rationale.startswith(NEW)
    event = ItemEvent.objects.get()
    assert (event.item, event.kind, event.actor, event.detail) == (item, "published", author, "Version 2.")
    assert list(bank.parent.glob(".*")) == []


def test_saving_what_is_there_changes_nothing(bank: Path, client: Client) -> None:
    before = bank.read_text()
    assert save(client, draft())[0] == 302
    assert bank.read_text() == before
    assert Item.objects.get(key=KEY).versions.count() == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("bloom: apply", "bloom: guess", "bloom is 'guess'"),
        ("key: true", "key: false", "0 options are marked as key"),
        ("bloom: apply", "bloom: [", "is not valid YAML"),
        (f"key: {KEY}", "key: another-key", "The item's key must stay"),
        ("    text:", "    - text:", "is not valid YAML"),
        ("&two_versions", "", "is not valid YAML"),  # other items refer to this anchor
    ],
)
def test_a_draft_with_an_error_is_shown_again_and_not_written(bank: Path, client: Client, old: str, new: str, words: str) -> None:
    before = bank.read_text()
    block = stored_block("custom_models", KEY)
    text = block.text.replace(old, new, 1) if old in block.text else f"{block.text}{new}\n  - [\n"
    status, shown = save(client, draft(text))
    assert status == 422
    assert words in shown
    assert text.splitlines()[3] in shown
    assert bank.read_text() == before
    assert Item.objects.get(key=KEY).versions.count() == 1


def test_two_authors_on_one_item_lose_nothing(bank: Path, client: Client) -> None:
    mine = draft(stored_block("custom_models", KEY).text.replace(OLD, "Mine has no default."))
    assert save(client, draft(stored_block("custom_models", KEY).text.replace(OLD, "Theirs has no default.")))[0] == 302
    after_theirs = bank.read_text()
    status, shown = save(client, mine)
    assert status == 409
    assert "Somebody else has changed" in shown
    assert "Mine has no default." in shown
    assert "Theirs has no default." in shown
    assert bank.read_text() == after_theirs
    base = re.search(r'name="base" value="([0-9a-f]{64})"', shown)
    assert base is not None
    assert save(client, {**mine, "base": base[1]})[0] == 302
    assert "Mine has no default." in bank.read_text()
    assert Item.objects.get(key=KEY).versions.count() == 3


def test_two_authors_on_two_items_of_one_file_do_not_meet(bank: Path, client: Client) -> None:
    other = stored_block("custom_models", "custom-who-answered")
    assert save(client, draft(stored_block("custom_models", KEY).text.replace(OLD, NEW)))[0] == 302
    fields = {"text": other.text.replace("difficulty: medium", "difficulty: hard"), "base": other.digest, "bank": ""}
    assert save(client, fields, "custom-who-answered")[0] == 302
    assert NEW in bank.read_text()
    assert Item.objects.get(key="custom-who-answered").difficulty == "hard"


def test_a_file_that_cannot_be_written_changes_nothing(bank: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    before = bank.read_text()
    status, shown = save(client, draft(stored_block("custom_models", KEY).text.replace(OLD, NEW)))
    assert status == 422
    assert "No space left on device" in shown
    assert NEW in shown
    assert bank.read_text() == before
    assert Item.objects.get(key=KEY).versions.count() == 1
    assert ItemEvent.objects.count() == 0


def test_the_preview_follows_what_is_typed(bank: Path, client: Client) -> None:
    url = reverse("author_preview", args=[KEY])
    text = stored_block("custom_models", KEY).text
    shown = client.post(url, draft(text.replace(OLD, NEW))).content.decode()
    assert NEW in shown
    assert "The linter has nothing to say" in shown
    shown = html.unescape(client.post(url, draft(text.replace("bloom: apply", "bloom: guess"))).content.decode())
    assert "bloom is 'guess'" in shown
    assert Item.objects.get(key=KEY).versions.count() == 1


def test_script_in_a_draft_is_shown_and_not_run(bank: Path, client: Client) -> None:
    text = stored_block("custom_models", KEY).text.replace(OLD, "<script>alert(1)</script> </textarea><script>x</script>")
    shown = client.post(reverse("author_preview", args=[KEY]), draft(text)).content.decode()
    assert "<script" not in shown
    answer = client.post(reverse("author_edit", args=[KEY]), {**draft(text), "base": "0" * 64})
    assert answer.status_code == 409
    assert "<script>x" not in answer.content.decode()


@pytest.mark.parametrize("kind", ["single", "multiple", "ordering", "matching", "computed"])
def test_a_new_item_begins_with_what_its_kind_needs(bank: Path, client: Client, kind: str) -> None:
    answer = client.post(reverse("author_new"), {"key": "brand-new", "bank": "custom_models", "kind": kind})
    shown = html.unescape(answer.content.decode())
    assert answer.status_code == 200
    text = re.search(r'<textarea[^>]*name="text"[^>]*>(.*?)</textarea>', shown, re.DOTALL)
    assert text is not None
    assert f"kind: {kind}" in text[1]
    assert "is required" not in shown  # it can be read; what is still to be done are findings about words
    assert "misconception 'tag-of-a-belief'" in shown
    assert Item.objects.filter(key="brand-new").count() == 0


def test_a_new_item_is_written_at_the_end_and_asked(bank: Path, client: Client) -> None:
    before = bank.read_text()
    text = stored_block("custom_models", "custom-missing-endpoint").text
    anchor_free = re.sub(r"arguments: \*nobody", "arguments: {name: nobody-made-this}", text).replace("&nobody ", "")
    new = anchor_free.replace("key: custom-missing-endpoint", "key: brand-new").replace("A ", "One ", 1)
    fields = {"text": rewritten(new), "base": "", "bank": "custom_models"}
    status, shown = save(client, fields, "brand-new", "author_create")
    assert status == 302, re.findall(r'finding-words">([^<]*)', shown)
    assert bank.read_text().startswith(before)
    item = Item.objects.get(key="brand-new")
    assert item.form_items.get().position == 10
    status, _ = save(client, fields, "brand-new", "author_create")
    assert status == 409  # it is there already


def rewritten(text: str) -> str:
    """The item in other words, so that it is no near-duplicate of the one it was made from."""
    stem = "  A dashboard reads an endpoint's state by its name, and somebody mistypes that name. What does `get` of the SDK do?"
    return re.sub(r"stem: \|\n(?:  .*\n)+", f"stem: |\n{stem}\n", text)


def test_an_unreachable_worker_is_said_when_proofs_are_asked_for(bank: Path, client: Client) -> None:
    shown = client.post(reverse("prove_draft", args=[KEY]), draft(), headers={"HX-Request": "true"}).content.decode()
    assert "background worker cannot be reached" in shown
    assert DraftProof.objects.get().state == "error"


# --- the browser, versions, quarantine, reports ---------------------------------------------------


def keys_shown(client: Client, **query: str) -> set[str]:
    text = client.get(reverse("author_bank"), query, headers={"HX-Request": "true"}).content.decode()
    return set(re.findall(r'href="/author/items/([\w-]+)/"', text))


def test_the_bank_is_filtered(bank: Path, client: Client) -> None:
    items = read_bank(bank).items
    assert keys_shown(client) == {item.key for item in items}
    for exam in ("ml-associate", "ml-professional"):
        assert keys_shown(client, exam=exam) == {item.key for item in items if item.exam == exam}
    tag = "split-is-a-fraction"
    assert keys_shown(client, misconception=tag) == {i.key for i in items if tag in {o.misconception for o in i.options}}
    assert keys_shown(client, objective="query-custom-model", kind="single") == {
        item.key for item in items if item.objective == "query-custom-model"
    }
    assert keys_shown(client, words="retailer SPLIT") == {KEY}
    assert keys_shown(client, status="retired") == set()
    Item.objects.filter(key=KEY).update(quarantined=True)
    assert keys_shown(client, status="quarantined") == {KEY}
    assert KEY not in keys_shown(client, status="asked")
    for strange in ({"kind": "'; DROP TABLE"}, {"status": "x" * 5000}, {"page": "999"}, {"page": "-1"}, {"exam": "\x00"}):
        assert client.get(reverse("author_bank"), strange).status_code == 200
    assert keys_shown(client, exam="ml-associate\x00") == keys_shown(client, exam="ml-associate")


def test_versions_show_what_changed_word_by_word(bank: Path, client: Client) -> None:
    save(client, draft(stored_block("custom_models", KEY).text.replace(OLD, NEW)))
    text = re.sub(
        r'<span class="visually-hidden">[^<]*</span>', "", client.get(reverse("author_item", args=[KEY])).content.decode()
    )
    assert "Rationale 1" in text
    assert re.search(r"<del>There [^<]*</del>", text)
    assert re.search(r"<ins>No version [^<]*</ins>", text)
    assert text.index("Version 2") < text.index("Version 1")


def answered_by_many(count: int, marks: str) -> Item:
    """`count` learners have each sat a form of three; the first item's item-rest correlation follows from the marks."""
    form = make_form(slug="many")
    for number in range(count):
        user = User.objects.create_user(f"learner-{number}", role="learner")
        sat(user, form, marks if number % 2 else "".join({"+": "-", "-": "+"}[mark] for mark in marks))
    return Item.objects.get(key="many-1")


def test_an_item_that_the_better_learners_get_wrong_goes_into_quarantine(client: Client, author: User) -> None:
    item = answered_by_many(ENOUGH, "+--")
    taken = quarantine_by_statistics()
    assert item in taken
    event = ItemEvent.objects.get(item=item)
    assert (event.kind, event.actor) == ("quarantined", None)
    assert "discrimination -1.00" in event.detail
    assert f"(n = {ENOUGH})" in event.detail
    item.refresh_from_db()
    assert item.quarantined
    assert quarantine_by_statistics() == []  # once is enough

    assert client.post(reverse("switch_quarantine", args=[item.key, "off"]), {"why": "The stem was clear."}).status_code == 302
    item.refresh_from_db()
    assert not item.quarantined
    released = ItemEvent.objects.filter(item=item)[0]
    assert (released.kind, released.actor, released.detail) == ("released", author, "The stem was clear.")
    assert item not in quarantine_by_statistics()  # what was answered before does not count again


def test_too_few_answers_decide_nothing(client: Client) -> None:
    item = answered_by_many(ENOUGH - 1, "+--")
    assert quarantine_by_statistics() == []
    assert "With fewer than 30 answers nothing is decided" in client.get(reverse("author_item", args=[item.key])).content.decode()


def test_quarantine_by_hand_needs_a_reason(bank: Path, client: Client) -> None:
    client.post(reverse("switch_quarantine", args=[KEY, "on"]), {"why": ""})
    assert not Item.objects.get(key=KEY).quarantined
    client.post(reverse("switch_quarantine", args=[KEY, "on"]), {"why": "Two keys."})
    assert Item.objects.get(key=KEY).quarantined


def test_a_report_reaches_the_authors_and_its_answer_the_reader(client: Client, learner: User, sign_in: SignIn) -> None:
    item = Item.objects.get(pk=sat(learner, make_form(), "+..").attempt_items.get(position=1).version.item_id)
    reader = sign_in(learner)
    page = reverse("item", args=[item.pk])
    assert reader.post(reverse("report_problem", args=[item.pk]), {"text": "short"}).status_code == 422
    assert reader.post(reverse("report_problem", args=[item.pk]), {"text": "The name is <b>outdated</b>."}).status_code == 302
    report = ProblemReport.objects.get()
    assert (report.reporter, report.version) == (learner, item.current)
    shown = client.get(reverse("author_item", args=[item.key])).content.decode()
    assert "The name is &lt;b&gt;outdated&lt;/b&gt;." in shown
    assert keys_shown(client, status="reported") == {item.key}
    client.post(reverse("close_report", args=[report.pk]), {"reply": "Renamed, thank you."})
    assert keys_shown(client, status="reported") == set()
    assert "Renamed, thank you." in reader.get(page).content.decode()


# --- who may --------------------------------------------------------------------------------------

PAGES = [("get", "author_bank", []), ("get", "author_new", []), ("get", "author_item", [KEY]), ("get", "author_edit", [KEY])]
CHANGES = [
    ("post", "author_edit", [KEY]),
    ("post", "author_create", ["brand-new"]),
    ("post", "author_preview", [KEY]),
    ("post", "prove_draft", [KEY]),
    ("post", "switch_quarantine", [KEY, "on"]),
]


@pytest.mark.parametrize(("method", "name", "arguments"), [*PAGES, *CHANGES])
@pytest.mark.parametrize("role", ["learner", "instructor"])
def test_who_is_no_author_gets_403(bank: Path, sign_in: SignIn, role: str, method: str, name: str, arguments: list[str]) -> None:
    person = User.objects.create_user("somebody", password="a password for tests", role=role)
    before = bank.read_text()
    assert getattr(sign_in(person), method)(reverse(name, args=arguments)).status_code == 403
    assert getattr(Client(), method)(reverse(name, args=arguments)).status_code == 302
    assert bank.read_text() == before
    assert not Item.objects.get(key=KEY).quarantined


@pytest.mark.parametrize(("method", "name", "arguments"), PAGES)
def test_an_operator_may_what_an_author_may(
    bank: Path, operator: User, sign_in: SignIn, method: str, name: str, arguments: list[str]
) -> None:
    assert getattr(sign_in(operator), method)(reverse(name, args=arguments)).status_code == 200


def test_a_draft_proof_is_for_its_author(bank: Path, author: User, operator: User, sign_in: SignIn) -> None:
    run = DraftProof.objects.create(user=author, item_key=KEY, bank_text="", state="done", message="Done.")
    assert sign_in(author).get(reverse("draft_proof", args=[run.pk])).status_code == 200
    assert sign_in(operator).get(reverse("draft_proof", args=[run.pk])).status_code == 404


def test_a_report_needs_an_answered_item(learner: User, stranger: User, instructor: User, sign_in: SignIn) -> None:
    item = Item.objects.get(pk=sat(learner, make_form(), "+..").attempt_items.get(position=1).version.item_id)
    url = reverse("report_problem", args=[item.pk])
    people = (learner, stranger, instructor)
    statuses = {user.username: sign_in(user).post(url, {"text": "Something is wrong."}).status_code for user in people}
    assert statuses == {"learner": 302, "stranger": 404, "instructor": 302}


def test_what_is_not_there_is_not_found(client: Client, db: None) -> None:
    for name, arguments in (("author_item", ["none"]), ("author_edit", ["none"]), ("draft_proof", [987])):
        assert client.get(reverse(name, args=arguments)).status_code == 404
    assert client.post(reverse("close_report", args=[987])).status_code == 404
