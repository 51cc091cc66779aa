"""A submitted quiz answer survives kill -9 of the web process the instant after its acknowledgement."""

import os
import re
import signal

import httpx
import pytest

from tests.stack import Stack

pytestmark = pytest.mark.faults
ROUNDS = 3


@pytest.fixture
def browser(stack: Stack) -> httpx.Client:
    """Signed in as the learner."""
    client = httpx.Client(base_url=stack.url, timeout=120, follow_redirects=True, trust_env=False)
    post(client, "/login/", client.get("/login/").text, username="learner", password=stack.password("learner"))
    return client


def post(client: httpx.Client, path: str, page: str, **fields: str) -> httpx.Response:
    """Send the form with the token that the page carries."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None, page
    return client.post(path, data={**fields, "csrfmiddlewaretoken": token[1]}, headers={"Referer": str(client.base_url)})


def start_drill(client: httpx.Client) -> httpx.Response:
    """The page of the first question of a form: it takes one choice, where an exam's drill draws questions of every kind."""
    return post(client, "/study/start/", client.get("/study/").text, form="custom-models")


@pytest.mark.parametrize("option", ["1", "2", "3"][:ROUNDS])
def test_it_is_there_after_kill_minus_9(stack: Stack, browser: httpx.Client, option: str) -> None:
    question = start_drill(browser)
    action = re.search(r'action="(/attempts/(\d+)/responses/1/)"', question.text)
    sequence = re.search(r'name="sequence" value="(\d+)"', question.text)
    assert action is not None, question.text
    assert sequence is not None
    browser.follow_redirects = False
    pid = stack.pid("web")
    saved = post(browser, action[1], question.text, option=option, sequence=sequence[1])
    os.kill(pid, signal.SIGKILL)
    assert saved.status_code == 302  # the acknowledgement: sent after the commit
    stack.wait_restarted("web", pid)
    stack.wait_ready()
    after = browser.get(f"/attempts/{action[2]}/", params={"q": "1"}).text
    assert "Your answer" in after
    assert "Saved at" in after
    chosen = re.search(r'option-number"[^>]*>(\d)</span>(?:(?!option-number).)*?Your answer', after, re.DOTALL)
    assert chosen is not None
    assert chosen[1] == option
