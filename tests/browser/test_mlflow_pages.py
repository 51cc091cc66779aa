"""MLflow's own pages in a browser, by the session of the person who is signed in."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import new_context
from tests.stack import Stack

LOADED_WITHIN_MS = 30_000
"""MLflow's pages are ten megabytes of scripts, which a busy machine takes a while to read."""


@pytest.fixture
def mlflow_page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page on which the learner has signed in on the way to MLflow; `problems` collects what the policy refused."""
    context = new_context(browser)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    page.problems = problems  # type: ignore[attr-defined]
    page.goto(f"{stack.url}/sandbox/mlflow/")
    page.get_by_label("User name").fill("learner")
    page.get_by_label("Password").fill(stack.password("learner"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{stack.url}/sandbox/mlflow/**")
    yield page
    context.close()


@pytest.fixture
def run(stack: Stack) -> dict[str, Any]:
    """A run with a metric and an artifact, made by a client."""
    with httpx.Client(
        base_url=f"{stack.url}/api/2.0/mlflow", headers={"Authorization": f"Bearer {stack.token('learner')}"}
    ) as client:

        def post(path: str, **body: Any) -> Any:
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        experiment_id = post("/experiments/create", name="seen in a browser")["experiment_id"]
        made = post("/runs/create", experiment_id=experiment_id, run_name="patient-otter", start_time=1)["run"]["info"]
        post("/runs/log-metric", run_id=made["run_id"], key="roc_auc", value=0.875, timestamp=1, step=0)
        below = made["artifact_uri"].removeprefix("mlflow-artifacts:/")
        upload = client.put(f"{stack.url}/api/2.0/mlflow-artifacts/artifacts/{below}/notes.txt", content=b"kept with the run")
        assert upload.status_code == 200
        return dict(made)


def test_a_run_its_metric_and_its_file(mlflow_page: Page, stack: Stack, run: dict[str, Any]) -> None:
    address = f"{stack.url}/sandbox/mlflow/#/experiments/{run['experiment_id']}/runs/{run['run_id']}"
    mlflow_page.goto(address)
    expect(mlflow_page.get_by_role("heading", name="patient-otter")).to_be_visible(timeout=LOADED_WITHIN_MS)
    expect(mlflow_page.get_by_text("roc_auc")).to_be_visible(timeout=LOADED_WITHIN_MS)
    expect(mlflow_page.get_by_text("0.875")).to_be_visible(timeout=LOADED_WITHIN_MS)
    mlflow_page.goto(f"{address}/artifacts")
    mlflow_page.get_by_text("notes.txt").click()
    expect(mlflow_page.get_by_text("kept with the run")).to_be_visible(timeout=LOADED_WITHIN_MS)
    mlflow_page.get_by_role("link", name="Back to Proving Ground").click()
    mlflow_page.wait_for_url(f"{stack.url}/sandbox/")
    mlflow_page.get_by_role("link", name="Experiments").first.click()
    expect(mlflow_page.get_by_text("seen in a browser")).to_be_visible(timeout=LOADED_WITHIN_MS)
    assert mlflow_page.problems == []  # type: ignore[attr-defined]


def test_an_experiment_is_made_on_the_page(mlflow_page: Page, stack: Stack) -> None:
    mlflow_page.goto(f"{stack.url}/sandbox/mlflow/#/experiments")
    mlflow_page.get_by_role("button", name="Create").first.click()
    mlflow_page.get_by_label("Experiment Name").fill("made by hand")
    with mlflow_page.expect_response(lambda response: "experiments/create" in response.url):
        mlflow_page.get_by_role("dialog").get_by_role("button", name="Create").click()
    # the page opens the new experiment by itself, in steps that would take along whoever left for its list
    mlflow_page.goto("about:blank")
    mlflow_page.goto(f"{stack.url}/sandbox/mlflow/#/experiments")
    expect(mlflow_page.get_by_role("table").get_by_role("link", name="made by hand")).to_be_visible(timeout=LOADED_WITHIN_MS)
