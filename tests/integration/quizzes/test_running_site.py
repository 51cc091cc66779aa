"""On the running site: proofs against the sandbox, a replay from the item page, and the lab from empty to passed."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointCoreConfigInput, Route, ServedEntityInput, TrafficConfig

from quizzes.bank_files import read_banks
from tests.stack import ROOT, Stack, wait_for

pytestmark = pytest.mark.timeout(600)
LAB = "/labs/champion-challenger/"


class Learner:
    """A person at a browser without JavaScript."""

    def __init__(self, stack: Stack, username: str) -> None:
        self._client = httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True, trust_env=False)
        self.post("/login/", "/login/", username=username, password=stack.password(username))

    def close(self) -> None:
        self._client.close()

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
def learner(stack: Stack) -> Iterator[Learner]:
    person = Learner(stack, "learner")
    yield person
    person.close()


def waited(read: Callable[[], str], until: str, what: str, timeout_s: float = 120) -> str:
    """The page once it says `until`."""
    found: list[str] = []

    def ready() -> bool:
        found.append(read())
        return until in found[-1]

    wait_for(ready, timeout_s, what, lambda: re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", found[-1]))[-2000:])
    return found[-1]


def test_proofs_confirm_what_they_are_about(stack: Stack) -> None:
    """One item of each kind; `make proofs` runs those of all items."""
    banks = read_banks(ROOT / "fixtures" / "banks")
    proved = [item for bank in banks for item in bank.items if item.has_full_proof]
    first = {kind: next(item.key for item in proved if item.kind == kind) for kind in ("multiple", "ordering", "matching")}
    keys = ["custom-split-adds-up", "computed-embedding-index", *first.values()]
    command = [sys.executable, str(ROOT / "manage.py"), "proofs", *keys, "--site", stack.url, "--workers", "2"]
    done = subprocess.run(command, cwd=ROOT, env=stack.environment(), capture_output=True, text=True, timeout=500)
    summary = re.search(r"(\d+) of (\d+) proofs confirmed, (\d+) items", done.stdout)
    assert summary is not None, done.stdout + done.stderr
    assert summary[1] == summary[2], done.stdout
    assert done.returncode == 0
    assert int(summary[3]) == len(keys)


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


def test_a_replay_reads_the_table(stack: Stack) -> None:
    """Deployed, called, fetched into the table and asked with SQL, from the click to the verdict."""
    author = Learner(stack, "author")
    item = re.search(r'href="(/items/\d+/)"', author.get("/author/items/assoc-table-prediction/"))
    assert item is not None
    prove = re.search(r'action="(/items/options/\d+/prove/)"', author.get(item[1]))
    assert prove is not None
    author.post(prove[1], item[1])
    page = waited(lambda: author.get(item[1]), "Requests and answers", "the replay did not end")
    assert "Shown to fail" in page or "Proved" in page
    assert "/api/2.0/sql/statements" in page
    author.close()


def test_an_author_replays_a_computed_answer_and_proves_a_draft(stack: Stack) -> None:
    author = Learner(stack, "author")
    item = re.search(r'href="(/items/\d+/)"', author.get("/author/items/computed-embedding-index/"))
    assert item is not None
    prove = re.search(r'action="(/items/variants/\d+/prove/)"', author.get(item[1]))
    assert prove is not None
    author.post(prove[1], item[1])
    assert "Proved" in waited(lambda: author.get(item[1]), "Requests and answers", "the replay did not end")

    editor = "/author/items/custom-missing-endpoint/"
    text = re.search(r'<textarea[^>]*name="text"[^>]*>(.*?)</textarea>', author.get(f"{editor}edit/"), re.DOTALL)
    assert text is not None
    wrong = html.unescape(text[1]).replace("status: 404, error_code", "status: 410, error_code", 1)
    run = author.post(f"{editor}prove/", f"{editor}edit/", text=wrong, bank="custom_models", base="")
    address = run.url.path
    page = waited(lambda: author.get(address), "3 of 4 confirmed.", "the draft's proofs did not end")
    assert "410 was expected, 404 was seen" in page
    author.close()


def run_id(page: str) -> str:
    found = re.search(r"/labs/runs/(\d+)/check/", page)
    assert found is not None, page
    return found[1]


def begin_lab(learner: Learner) -> str:
    """Start a run and wait for its setup; returns the run's id."""
    learner.post(f"{LAB}start/", LAB)
    return run_id(waited(lambda: learner.get(LAB), "Under way", "the lab was not set up"))


