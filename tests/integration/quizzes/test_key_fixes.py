"""A key is corrected: who changes, what every score comes to, open attempts, a killed run, two authors, and the way back."""

import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.urls import reverse
from django.utils import timezone

from quizzes import key_fixes
from quizzes.attempts import record_response, start_attempt
from quizzes.bank_files import read_bank
from quizzes.banks import load_banks
from quizzes.cohorts import create_cohort, join_cohort
from quizzes.item_statistics import item_statistics
from quizzes.key_fixes import Correction, fix_key, preview, rescore
from quizzes.models import Attempt, AttemptItem, Form, FormItem, Item, ItemEvent, ItemVersion, KeyFix, Response
from quizzes.presented import present
from quizzes.publishing import Conflict, stored_block
from quizzes.reports import cohort_progress
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.of_each_kind import make_item_of

pytestmark = pytest.mark.django_db
BANKS = django_settings.FIXTURES_DIR / "banks"
KEY, BANK = "custom-split-adds-up", "custom_models"
OLD_KEY, NEW_KEY = 2, 3


@pytest.fixture
def bank(tmp_path: Path, settings: Any) -> Path:
    """custom_models.yaml in a folder of its own, loaded."""
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("blueprints", "misconceptions", BANK):
        shutil.copy(BANKS / f"{name}.yaml", folder)
    settings.FIXTURES_DIR = tmp_path
    settings.DATA_DIR = tmp_path
    load_banks(folder)
    return folder / f"{BANK}.yaml"


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def item(bank: Path) -> Item:
    return Item.objects.select_related("current").get(key=KEY)


def version_of(item: Item) -> ItemVersion:
    assert item.current is not None
    return item.current


def correction_to(item: Item, *keys: int) -> Correction:
    """These keys, each with a belief that a distractor has too."""
    options = list(version_of(item).options.all())
    other = next(option for option in options if option.position not in keys)
    tags = tuple(other.misconception if option.position in keys else option.misconception for option in options)
    return Correction(keys, tuple(option.rationale for option in options), tags)


def fixed(item: Item, author: User, *keys: int, reason: str = "The other one is right.") -> KeyFix:
    item.refresh_from_db()
    return fix_key(item, correction_to(item, *keys), stored_block(item.bank, item.key).digest, reason, author)


def asked(user: User, *items: Item) -> Attempt:
    """An open attempt on these items, in this order."""
    form = Form.objects.create(slug=f"form-{Form.objects.count()}", title="Form")
    FormItem.objects.bulk_create(FormItem(form=form, item=item, position=place) for place, item in enumerate(items, 1))
    return start_attempt(user, form=form)


def answered(attempt: Attempt, position: int, option: int) -> Response:
    """Answer a question with the option at this authoring position."""
    question = attempt.attempt_items.get(position=position)
    number = next(n for n, part in enumerate(present(attempt, question).parts, 1) if part.position == option)
    return record_response(attempt, question, [number]).response


def scores(attempt: Attempt) -> list[float]:
    found = Response.objects.filter(attempt_item__attempt=attempt).order_by("attempt_item__position")
    return list(found.values_list("score", flat=True))


# --- what a fix does ------------------------------------------------------------------------------


def test_every_answer_gets_the_score_of_the_right_key(item: Item, author: User, learner: User, stranger: User) -> None:
    right, wrong, other = asked(learner, item), asked(stranger, item), asked(learner, item)
    for attempt, option in ((right, OLD_KEY), (wrong, NEW_KEY), (other, 1)):
        answered(attempt, 1, option)
    assert [scores(a) for a in (right, wrong, other)] == [[1.0], [0.0], [0.0]]
    fix = fixed(item, author, NEW_KEY)
    rescore(fix.pk)
    assert [scores(a) for a in (right, wrong, other)] == [[0.0], [1.0], [0.0]]
    fix.refresh_from_db()
    assert (fix.state, fix.total, fix.done, fix.changed, fix.people) == ("done", 3, 3, 2, 2)
    assert (fix.actor, fix.reason) == (author, "The other one is right.")
    item.refresh_from_db()
    assert version_of(item).number == 2
    assert [o.position for o in version_of(item).options.all() if o.is_key] == [NEW_KEY]
    event = ItemEvent.objects.get(item=item, kind="key fixed")
    assert "Key 2 → 3 in version 2; scores change for 2 people in 2 attempts. The other one is right." in event.detail
    assert event.actor == author


