"""Items, attempts and cohorts in the database; what a test cares about stands in the test."""

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from celery import current_app
from django.conf import settings
from django.test import Client

from quizzes.attempts import record_response, start_attempt
from quizzes.bank_files import read_bank
from quizzes.banks import add_version, load_banks
from quizzes.labs.files import load_labs
from quizzes.models import Attempt, Form, FormItem, Item, Objective
from quizzes.presented import present
from sandbox.models import User
from tests.unit.quizzes.items import make_item, make_options

SignIn = Callable[[User], Client]


@pytest.fixture
def content(db: None) -> None:
    """Three of the banks (22 items, so that a test stays quick) and the labs of fixtures/."""
    folder = settings.FIXTURES_DIR / "banks"
    load_banks(folder, [read_bank(folder / f"{kind}_models.yaml") for kind in ("custom", "external", "foundation")])
    load_labs(settings.FIXTURES_DIR / "labs")


@pytest.fixture
def sign_in() -> SignIn:
    """A browser in which the person is signed in; CSRF is checked."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return signed_in


def make_form(key_positions: tuple[int, ...] = (0, 1, 2), slug: str = "form", objective: str = "split-traffic") -> Form:
    """A form with one item for each position of the key."""
    measured, _ = Objective.objects.get_or_create(
        slug=objective, defaults={"name": objective, "text": "To be done.", "endpoint_type": ""}
    )
    form = Form.objects.create(slug=slug, title=slug.capitalize())
    for number, place in enumerate(key_positions, 1):
        spec = make_item(key=f"{slug}-{number}", stem=f"Case {number}?", options=make_options(place), expires_on=date(2099, 1, 1))
        item = Item.objects.create(key=spec.key, bank=slug, objective=measured)
        item.current = add_version(item, spec)
        item.save()
        FormItem.objects.create(form=form, item=item, position=number)
    return form


def answer(attempt: Attempt, position: int, *, rightly: bool) -> None:
    """Answer a question with its key, or with the first distractor shown."""
    question = attempt.attempt_items.get(position=position)
    shown = present(attempt, question).parts
    number = next(n for n, option in enumerate(shown, 1) if option.is_key is rightly)
    record_response(attempt, question, [number])


def sat(user: User, form: Form, marks: str) -> Attempt:
    """A finished attempt: + answers a question rightly, - wrongly, . leaves it open."""
    attempt = start_attempt(user, form=form)
    for position, mark in enumerate(marks, 1):
        if mark != ".":
            answer(attempt, position, rightly=mark == "+")
    return attempt


@pytest.fixture(autouse=True)
def broker_away() -> Iterator[None]:
    """No test process has a broker: Celery is given an address where nothing listens, and told not to wait for it."""
    app = current_app
    before = app.conf.broker_url, app.conf.broker_transport_options

    def point_at(url: str, options: dict[str, object]) -> None:
        app.conf.broker_url = url
        app.conf.broker_transport_options = options
        app._pool = app.amqp._producer_pool = None

    point_at("redis://127.0.0.1:9/0", before[1] | {"max_retries": 1, "interval_start": 0, "interval_step": 0})
    yield
    point_at(*before)
