"""The four people of a new site: made on the first start with random passwords that are kept in a private file."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

FILE_NAME = "first_sign_ins.txt"
ROLES = ("learner", "instructor", "author", "operator")
"""User names; each has the role of that name."""


@dataclass(frozen=True)
class SignIn:
    username: str
    password: str


def make_missing_people(data_dir: Path) -> list[SignIn]:
    """Make those of the four who do not exist yet; returns the new ones with their passwords.

    The file is written before the database commits: a password that nobody could read would lock its person out.
    """
    people = get_user_model()
    with transaction.atomic():
        present = set(people.objects.filter(username__in=ROLES).values_list("username", flat=True))
        new = [SignIn(role, secrets.token_urlsafe(9)) for role in ROLES if role not in present]
        for sign_in in new:
            is_operator = sign_in.username == "operator"
            people.objects.create_user(
                sign_in.username, password=sign_in.password, role=sign_in.username, is_staff=is_operator, is_superuser=is_operator
            )
        if new:
            _keep(new, data_dir / FILE_NAME)
    return new


def _keep(new: list[SignIn], path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{sign_in.username} {sign_in.password}\n" for sign_in in new)
        file.flush()
        os.fsync(descriptor)


def as_table(sign_ins: list[SignIn]) -> str:
    width = max(len(sign_in.username) for sign_in in sign_ins)
    return "\n".join(f"    {sign_in.username:<{width}}  {sign_in.password}" for sign_in in sign_ins)
