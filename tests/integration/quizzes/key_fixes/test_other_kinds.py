"""Two keys, orders, matches and computed answers are corrected: files, scores in every version, pages, proofs, the way back."""

import html
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.urls import reverse

from quizzes.attempts import record_response
from quizzes.bank_files import bank_paths, read_bank, read_banks
from quizzes.banks import load_banks
from quizzes.corrected_keys import right_in_force
from quizzes.item_specs import ItemSpec
from quizzes.key_fixes.bank_words import NO_PROOF
from quizzes.key_fixes.corrections import Correction
from quizzes.key_fixes.fixing import fix_key, reversal
from quizzes.key_fixes.preview import preview
from quizzes.key_fixes.rescoring import rescore
from quizzes.models import Attempt, Item, ItemEvent, KeyFix
from quizzes.presented import present
from quizzes.publishing import stored_block
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.key_fixes.steps import BANKS, asked, correction_to, fixed, scores, version_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker_away")]


def spec_with(kind: str, *, proved: bool = False) -> tuple[Path, ItemSpec]:
    """The first item of this kind in the banks, and its file."""
    for path in bank_paths(BANKS):
        for spec in read_bank(path).items:
            has_proof = bool(spec.proof) or all(option.proof for option in spec.options if option.rationale)
            if spec.kind == kind and (has_proof or not proved):
                return path, spec
    raise AssertionError(f"no bank has an item of kind {kind}")


def loaded(kind: str, folder: Path, *, proved: bool = False) -> Item:
    """That item, its bank beside the one of the fixture."""
    path, spec = spec_with(kind, proved=proved)
    shutil.copy(path, folder)
    shutil.copy(BANKS / "computed_variants.yaml", folder)
    load_banks(folder)
    return Item.objects.select_related("current").get(key=spec.key)


def answered(user: User, item: Item, answer: Sequence[int]) -> Attempt:
    """An attempt in which this answer was given, in authoring positions of the version asked."""
    attempt = asked(user, item)
    question = attempt.attempt_items.get()
    record_response(attempt, question, present(attempt, question).numbers(answer))
    return attempt


def corrected(item: Item, author: User, right: Sequence[int], reason: str = "It is the other way round.") -> KeyFix:
    """A fix to this right answer, with the words that are there."""
    item = Item.objects.select_related("current").get(pk=item.pk)
    options = [option for option in version_of(item).options.all() if option.rationale]
    words = tuple(o.rationale for o in options), tuple(o.misconception for o in options)
    return fix_key(item, Correction(tuple(right), *words), stored_block(item.bank, item.key).digest, reason, author)


def spec_now(item: Item, folder: Path) -> ItemSpec:
    """The item as its file has it."""
    return next(spec for bank in read_banks(folder) for spec in bank.items if spec.key == item.key)


def test_two_keys(bank: Path, author: User, learner: User, stranger: User) -> None:
    double = loaded("multiple", bank.parent)
    options = list(version_of(double).options.all())
    old = [o.position for o in options if o.is_key]
    new = sorted([old[0], next(o.position for o in options if not o.is_key)])
    attempts = [answered(learner, double, old), answered(stranger, double, new)]
    assert [scores(attempt) for attempt in attempts] == [[1.0], [0.0]]
    rescore(fixed(double, author, *new).pk)
    assert [scores(attempt) for attempt in attempts] == [[0.0], [1.0]]


# --- orders --------------------------------------------------------------------------------------


