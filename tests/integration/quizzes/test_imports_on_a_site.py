"""An import on the running site: a file larger than a page's body, read by the background worker; strangers may not send it."""

import html
import http.client
import re
from collections.abc import Iterator

import httpx
import pytest

from quizzes.bank_files import read_bank
from tests.integration.quizzes.exchange_files import DEFAULTS
from tests.integration.quizzes.importing.steps import csv_items
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
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
    connection.putrequest("POST", PAGE)
    connection.putheader("Cookie", cookies)
    connection.putheader("Content-Length", str(40 * 1024 * 1024))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"over the limit of 33792 KB" in answer.read()
    connection.close()


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of a page's last form."""
    form = page[page.rindex("<form method") :]
    return {
        name: html.unescape(value) for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    }


def texts(page: str, name: str) -> dict[str, str]:
    """What the text areas and selects of this name hold, by their number."""
    areas = re.findall(rf'<textarea[^>]* name="{name}_(\d)"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    chosen = re.findall(rf'<select[^>]* name="{name}_(\d)".*?<option value="([^"]+)" selected', page, re.DOTALL)
    return {f"{name}_{number}": html.unescape(value) for number, value in (*areas, *chosen)}


def test_an_import_is_stored_asked_and_its_key_corrected(client: httpx.Client, stack: Stack) -> None:
    """From the file to the learner's result, through the real control process; the files are those of this site alone."""
    sign_in(client, stack, "author")
    fields = {"format": "csv", "bank": "", "new_bank": "from_a_site", "title": "From a site", "declaration": "on", **DEFAULTS}
    fields["csrfmiddlewaretoken"] = token(client, PAGE)
    answer = client.post(PAGE, data=fields, files={"file": ("three.csv", csv_items(3))}, headers=referer(client))
    page = str(answer.url.path)
    file = stack.data_dir / "fixtures" / "banks" / "from_a_site.yaml"
    wait_for(lambda: "Waits for your word" in client.get(page).text, 90, "the dry run did not end")
    assert "<dt>New</dt><dd>3</dd>" in client.get(page).text
    assert not file.exists()
    client.post(f"{page}confirm/", data={"csrfmiddlewaretoken": token(client, page)}, headers=referer(client))
    wait_for(lambda: "Imported</span>" in client.get(page).text, 90, "the items were not stored")
    assert [item.key for item in read_bank(file).items] == ["made-0", "made-1", "made-2"]
    assert "made-1" in client.get("/author/?words=made").text

    with httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True, trust_env=False) as learner:
        sign_in(learner, stack, "learner")
        begin = {"form": "from-a-site", "csrfmiddlewaretoken": token(learner, "/study/")}
        question = learner.post("/study/start/", data=begin, headers=referer(learner)).text
        number = re.search(r'value="(\d)"[^>]*>\s*<span[^>]*>\d</span>\s*<span class="option-text">The slope0 way', question)
        action = re.search(r'action="(/attempts/\d+/)responses/1/"', question)
        assert number is not None
        assert action is not None
        given = {"option": number[1], "sequence": "1", "csrfmiddlewaretoken": token(learner, action[1])}
        wrong = learner.post(f"{action[1]}responses/1/", data=given, headers=referer(learner)).text
        assert "Not right" in wrong

        at = "/author/items/made-0/key/"
        form = client.get(at).text
        typed = {**texts(form, "rationale"), **texts(form, "misconception"), "reason": "The slope is the way.", "keys": "2"}
        sent = {**typed, "csrfmiddlewaretoken": token(client, at)}
        preview = client.post(at, data=sent, headers=referer(client)).text
        assert "1 become right, 0 become wrong" in preview
        run = client.post(at, data={**hidden(preview), "confirm": "1"}, headers=referer(client))
        wait_for(lambda: "Every answer is scored." in client.get(run.url.path).text, 90, "the answers were not scored anew")
        assert "<dt>Other scores</dt><dd>1 answer</dd>" in client.get(run.url.path).text
        assert [o.is_key for o in read_bank(file).items[0].options] == [False, True, False]
        now = learner.get(f"{action[1]}?q=1").text
        assert re.search(r'id="verdict".*?Right', now, re.DOTALL) is not None
        assert "The slope is the way." in now
