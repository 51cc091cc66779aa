"""The pages of a key fix: preview, confirmation, mistakes in the form, the linter's errors."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from quizzes.cohorts import create_cohort, join_cohort
from quizzes.key_fixes.rescoring import rescore
from quizzes.models import Item, KeyFix
from quizzes.publishing import stored_block
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.key_fixes.steps import KEY, NEW_KEY, OLD_KEY, answered, asked, correction_to, scores

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker_away")]


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
        ({"keys": [str(OLD_KEY)], "confirm": "1"}, "This is the key already."),
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