def test_the_bank_file_has_the_new_key_and_nothing_else_changes(bank: Path, item: Item, author: User) -> None:
    before = read_bank(bank)
    fixed(item, author, NEW_KEY)
    after = read_bank(bank)
    assert [i for i in after.items if i.key != KEY] == [i for i in before.items if i.key != KEY]
    old, new = (next(i for i in bank.items if i.key == KEY) for bank in (before, after))
    assert [o.is_key for o in new.options] == [False, False, True, False]
    assert [(o.text, o.rationale) for o in new.options] == [(o.text, o.rationale) for o in old.options]
    assert [o.proof for o in new.options][1:3] == [None, None]  # they proved the opposite
    assert [o.proof for o in new.options][::3] == [o.proof for o in old.options][::3]
    assert new.no_proof == key_fixes.NO_PROOF
    assert (old.stem, old.source, old.objective) == (new.stem, new.source, new.objective)


def test_an_open_attempt_is_scored_by_the_fixed_key_and_shows_what_it_showed(item: Item, author: User, learner: User) -> None:
    others = list(Item.objects.filter(bank=BANK, current__kind="single").exclude(pk=item.pk)[:1])
    attempt = asked(learner, *others, item)
    question = attempt.attempt_items.get(position=2)
    before = [(part.position, part.text) for part in present(attempt, question).parts]
    fix = fixed(item, author, NEW_KEY)
    question = attempt.attempt_items.get(position=2)
    assert [(part.position, part.text) for part in present(attempt, question).parts] == before
    assert question.version.number == 1
    assert answered(attempt, 2, NEW_KEY).score == 1.0  # before the re-scoring has run
    rescore(fix.pk)
    assert scores(attempt) == [1.0]
    answered(attempt, 1, 1)
    attempt.refresh_from_db()
    assert attempt.is_finished


def test_an_answer_that_was_begun_before_the_fix_gets_the_fixed_score(item: Item, author: User, learner: User) -> None:
    """The page was rendered, and its rows were read, before another author's fix was committed."""
    attempt = asked(learner, item)
    stale = attempt.attempt_items.select_related("version").prefetch_related("version__options", "version__corrections").get()
    number = next(n for n, part in enumerate(present(attempt, stale).parts, 1) if part.position == NEW_KEY)
    fixed(item, author, NEW_KEY)
    assert record_response(attempt, stale, [number]).response.score == 1.0


def test_pages_and_reports_follow(item: Item, author: User, learner: User, instructor: User, sign_in: SignIn) -> None:
    cohort = create_cohort(instructor, "Autumn")
    join_cohort(learner, cohort.join_code)
    attempt = asked(learner, item)
    answered(attempt, 1, NEW_KEY)
    assert [row.n for row in cohort_progress(cohort).totals if row.n] == [1]
    assert max(cell.percentage or 0 for cell in cohort_progress(cohort).totals) == 0
    rescore(fixed(item, author, NEW_KEY).pk)
    assert max(cell.percentage or 0 for cell in cohort_progress(cohort).totals) == 100
    statistics = item_statistics([item.pk])[item.pk]
    assert (statistics.n, statistics.facility and statistics.facility.value) == (1, 1.0)
    assert item_statistics()[item.pk] == statistics
    result = sign_in(learner).get(reverse("attempt_result", args=[attempt.pk])).content.decode()
    assert "1 of 1 answered" in result
    assert "Beliefs to get rid of" not in result
    shown = sign_in(learner).get(reverse("attempt", args=[attempt.pk]) + "?q=1").content.decode()
    right = re.search(r'option-done option-key">(.*?)</div>\s*</div>', shown, re.DOTALL)
    assert right is not None
    assert "Your answer" in right[1]


def test_a_fix_is_taken_back_by_another_fix(item: Item, author: User, learner: User) -> None:
    attempt = asked(learner, item)
    answered(attempt, 1, OLD_KEY)
    for keys, score in ((NEW_KEY, 0.0), (OLD_KEY, 1.0), (1, 0.0), (OLD_KEY, 1.0)):
        rescore(fixed(item, author, keys).pk)
        assert scores(attempt) == [score]
    assert KeyFix.objects.count() == 4
    item.refresh_from_db()
    assert version_of(item).number == 5