def test_an_order_is_corrected_twice_and_older_answers_follow(bank: Path, author: User, learner: User, stranger: User) -> None:
    item = loaded("ordering", bank.parent, proved=True)
    steps = [option.text for option in version_of(item).options.all()]
    authored = list(range(1, len(steps) + 1))
    swapped, last_first = [2, 1, *authored[2:]], [authored[-1], *authored[:-1]]
    attempts = [answered(learner, item, authored), answered(stranger, item, swapped)]
    assert [scores(attempt) for attempt in attempts] == [[1.0], [0.0]]
    seen = preview(item, swapped)
    assert (seen.versions, seen.answers, seen.better, seen.worse, seen.people) == ((1,), 2, 1, 1, 2)

    rescore(corrected(item, author, swapped).pk)
    assert [scores(attempt) for attempt in attempts] == [[0.0], [1.0]]
    spec = spec_now(item, bank.parent)
    assert [option.text for option in spec.options] == [steps[position - 1] for position in swapped]
    assert (spec.proof, spec.no_proof) == (None, NO_PROOF)
    item.refresh_from_db()
    assert [option.text for option in version_of(item).options.all()] == [steps[1], steps[0], *steps[2:]]
    assert right_in_force(attempts[0].attempt_items.get().version) == swapped
    said = ItemEvent.objects.filter(item=item, kind="key fixed").latest("pk").detail
    assert said.startswith(f"Order {', '.join(map(str, authored))} → {', '.join(map(str, swapped))} in version 2;")

    # positions of version 2: its first step is the old second one
    of_second = answered(learner, item, authored)
    rescore(corrected(item, author, last_first).pk)
    assert [scores(attempt) for attempt in (*attempts, of_second)] == [[0.0], [0.0], [0.0]]
    wanted = [swapped[position - 1] for position in last_first]
    assert right_in_force(attempts[0].attempt_items.get().version) == wanted
    assert answered(stranger, item, authored).attempt_items.get().responses.get().is_right


def test_an_open_attempt_shows_the_steps_it_showed_and_is_marked_by_the_new_order(
    bank: Path, author: User, learner: User, sign_in: SignIn
) -> None:
    item = loaded("ordering", bank.parent)
    authored = [option.position for option in version_of(item).options.all()]
    swapped = [2, 1, *authored[2:]]
    attempt = asked(learner, item)
    question = attempt.attempt_items.get()
    before = [(part.position, part.text) for part in present(attempt, question).parts]
    assert preview(item, swapped).waiting == 1
    page = sign_in(author).post(reverse("fix_key", args=[item.key]), places(item, swapped)).content.decode()
    assert "Open attempts keep the wording that they began with" in page
    assert "In 1 of them the question is still to be answered." in page
    corrected(item, author, swapped)
    question = attempt.attempt_items.get()
    assert [(part.position, part.text) for part in present(attempt, question).parts] == before
    assert question.version.number == 1
    given = record_response(attempt, question, present(attempt, question).numbers(swapped))
    assert given.response.is_right
    shown = sign_in(learner).get(reverse("attempt", args=[attempt.pk]) + "?q=1").content.decode()
    assert "The key of this question was corrected on" in shown
    assert "It is the other way round." in shown
    assert shown.count("At its place") == len(authored)


def places(item: Item, right: Sequence[int], **more: str) -> dict[str, str]:
    """What the form of an ordering sends."""
    options = list(version_of(item).options.all())
    words = {f"rationale_{o.position}": o.rationale for o in options} | {
        f"misconception_{o.position}": o.misconception for o in options
    }
    return {
        **words,
        **{f"place_{position}": str(place) for place, position in enumerate(right, 1)},
        "reason": "It is the other way round.",
        **more,
    }


def test_two_steps_at_one_place_are_refused_beside_the_field(bank: Path, author: User, sign_in: SignIn) -> None:
    item = loaded("ordering", bank.parent)
    authored = [option.position for option in version_of(item).options.all()]
    client, url = sign_in(author), reverse("fix_key", args=[item.key])
    answer = client.post(url, places(item, authored, place_1="2"))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert page.count("Two steps cannot both stand at place 2.") == 2
    assert re.search(r'id="place-1" aria-invalid="true".*?<option value="2" selected>', page) is not None
    assert "This is the key already." in client.post(url, places(item, authored, confirm="1")).content.decode()
    assert KeyFix.objects.count() == 0


# --- matches -------------------------------------------------------------------------------------


