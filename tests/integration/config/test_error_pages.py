"""Unexpected requests: a page for a person, the provider's error shape for an API client."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/api/2.0/no-such-api", "/serving-endpoints/a/b/c"])
def test_an_unknown_api_path_answers_in_json(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for 'GET {path}'."}


def test_an_unknown_page_answers_with_a_page() -> None:
    answer = Client().get("/no/such/page/")
    assert answer.status_code == 404
    assert "Page not found" in answer.content.decode()


def test_a_form_over_the_limit_is_413_with_words() -> None:
    answer = Client(raise_request_exception=False).post("/login/", {"username": "a" * (1024 * 1024 + 1), "password": "b"})
    assert answer.status_code == 413
    assert "too much for one form" in answer.content.decode()


def test_a_form_without_its_token_is_403_with_words() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


def test_pages_forbid_inline_script() -> None:
    policy = Client().get("/login/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
