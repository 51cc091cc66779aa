"""`manage.py add_people NAME[:E-MAIL] …`: accounts for a class, each with a password that is printed once."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from sandbox.workspaces.models import Role, User


class Command(BaseCommand):
    help = "Make accounts and print their passwords, which are kept nowhere else. All of them are made, or none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("people", nargs="+", metavar="NAME[:E-MAIL]", help="such as anna or anna:anna@example.org")
        parser.add_argument("--role", choices=Role.values, default=Role.LEARNER)

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            made = [_add(person, options["role"]) for person in options["people"]]
        for user, password in made:
            self.stdout.write(f"{user.username} {password}")


def _add(person: str, role: str) -> tuple[User, str]:
    """The account and its password. Raises CommandError."""
    name, _, email = person.partition(":")
    password = secrets.token_urlsafe(9)
    user = User(username=User.normalize_username(name), email=User.objects.normalize_email(email), role=role)
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise CommandError(f"{person!r}: {' '.join(error.messages)} Nobody was added.") from error
    holder = User.objects.filter(email__iexact=email).first() if email else None
    if holder is not None:
        raise CommandError(
            f"{person!r}: {holder.username} has this e-mail address already. An address names one person: what it owns and may "
            "do belongs to her. Nobody was added."
        )
    user.save()
    return user, password