def test_versions_with_other_options_keep_their_scores(bank: Path, item: Item, author: User, learner: User) -> None:
    attempt = asked(learner, item)
    answered(attempt, 1, OLD_KEY)
    bank.write_text(bank.read_text().replace("Routes `churn-1`: 80 and `churn-2`: 20, one", "Routes of 80 and 20, one"))
    load_banks(bank.parent)
    item.refresh_from_db()
    rescore(fixed(item, author, NEW_KEY).pk)
    assert scores(attempt) == [1.0]


# --- background, twice, at once -------------------------------------------------------------------


def test_a_killed_run_goes_on_where_it_stopped_and_twice_is_once(
    item: Item, author: User, learner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = [asked(learner, item) for _ in range(7)]
    for number, attempt in enumerate(attempts):
        answered(attempt, 1, OLD_KEY if number % 2 else NEW_KEY)
    monkeypatch.setattr(key_fixes, "CHUNK", 3)
    fix = fixed(item, author, NEW_KEY)
    with monkeypatch.context() as dying:
        real, calls = key_fixes._rescore_version, []

        def killed(*arguments: Any) -> int:
            calls.append(arguments)
            if len(calls) == 2:
                raise SystemExit
            return real(*arguments)

        dying.setattr(key_fixes, "_rescore_version", killed)
        with pytest.raises(SystemExit):
            rescore(fix.pk)
    fix.refresh_from_db()
    assert (fix.state, fix.done, fix.finished_at) == ("running", 3, None)
    KeyFix.objects.update(created_at=timezone.now() - 2 * key_fixes.HEAD_START)
    key_fixes.resume()
    fix.refresh_from_db()
    assert (fix.state, fix.done, fix.total, fix.changed) == ("done", 7, 7, 7)
    wanted = [[0.0] if number % 2 else [1.0] for number in range(7)]
    assert [scores(attempt) for attempt in attempts] == wanted
    rescore(fix.pk)
    fix.refresh_from_db()
    assert [scores(attempt) for attempt in attempts] == wanted
    assert (fix.done, fix.changed) == (7, 7)


def test_of_two_authors_who_fix_at_once_the_second_is_told(item: Item, author: User, operator: User, learner: User) -> None:
    attempt = asked(learner, item)
    answered(attempt, 1, 1)
    base = stored_block(item.bank, item.key).digest
    fix_key(item, correction_to(item, NEW_KEY), base, "Mine is right.", author)
    with pytest.raises(Conflict):
        fix_key(Item.objects.get(pk=item.pk), correction_to(item, 1), base, "No, mine.", operator)
    assert KeyFix.objects.get().actor == author
    assert ItemEvent.objects.filter(kind="key fixed").count() == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_runs_of_two_fixes_in_any_order_end_with_the_last_key(
    item: Item, author: User, operator: User, learner: User, order: tuple[int, int]
) -> None:
    attempts = [asked(learner, item) for _ in range(3)]
    for attempt, option in zip(attempts, (1, OLD_KEY, NEW_KEY), strict=True):
        answered(attempt, 1, option)
    fixes = [fixed(item, author, NEW_KEY), fixed(item, operator, 1)]
    for place in order:
        rescore(fixes[place].pk)
    assert [scores(attempt) for attempt in attempts] == [[1.0], [0.0], [0.0]]


# --- two keys, and what has none ------------------------------------------------------------------


@pytest.fixture
def double(bank: Path) -> Item:
    """An item with two keys."""
    for path in sorted(BANKS.glob("genai_engineer_*.yaml")):
        found = next((spec for spec in read_bank(path).items if spec.kind == "multiple"), None)
        if found is not None:
            shutil.copy(path, bank.parent)
            load_banks(bank.parent)
            return Item.objects.select_related("current").get(key=found.key)
    raise AssertionError("no bank has an item with two keys")


def test_an_item_with_two_keys(double: Item, author: User, learner: User, stranger: User) -> None:
    options = list(version_of(double).options.all())
    old = [o.position for o in options if o.is_key]
    wrong = next(o.position for o in options if not o.is_key)
    new = sorted([old[0], wrong])
    attempts = []
    for user, answer in ((learner, old), (stranger, new)):
        attempt = asked(user, double)
        question = attempt.attempt_items.get()
        shown = present(attempt, question)
        record_response(attempt, question, shown.numbers(answer))
        attempts.append(attempt)
    assert [scores(attempt) for attempt in attempts] == [[1.0], [0.0]]
    rescore(fixed(double, author, *new).pk)
    assert [scores(attempt) for attempt in attempts] == [[0.0], [1.0]]


@pytest.mark.parametrize("kind", ["ordering", "matching", "computed"])
def test_what_has_no_options_as_keys_is_not_fixed_here(kind: str, author: User, sign_in: SignIn, bank: Path) -> None:
    found = make_item_of(kind)
    with pytest.raises(key_fixes.NotFixable):
        key_fixes.fixable_version(found)
    answer = sign_in(author).get(reverse("fix_key", args=[found.key]), follow=True)
    assert "Only keys of choices are corrected here." in answer.content.decode()


# --- pages ----------------------------------------------------------------------------------------


def posted(item: Item, *keys: int, **more: str) -> dict[str, Any]:
    """What the form sends."""
    correction = correction_to(item, *keys)
    words = {f"rationale_{n}": text for n, text in enumerate(correction.rationales, 1)}
    tags = {f"misconception_{n}": tag for n, tag in enumerate(correction.misconceptions, 1)}
    return {"keys": [str(key) for key in keys], "reason": "The other one is right.", **words, **tags, **more}


def test_from_the_preview_to_the_audit_entry(item: Item, author: User, learner: User, instructor: User, sign_in: SignIn) -> None:
    join_cohort(learner, create_cohort(instructor, "Autumn").join_code)
    attempt = asked(learner, item)
    answered(attempt, 1, OLD_KEY)
    client, url = sign_in(author), reverse("fix_key", args=[KEY])
    page = client.post(url, posted(item, NEW_KEY)).content.decode()
    assert "1 become wrong" in page
    assert re.search(r"Autumn</span>.*?led by instructor.*?1 person", page, re.DOTALL)
    assert re.search(r"learner</th>.*?finished.*?>1</td>.*?>0</td>", page, re.DOTALL)
    assert scores(attempt) == [1.0]
    assert KeyFix.objects.count() == 0
    base = re.search(r'name="base" value="([0-9a-f]{64})"', page)
    assert base is not None
    answer = client.post(url, posted(item, NEW_KEY, base=base[1], confirm="1"))
    fix = KeyFix.objects.get()
    assert answer["Location"] == reverse("key_fix", args=[fix.pk])
    assert "background worker cannot be reached; it goes on" in client.get(answer["Location"]).content.decode()
    rescore(fix.pk)
    page = client.get(answer["Location"]).content.decode()
    assert "Every answer is scored." in page
    assert "hx-trigger" not in page.split('id="key-fix-state"')[1]
    assert scores(attempt) == [0.0]
    assert "The other one is right." in client.get(reverse("author_item", args=[KEY])).content.decode()
    again = client.post(url, posted(item, 1, base=base[1], confirm="1"), follow=True)
    assert "Somebody else has changed the item" in again.content.decode()
    assert KeyFix.objects.count() == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"reason": ""}, "Say why the key was wrong."),
        ({"reason": "short"}, "Say a little more"),
        ({"keys": []}, "Mark what is right."),
        ({"keys": ["1", "2"]}, "Mark exactly one option."),
        ({"keys": ["9"]}, "Select a valid choice"),
        ({"rationale_1": ""}, "Say why it is right or wrong."),
        ({"keys": [str(OLD_KEY)], "confirm": "1"}, "These are the keys already."),
    ],
)
def test_a_mistake_in_the_form_changes_nothing(
    bank: Path, item: Item, author: User, sign_in: SignIn, more: dict[str, Any], words: str
) -> None:
    before = bank.read_text()
    answer = sign_in(author).post(reverse("fix_key", args=[KEY]), {**posted(item, NEW_KEY), **more})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert bank.read_text() == before
    assert KeyFix.objects.count() == 0


