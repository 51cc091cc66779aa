"""The unmodified mlflow client logs, registers, finds and loads models on a running site, by both pairs of addresses."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.registry import snippets
from tests.deployed import client_environment
from tests.stack import Stack

PROGRAM = Path(__file__).parent / "register_and_load.py"
OTHER_CALLS = Path(__file__).parent / "other_calls.py"


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("learner")


def run(stack: Stack, token: str, *arguments: str) -> str:
    """What a learner's program printed; it runs in a process of its own."""
    environment = client_environment(stack, token) | {"DATABRICKS_HOST": stack.url, "DATABRICKS_TOKEN": token}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder, env=environment | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def result_of(output: str) -> Any:
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.mark.parametrize("pair", ["site", "databricks"])
def test_a_model_is_registered_found_and_loaded_back(stack: Stack, token: str, pair: str) -> None:
    shown = result_of(run(stack, token, str(PROGRAM), pair, f"main.default.registered_by_{pair}"))
    assert shown["equal"] is shown["probabilities_equal"] is shown["copy_equal"] is True
    assert shown["version"] == ["READY", "the first", {"checked.by": "ada"}, True]
    assert (shown["champion"], shown["aliases"], shown["versions"]) == ("4", {"Champion": "4"}, [1, 2, 3, 4])
    assert shown["found"] is True
    assert shown["copied"] == ["1", "READY"]
    # the databricks client looks for a signature itself and adds a hint to the other; it gives neither a code
    said_by_client = "INTERNAL_ERROR" if pair == "databricks" else "INVALID_PARAMETER_VALUE"
    assert shown["refused"] == {
        "existing": "RESOURCE_ALREADY_EXISTS",
        "missing": "RESOURCE_DOES_NOT_EXIST",
        "deleted": "RESOURCE_DOES_NOT_EXIST",
        "alias": "RESOURCE_DOES_NOT_EXIST",
        "two_levels": said_by_client,
        "unsigned": said_by_client,
    }
    if pair == "databricks":
        assert (shown["left"], shown["second_try"]) == ("PENDING_REGISTRATION", "6")
    else:
        assert shown["stages"] == "INVALID_PARAMETER_VALUE"
        assert (shown["latest"], shown["liked"]) == (True, ["Loose churn"])


def test_what_learners_do_besides(stack: Stack, token: str) -> None:
    assert result_of(run(stack, token, str(OTHER_CALLS))) == {
        "autologged": ["C", "max_iter"],
        "inputs": ["dataset", "rows"],
        "files": ["docs", "estimator.html", "facts.json"],
        "text": "hello",
        "traces": [42],
        "spans": ["double"],
        "deleted": [True],
    }


def test_the_snippet_runs_as_it_stands(stack: Stack, token: str) -> None:
    assert "version 1" in run(stack, token, "-c", snippets.log_a_model("http://unused")[1]["code"])
