"""On the running site: proofs against the sandbox, a replay from the item page, and the lab from empty to passed."""

import re
import subprocess
import sys
from collections.abc import Callable

import httpx
import pytest

from tests.stack import ROOT, Stack, wait_for

pytestmark = pytest.mark.timeout(600)
LAB = "/labs/champion-challenger/"


class Learner:
    """A person at a browser without JavaScript."""

    def __init__(self, stack: Stack, username: str) -> None:
        self._client = httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True, trust_env=False)
        self.post("/login/", "/login/", username=username, password=stack.password(username))

    def get(self, path: str) -> str:
        answer = self._client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text

    def post(self, path: str, seen_on: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(seen_on))
        assert token is not None
        answer = self._client.post(
            path, data={**fields, "csrfmiddlewaretoken": token[1]}, headers={"Referer": str(self._client.base_url)}
        )
        assert answer.status_code in {200, 422}, (path, answer.status_code, answer.text[:500])
        return answer


@pytest.fixture(scope="module")
def learner(stack: Stack) -> Learner:
    return Learner(stack, "learner")


def waited(read: Callable[[], str], until: str, what: str, timeout_s: float = 120) -> str:
    """The page once it says `until`."""
    found: list[str] = []

    def ready() -> bool:
        found.append(read())
        return until in found[-1]

    wait_for(ready, timeout_s, what, lambda: re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", found[-1]))[-2000:])
    return found[-1]


def test_every_proof_confirms_its_option(stack: Stack) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "proofs", "--site", stack.url]
    done = subprocess.run(command, cwd=ROOT, env=stack.environment(), capture_output=True, text=True, timeout=500)
    summary = re.search(r"(\d+) of (\d+) proofs confirmed, (\d+) items", done.stdout)
    assert summary is not None, done.stdout + done.stderr
    assert summary[1] == summary[2], done.stdout
    assert done.returncode == 0
    assert int(summary[3]) >= 5


def test_a_learner_replays_a_proof_in_her_own_workspace(stack: Stack, learner: Learner) -> None:
    question = learner.post("/study/start/", "/study/", form="custom-models").text
    action = re.search(r'action="(/attempts/(\d+)/responses/1/)"', question)
    assert action is not None
    attempt = f"/attempts/{action[2]}/"
    answered = learner.post(action[1], attempt, option="1", sequence="1").text
    item = re.search(r'href="(/items/\d+/)"', answered)
    assert item is not None
    prove = re.search(r'action="(/items/options/\d+/prove/)"', learner.get(item[1]))
    assert prove is not None
    learner.post(prove[1], item[1])
    page = waited(lambda: learner.get(item[1]), "Requests and answers", "the replay did not end")
    assert "Shown to fail" in page
    assert "INVALID_PARAMETER_VALUE" in page
    assert "dapi" not in page  # the token is sent, never shown
    assert "proof-" not in learner.get("/sandbox/serving/")  # what it made is gone


def run_id(page: str) -> str:
    found = re.search(r"/labs/runs/(\d+)/check/", page)
    assert found is not None, page
    return found[1]


def test_the_lab_from_empty_to_solved(stack: Stack, learner: Learner) -> None:
    learner.post(f"{LAB}start/", LAB)
    page = waited(lambda: learner.get(LAB), "Under way", "the lab was not set up")
    run = run_id(page)
    empty = learner.post(f"/labs/runs/{run}/check/", LAB).text
    assert "Not yet" in empty
    assert "<strong>0 %</strong>" in empty
    learner.post(f"/labs/runs/{run}/solve/", LAB)
    waited(lambda: learner.get(LAB), "The reference solution has run", "the solution did not end")
    solved = waited(
        lambda: learner.post(f"/labs/runs/{run}/check/", LAB).text, "<strong>100 %</strong>", "the checks did not pass", 30
    )
    assert solved.count("Passed") == 4
    assert "Under way" in solved  # a shown solution is no pass
    learner.post(f"/labs/runs/{run}/end/", LAB)
    wait_for(lambda: "churn-ab" not in learner.get("/sandbox/serving/"), 30, "the lab's endpoint was not removed")
