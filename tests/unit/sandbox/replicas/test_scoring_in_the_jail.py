"""Bodies that only the model's process reads, in a real jailed runner: nothing is left to import there, no threads are needed."""

import base64
import io
import json
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sandbox.replicas.messages import ReplicaSpec
from sandbox.replicas.replica import RUNNER_LIMITS, Replica
from sandbox.replicas.requests import Pending
from sandbox.replicas.runner import Runner
from sandbox.replicas.scoring.answer import warm_up
from sandbox.replicas.tabular import TabularTask
from tests.onnx_models import adding

MODEL = adding()


@pytest.fixture
def replica() -> Iterator[Replica]:
    warm_up()
    started = Runner.start("onnx", MODEL, RUNNER_LIMITS)
    task = TabularTask(started.wait_loaded())
    made = Replica(ReplicaSpec("e1", "onnx", "", "", "adding-1"), "r1", "node-1", started, MODEL, task, None, deque())
    yield made
    made.runner.kill()


def ask(replica: Replica, body: str, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    request = Pending("id", body, "w1", "", "ann", 0.0, time.time() + 60, content_type)
    replica.answer([request])
    return request.answer.status, json.loads(request.answer.body)


def parquet(table: pd.DataFrame) -> str:
    file = io.BytesIO()
    table.to_parquet(file)
    return base64.b64encode(file.getvalue()).decode()


def test_every_content_type(replica: Replica) -> None:
    wanted = {"predictions": [3.0, 5.0]}
    records = [{"a": 1, "when": "1970-01-03"}, {"a": 2, "when": "1970-01-04T00:00:00"}]
    assert ask(replica, json.dumps({"dataframe_records": records[:1]})) == (200, {"predictions": [3.0]})
    table = pd.DataFrame({"a": [1, 2], "when": pd.to_datetime(["1970-01-03", "1970-01-04"])})
    assert ask(replica, parquet(table), "application/vnd.apache.parquet") == (200, wanted)
    status, answer = ask(replica, table.to_csv(index=False), "text/csv")
    assert (status, answer["error_code"]) == (400, "BAD_REQUEST")  # pandas reads no times by type (measured)
    assert "Failed to parse input as a Pandas DataFrame" in answer["message"]
    status, answer = ask(replica, "a,b", "text/plain")
    assert status == 415
    assert "only supports the following content types" in answer["message"]


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ("{not json", "BAD_REQUEST", "Ensure that input is a valid JSON formatted string. Error: 'JSONDecodeError("),
        ("[1]", "BAD_REQUEST", "Received a list."),
        ("{}", "BAD_REQUEST", "exactly one of the input fields"),
        (
            '{"dataframe_records": [{"a": 1, "when": "never"}]}',
            "BAD_REQUEST",
            "Failed to convert column when to type 'datetime64",
        ),
        (
            '{"dataframe_records": [{"a": "x", "when": "1970-01-01"}]}',
            "BAD_REQUEST",
            "Failed to convert column a to type 'int64'",
        ),
        ('{"dataframe_records": [{"a": 1, "z": 1}]}', "INVALID_PARAMETER_VALUE", "Model is missing inputs ['when']. Note that"),
        ('{"dataframe_split": [1]}', "BAD_REQUEST", "Dataframe split format must be a dictionary. Got list."),
        ("[" * 100_000, "BAD_REQUEST", "valid JSON"),
    ],
)
def test_what_is_refused(replica: Replica, body: str, code: str, part: str) -> None:
    status, answer = ask(replica, body)
    assert (status, answer["error_code"]) == (400, code)
    assert part in answer["message"]
    assert answer["sqlstate"] in {"KAM00", "KAM01"}


def test_neighbours_on_both_ways_get_their_own_answers(replica: Replica) -> None:
    bodies = [{"dataframe_records": [{"a": number, "when": "1970-01-02"}]} for number in range(3)]
    bodies.insert(1, {"dataframe_records": [{"a": None, "when": "1970-01-02"}]})
    requests = [Pending(str(i), json.dumps(body), "w1", "", "ann", 0.0, time.time() + 60) for i, body in enumerate(bodies)]
    replica.answer(requests)
    assert [request.answer.status for request in requests] == [200, 400, 200, 200]
    values = [json.loads(request.answer.body)["predictions"] for request in requests if request.answer.status == 200]
    np.testing.assert_array_equal(values, [[1.0], [2.0], [3.0]])