def test_an_error_of_the_linter_stops_it(bank: Path, item: Item, author: User, sign_in: SignIn) -> None:
    before = bank.read_text()
    fields = posted(item, NEW_KEY, **{f"misconception_{NEW_KEY}": "nobody-believes-this"})
    client, url = sign_in(author), reverse("fix_key", args=[KEY])
    page = client.post(url, fields)
    assert page.status_code == 422
    assert "is not in misconceptions.yaml" in page.content.decode()
    assert 'name="confirm"' not in page.content.decode()
    digest = stored_block(item.bank, item.key).digest
    assert client.post(url, {**fields, "base": digest, "confirm": "1"}).status_code == 422
    assert bank.read_text() == before
    assert KeyFix.objects.count() == 0


# --- many -----------------------------------------------------------------------------------------


def make_attempts(item: Item, users: list[User], count: int, draw: random.Random) -> dict[int, list[int]]:
    """`count` attempts in bulk, a tenth of them with three questions; the answer to `item` by attempt id. Some leave it open."""
    others = list(Item.objects.filter(bank=BANK, current__kind="single").exclude(pk=item.pk).select_related("current")[:2])
    now = timezone.now()
    rows = [Attempt(user=draw.choice(users), title="Bulk", seed=n, finished_at=draw.choice([now, None])) for n in range(count)]
    Attempt.objects.bulk_create(rows, batch_size=5_000)
    asked_items = [
        AttemptItem(attempt=row, position=place, version=version_of(each))
        for row in rows
        for place, each in enumerate((others[0], item, others[1]), 1)
        if each is item or row.seed % 10 == 0
    ]
    AttemptItem.objects.bulk_create(asked_items, batch_size=5_000)
    given: dict[int, list[int]] = {}
    responses = []
    for question in asked_items:
        answer = [draw.randint(1, 4)]
        if question.position == 2:
            if draw.random() < 0.02:
                continue
            given[question.attempt_id] = answer
        keys = [o.position for o in question.version.options.all() if o.is_key] if question.position == 2 else [1]
        responses.append(Response(attempt_item=question, sequence=1, answer=answer, score=float(answer == keys)))
    Response.objects.bulk_create(responses, batch_size=5_000)
    return given


