"""People change their own password: what is wrong is said and changes nothing, a change ends all other sessions."""

import pytest
from django.conf import settings
from django.test import Client

from sandbox.workspaces.models import User

pytestmark = pytest.mark.django_db
OLD, NEW = "the-old-password-7", "a-quite-new-password-8"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada-lovelace", password=OLD, role="learner")


def signed_in(password: str) -> Client:
    client = Client()
    client.post("/login/", {"username": "ada-lovelace", "password": password})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/password/").status_code == 200


def given(old: str = OLD, new: str = NEW, again: str = NEW) -> dict[str, str]:
    return {"old_password": old, "new_password1": new, "new_password2": again}


def test_a_change_holds_and_ends_other_sessions(ada: User) -> None:
    here, elsewhere = signed_in(OLD), signed_in(OLD)
    answer = here.post("/password/", given(), follow=True)
    assert "Your password is changed. You are signed out everywhere else." in answer.content.decode()
    assert (is_signed_in(here), is_signed_in(elsewhere)) == (True, False)
    assert (is_signed_in(signed_in(OLD)), is_signed_in(signed_in(NEW))) == (False, True)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (given(old="wrong"), "Your old password was entered incorrectly. Please enter it again."),
        (given(again=NEW + "x"), "The two password fields didn’t match."),
        (given(new="short", again="short"), "This password is too short. It must contain at least 10 characters."),
        (given(new="basketball", again="basketball"), "This password is too common."),
        (given(new="ada-lovelace1", again="ada-lovelace1"), "The password is too similar to the username."),
        ({}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(ada: User, sent: dict[str, str], sentence: str) -> None:
    client = signed_in(OLD)
    answer = client.post("/password/", sent)
    assert (answer.status_code, sentence in answer.content.decode()) == (422, True)
    assert not any(typed and f'value="{typed}"' in answer.content.decode() for typed in sent.values())
    ada.refresh_from_db()
    assert ada.check_password(OLD)


def test_the_old_password_cannot_be_guessed(ada: User) -> None:
    client = signed_in(OLD)
    tried = [client.post("/password/", given(old=f"guess {n}")).status_code for n in range(settings.AXES_FAILURE_LIMIT)]
    assert tried[:-1] == [422] * (settings.AXES_FAILURE_LIMIT - 1)
    answer = client.post("/password/", given())
    assert (answer.status_code, "For a quarter of an hour" in answer.content.decode()) == (429, True)
    ada.refresh_from_db()
    assert ada.check_password(OLD)


def test_nobody_changes_a_password_without_signing_in() -> None:
    answer = Client().post("/password/", given())
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/password/")
