"""A key is corrected: what every score comes to, open attempts, a killed run, two authors, and the way back."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from quizzes.attempts import record_response
from quizzes.bank_files import read_bank
from quizzes.banks import load_banks
from quizzes.cohorts import create_cohort, join_cohort
from quizzes.item_statistics import item_statistics
from quizzes.key_fixes import rescoring
from quizzes.key_fixes.bank_words import NO_PROOF
from quizzes.key_fixes.fixing import fix_key
from quizzes.key_fixes.rescoring import rescore
from quizzes.models import Item, ItemEvent, KeyFix
from quizzes.presented import present
from quizzes.publishing import Conflict, stored_block
from quizzes.reports import cohort_progress
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.key_fixes.steps import (
    BANK,
    KEY,
    NEW_KEY,
    OLD_KEY,
    answered,
    asked,
    correction_to,
    fixed,
    scores,
    version_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker_away")]


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
    assert new.no_proof == NO_PROOF
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
    monkeypatch.setattr(rescoring, "CHUNK", 3)
    fix = fixed(item, author, NEW_KEY)
    with monkeypatch.context() as dying:
        real, calls = rescoring._rescore_version, []

        def killed(*arguments: Any) -> int:
            calls.append(arguments)
            if len(calls) == 2:
                raise SystemExit
            return real(*arguments)

        dying.setattr(rescoring, "_rescore_version", killed)
        with pytest.raises(SystemExit):
            rescore(fix.pk)
    fix.refresh_from_db()
    assert (fix.state, fix.done, fix.finished_at) == ("running", 3, None)
    KeyFix.objects.update(created_at=timezone.now() - 2 * rescoring.HEAD_START)
    rescoring.resume()
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
