"""What the tests of key fixes do again and again: corrections, attempts, answers, scores."""

from django.conf import settings as django_settings

from quizzes.attempts import record_response, start_attempt
from quizzes.key_fixes.corrections import Correction
from quizzes.key_fixes.fixing import fix_key
from quizzes.models import Attempt, Form, FormItem, Item, ItemVersion, KeyFix, Response
from quizzes.presented import present
from quizzes.publishing import stored_block
from sandbox.models import User

BANKS = django_settings.FIXTURES_DIR / "banks"
KEY, BANK = "custom-split-adds-up", "custom_models"
OLD_KEY, NEW_KEY = 2, 3


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