def test_100_000_attempts_are_scored_anew(item: Item, author: User, capsys: pytest.CaptureFixture[str]) -> None:
    """Every score against one that is computed here; the time is printed."""
    draw = random.Random(20261122)
    users = User.objects.bulk_create([User(username=f"learner-{n}", role="learner") for n in range(2_000)])
    item = Item.objects.select_related("current").prefetch_related("current__options").get(pk=item.pk)
    given = make_attempts(item, users, 100_000, draw)
    untouched = dict(Response.objects.exclude(attempt_item__position=2).values_list("pk", "score"))
    begun = time.perf_counter()
    seen = preview(item, [NEW_KEY])
    previewed = time.perf_counter()
    fix = fixed(item, author, NEW_KEY)
    published = time.perf_counter()
    rescore(fix.pk)
    ended = time.perf_counter()
    with capsys.disabled():
        print(
            f"\n100,000 attempts: preview {previewed - begun:.1f} s, confirmation {published - previewed:.1f} s, "
            f"re-scoring {ended - published:.1f} s"
        )
    found = Response.objects.filter(attempt_item__position=2).values_list("attempt_item__attempt", "answer", "score")
    assert {attempt: (answer, score) for attempt, answer, score in found} == {
        attempt: (answer, 1.0 if answer == [NEW_KEY] else 0.0) for attempt, answer in given.items()
    }
    assert dict(Response.objects.exclude(attempt_item__position=2).values_list("pk", "score")) == untouched
    changed = {attempt for attempt, answer in given.items() if answer in ([OLD_KEY], [NEW_KEY])}
    people = {user for attempt, user in Attempt.objects.values_list("pk", "user") if attempt in changed}
    fix.refresh_from_db()
    assert (fix.total, fix.done, fix.changed, fix.people) == (100_000, 100_000, len(changed), len(people))
    assert (seen.answers, seen.changed, seen.attempts, seen.people) == (len(given), len(changed), len(changed), len(people))
    assert (seen.better, seen.worse) == (
        sum(answer == [NEW_KEY] for answer in given.values()),
        sum(answer == [OLD_KEY] for answer in given.values()),
    )
