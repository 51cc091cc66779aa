"""The first people of a site and the file that keeps their passwords."""

from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.test import RequestFactory

from config.first_sign_ins import make_missing_people

pytestmark = pytest.mark.django_db


def test_the_four_people_can_sign_in_with_what_the_file_says(tmp_path: Path) -> None:
    new = make_missing_people(tmp_path)
    lines = dict(line.split() for line in (tmp_path / "first_sign_ins.txt").read_text().splitlines())
    assert list(lines) == ["learner", "instructor", "author", "operator"]
    assert {sign_in.username: sign_in.password for sign_in in new} == lines
    for username, password in lines.items():
        person = authenticate(RequestFactory().post("/login/"), username=username, password=password)
        assert person is not None
        assert person.role == username


def test_the_file_is_private_and_passwords_differ(tmp_path: Path) -> None:
    new = make_missing_people(tmp_path)
    assert (tmp_path / "first_sign_ins.txt").stat().st_mode & 0o777 == 0o600
    assert len({sign_in.password for sign_in in new}) == 4
    assert min(len(sign_in.password) for sign_in in new) >= 12


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    make_missing_people(tmp_path)
    before = (tmp_path / "first_sign_ins.txt").read_text()
    passwords = dict(get_user_model().objects.values_list("username", "password"))
    assert make_missing_people(tmp_path) == []
    assert (tmp_path / "first_sign_ins.txt").read_text() == before
    assert dict(get_user_model().objects.values_list("username", "password")) == passwords


def test_somebody_who_was_removed_is_made_again_and_the_others_keep_their_passwords(tmp_path: Path) -> None:
    make_missing_people(tmp_path)
    get_user_model().objects.filter(username="author").delete()
    assert [sign_in.username for sign_in in make_missing_people(tmp_path)] == ["author"]
    assert get_user_model().objects.count() == 4
