"""An import on the running site: a file larger than a page's body, read by the background worker; strangers may not send it."""

import http.client
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.integration.quizzes.exchange_files import DEFAULTS
from tests.stack import Stack, wait_for

PAGE = "/author/import/"


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True, trust_env=False) as opened:
        yield opened


def sign_in(client: httpx.Client, stack: Stack, username: str) -> None:
    fields = {"username": username, "password": stack.password(username), "csrfmiddlewaretoken": token(client, "/login/")}
    assert client.post("/login/", data=fields, headers=referer(client)).status_code == 200


def token(client: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def referer(client: httpx.Client) -> dict[str, str]:
    return {"Referer": str(client.base_url)}


def table(count: int) -> bytes:
    """Items with long rationales: more than a megabyte."""
    head = "key,kind,stem," + ",".join(f"option_{n}_{c}" for n in range(1, 4) for c in ("text", "is_key", "rationale"))
    rows = [
        f"site-{n},single,Hill{n} asks vale{n} which moor{n} fits?,"
        + ",".join(
            f"The {word}{n} way,{'yes' if place == n % 3 else 'no'},{f'Because{n} ' * 40}" for place, word in enumerate("abc")
        )
        for n in range(count)
    ]
    return "\n".join([head, *rows]).encode()


def upload(client: httpx.Client, data: bytes, seen_on: str = PAGE) -> httpx.Response:
    fields = {"format": "csv", "bank": "custom_models", "declaration": "on", **DEFAULTS}
    fields["csrfmiddlewaretoken"] = token(client, seen_on)
    return client.post(PAGE, data=fields, files={"file": ("big.csv", data)}, headers=referer(client))


def test_a_large_file_gets_its_dry_run_and_is_given_up(client: httpx.Client, stack: Stack) -> None:
    sign_in(client, stack, "author")
    data = table(1_200)
    assert len(data) > 1024 * 1024
    answer = upload(client, data)
    assert answer.status_code == 200
    assert "/author/import/" in answer.url.path
    page = str(answer.url.path)
    assert re.fullmatch(r"/author/import/\d+/", page)

    def read() -> str:
        return client.get(page).text

    wait_for(lambda: "Waits for your word" in read() or "Refused</span>" in read(), 120, "the dry run did not end")
    text = read()
    assert "<dt>New</dt><dd>1200</dd>" in text, re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", text))[:3000]
    run = page.rstrip("/").rsplit("/", 1)[-1]
    assert (stack.data_dir / "imports" / f"import-{run}").read_bytes() == data
    given_up = client.post(f"{page}discard/", data={"csrfmiddlewaretoken": token(client, page)}, headers=referer(client))
    assert "nothing was stored" in given_up.text
    assert not (stack.data_dir / "imports" / f"import-{run}").exists()


@pytest.mark.parametrize("username", ["", "learner"])
def test_strangers_may_not_send_a_large_body(client: httpx.Client, stack: Stack, username: str) -> None:
    if username:
        sign_in(client, stack, username)
    answer = client.post(PAGE, content=b"x" * (2 * 1024 * 1024), headers=referer(client))
    assert answer.status_code == 413
    assert "over the limit of 1024 KB" in answer.text


def test_even_an_author_may_not_send_without_end(client: httpx.Client, stack: Stack) -> None:
    """Refused by what she announces, before a byte of it is read."""
    sign_in(client, stack, "author")
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    connection.putrequest("POST", PAGE)
    connection.putheader("Cookie", cookies)
    connection.putheader("Content-Length", str(40 * 1024 * 1024))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"over the limit of 33792 KB" in answer.read()
    connection.close()
