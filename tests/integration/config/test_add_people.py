"""The command that makes accounts."""

import io

import pytest
from django.core.management import CommandError, call_command

from sandbox.workspaces.models import User

pytestmark = pytest.mark.django_db


def add(*people: str, **options: str) -> list[list[str]]:
    output = io.StringIO()
    call_command("add_people", *people, stdout=output, **options)
    return [line.split() for line in output.getvalue().splitlines()]


def test_each_gets_an_account_and_a_password_that_works() -> None:
    printed = add("anna:Anna@Example.org", "ben", role="instructor")
    assert [name for name, _ in printed] == ["anna", "ben"]
    assert list(User.objects.order_by("username").values_list("username", "email", "role")) == [
        ("anna", "Anna@example.org", "instructor"),
        ("ben", "", "instructor"),
    ]
    for name, password in printed:
        assert User.objects.get(username=name).check_password(password)
    assert len({password for _, password in printed}) == 2


@pytest.mark.parametrize(
    ("person", "sentence"),
    [
        ("cleo:ANNA@example.org", "anna has this e-mail address already"),
        ("anna", "already exists"),
        ("cleo:no-address", "valid email"),
        ("two words", "valid username"),
        (":a@example.org", "cannot be blank"),
    ],
)
def test_all_are_added_or_none(person: str, sentence: str) -> None:
    add("anna:anna@example.org")
    with pytest.raises(CommandError, match=sentence):
        add("ben", person)
    assert list(User.objects.values_list("username", flat=True)) == ["anna"]