def end_lab(learner: Learner, run: str) -> None:
    """End the run and wait until what it was about is gone."""
    learner.post(f"/labs/runs/{run}/end/", LAB)
    wait_for(lambda: "churn-ab" not in learner.get("/sandbox/serving/"), 90, "the lab's endpoint was not removed")


def all_passed(stack: Stack, learner: Learner, run: str) -> str:
    """The page with all checks passed. A right split is refused once in a thousand times, so more is sent before each look."""
    client = WorkspaceClient(host=stack.url, token=stack.token("learner"), auth_type="pat")

    def check() -> str:
        send(client, 5)
        return learner.post(f"/labs/runs/{run}/check/", LAB).text

    return waited(check, "<strong>100 %</strong>", "not all checks passed")


def test_the_shown_solution_fulfils_every_check_and_is_no_pass(stack: Stack, learner: Learner) -> None:
    run = begin_lab(learner)
    empty = learner.post(f"/labs/runs/{run}/check/", LAB).text
    assert "Not yet" in empty
    assert "<strong>0 %</strong>" in empty
    learner.post(f"/labs/runs/{run}/solve/", LAB)
    waited(lambda: learner.get(LAB), "The reference solution has run", "the solution did not end")
    solved = all_passed(stack, learner, run)
    assert solved.count("Passed") == 4
    assert "Under way" in solved
    end_lab(learner, run)


def config(champion_share: int) -> EndpointCoreConfigInput:
    shares = {"1": champion_share, "2": 100 - champion_share}
    entities = [
        ServedEntityInput(entity_name="main.default.churn", entity_version=v, workload_size="Small", scale_to_zero_enabled=False)
        for v in shares
    ]
    routes = [Route(served_entity_name=f"churn-{version}", traffic_percentage=share) for version, share in shares.items()]
    return EndpointCoreConfigInput(name="churn-ab", served_entities=entities, traffic_config=TrafficConfig(routes=routes))


def send(client: WorkspaceClient, count: int) -> None:
    rows = json.loads((ROOT / "fixtures/models/churn_champion/model/serving_input_example.json").read_text())["dataframe_split"]
    row = dict(zip(rows["columns"], rows["data"][0], strict=True))
    for _ in range(count):
        client.serving_endpoints.query("churn-ab", dataframe_records=[row])


def test_a_learner_passes_the_lab_with_the_sdk_and_her_instructor_sees_it(stack: Stack, learner: Learner) -> None:
    instructor = Learner(stack, "instructor")
    cohort = instructor.post("/teach/", "/teach/", name="Autumn").text
    code = re.search(r'id="join-code"[^>]*>(\w+)<', cohort)
    csv_url = re.search(r'href="(/teach/\d+/progress\.csv)"', cohort)
    assert code is not None
    assert csv_url is not None
    learner.post("/join/", "/join/", code=code[1])
    run = begin_lab(learner)
    client = WorkspaceClient(host=stack.url, token=stack.token("learner"), auth_type="pat")

    client.serving_endpoints.create_and_wait(name="churn-ab", config=config(champion_share=50))
    send(client, 100)
    wrong = waited(lambda: learner.post(f"/labs/runs/{run}/check/", LAB).text, "100 answered requests", "the rows did not arrive")
    assert "version 1 of main.default.churn: 50 percent" in wrong
    assert "<strong>100 %</strong>" not in wrong
    assert "begun" in instructor.get(csv_url[1])

    right = config(champion_share=80)
    client.serving_endpoints.update_config_and_wait(
        "churn-ab", served_entities=right.served_entities, traffic_config=right.traffic_config
    )
    send(client, 150)
    passed = all_passed(stack, learner, run)
    assert passed.count("Passed") == 5  # four checks and the run
    assert "passed,100" in instructor.get(csv_url[1])
    end_lab(learner, run)
    assert "passed,100" in instructor.get(csv_url[1])
    instructor.close()
