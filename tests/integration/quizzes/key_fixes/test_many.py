"""A key fix of 100,000 attempts: every score, and how long it takes."""

import random
import time

import pytest
from django.utils import timezone

from quizzes.key_fixes.preview import preview
from quizzes.key_fixes.rescoring import rescore
from quizzes.models import Attempt, AttemptItem, Item, Response
from sandbox.models import User
from tests.integration.quizzes.key_fixes.steps import (
    BANK,
    NEW_KEY,
    OLD_KEY,
    fixed,
    version_of,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker_away")]


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
