"""A key fix of 100,000 attempts: every score, and how long it takes."""

import json
import random
import time
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
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


def insert(model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows by plain SQL, other columns as the model fills them: making 340,000 objects takes far longer than what is tested."""
    template, fields = model(), model._meta.concrete_fields
    values = {field.column: field.get_db_prep_save(field.pre_save(template, add=True), connection) for field in fields}
    constants = [name for name in values if name not in columns and name != model._meta.pk.column]
    names = ", ".join(map(connection.ops.quote_name, [*columns, *constants]))
    marks = ", ".join(["%s"] * (len(columns) + len(constants)))
    rest = tuple(values[name] for name in constants)
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks})", [(*row, *rest) for row in rows])


def make_attempts(item: Item, users: list[User], count: int, draw: random.Random) -> dict[int, list[int]]:
    """`count` attempts, a tenth of them with three questions; the answer to `item` by attempt id. Some leave it open."""
    others = list(Item.objects.filter(bank=BANK, current__kind="single").exclude(pk=item.pk).select_related("current")[:2])
    versions = [version_of(each) for each in (others[0], item, others[1])]
    keys = [[1], [option.position for option in versions[1].options.all() if option.is_key], [1]]
    finished = [connection.ops.adapt_datetimefield_value(timezone.now()), None]
    insert(
        Attempt,
        ["id", "user_id", "title", "seed", "finished_at"],
        ((number, draw.choice(users).pk, "Bulk", number, draw.choice(finished)) for number in range(1, count + 1)),
    )
    asked = [(number, place) for number in range(1, count + 1) for place in ((0, 1, 2) if number % 10 == 0 else (1,))]
    insert(
        AttemptItem,
        ["id", "attempt_id", "position", "version_id"],
        ((pk, attempt, place + 1, versions[place].pk) for pk, (attempt, place) in enumerate(asked, 1)),
    )
    given: dict[int, list[int]] = {}
    responses = []
    for pk, (attempt, place) in enumerate(asked, 1):
        answer = [draw.randint(1, 4)]
        if place == 1:
            if draw.random() < 0.02:
                continue
            given[attempt] = answer
        responses.append((pk, 1, json.dumps(answer), float(answer == keys[place])))
    insert(Response, ["attempt_item_id", "sequence", "answer", "score"], responses)
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