def test_a_match_is_corrected_and_taken_back(bank: Path, author: User, learner: User, stranger: User, sign_in: SignIn) -> None:
    item = loaded("matching", bank.parent)
    before = spec_now(item, bank.parent)
    options = list(version_of(item).options.all())
    texts = {option.position: option.text for option in options}
    old = right_in_force(version_of(item))
    new = [old[1], old[0], *old[2:]]
    attempts = [answered(learner, item, old), answered(stranger, item, new)]
    fix = corrected(item, author, new)
    rescore(fix.pk)
    assert [scores(attempt) for attempt in attempts] == [[0.0], [1.0]]
    spec = spec_now(item, bank.parent)
    assert [o.text for o in spec.options if o.prompt] == [texts[position] for position in new]
    assert {o.text for o in spec.options} == {o.text for o in before.options}
    said = ItemEvent.objects.filter(item=item, kind="key fixed").latest("pk").detail
    assert f"{options[0].prompt}: {texts[old[0]]} → {texts[new[0]]}" in said
    shown = sign_in(stranger).get(reverse("attempt", args=[attempts[1].pk]) + "?q=1").content.decode()
    assert shown.count("Matched") == len(old)

    back = reversal(KeyFix.objects.get(pk=fix.pk))
    assert back is not None
    rescore(corrected(item, author, back.right, "It was right before.").pk)
    assert [scores(attempt) for attempt in attempts] == [[1.0], [0.0]]
    assert spec_now(item, bank.parent) == before


# --- computed ------------------------------------------------------------------------------------


def test_another_template_is_right_in_every_variant(bank: Path, author: User, learner: User, stranger: User) -> None:
    item = loaded("computed", bank.parent)
    version = version_of(item)
    facts = list(version.variants.order_by("number").values_list("parameters", "facts"))
    assert len(facts) > 1
    old = right_in_force(version)
    new = [next(option.position for option in version.options.all() if [option.position] != old)]
    attempts = [answered(learner, item, old), answered(stranger, item, new)]
    rescore(fixed(item, author, *new).pk)
    assert [scores(attempt) for attempt in attempts] == [[0.0], [1.0]]
    item.refresh_from_db()
    assert version_of(item).number == 2
    assert list(version_of(item).variants.order_by("number").values_list("parameters", "facts")) == facts
    assert answered(learner, item, new).attempt_items.get().responses.get().is_right


# --- the way back --------------------------------------------------------------------------------


def test_what_is_taken_back_has_its_proofs_again(bank: Path, item: Item, author: User, learner: User, sign_in: SignIn) -> None:
    before = spec_now(item, bank.parent)
    attempt = answered(learner, item, right_in_force(version_of(item)))
    fix = fixed(item, author, 3)
    rescore(fix.pk)
    assert scores(attempt) == [0.0]
    client = sign_in(author)
    page = client.get(reverse("key_fix", args=[fix.pk])).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="((?!csrf)[^"]+)" value="([^"]*)"', page))
    assert fields["keys"] == "2"
    assert "is taken back: The other one is right." in fields["reason"]
    typed = {name: html.unescape(value) for name, value in fields.items()}
    confirmed = client.post(reverse("fix_key", args=[item.key]), typed)
    assert "1 become right" in confirmed.content.decode()
    base = stored_block(item.bank, item.key).digest
    item.refresh_from_db()
    back = reversal(KeyFix.objects.get(pk=fix.pk))
    assert back is not None
    rescore(fix_key(item, back, base, fields["reason"], author).pk)
    assert scores(attempt) == [1.0]
    assert spec_now(item, bank.parent) == before
    page = client.get(reverse("key_fix", args=[fix.pk])).content.decode()
    assert "A later version stands in its place." in page
    assert "Take it back" not in page


def test_an_older_fix_is_not_taken_back_over_a_newer_one(item: Item, author: User) -> None:
    older = fixed(item, author, 3)
    fixed(item, author, 1)
    assert reversal(KeyFix.objects.get(pk=older.pk)) is None
    assert correction_to(Item.objects.get(pk=item.pk), 2).right == (2,)
