"""An endpoint that looks features up on the running site: the client sends a key, the answer is the model's own prediction."""

import csv
import io
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from databricks.sdk.service.catalog import OnlineTable, OnlineTableSpec, OnlineTableSpecTriggeredSchedulingPolicy
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from sandbox.features.spec import Column, FeatureSpec, Function, Lookup
from tests.deployed import client_environment
from tests.stack import Stack, wait_for

ENDPOINT, MODEL, TABLE = "looks-up", "main.default.looks_up", "main.default.lookup_rows"
SPEC = FeatureSpec(
    columns=(
        Column("number", "data", "bigint"),
        Column("raw", "data", "double"),
        Column("a", "lookup", "double"),
        Column("b", "lookup", "double"),
        Column("ratio", "function", "double"),
    ),
    lookups=(Lookup(TABLE, {"id": "number"}, {"a": "a", "second": "b"}, defaults={"a": 0.5, "b": 7.0}),),
    functions=(Function("main.default.lookup_ratio", {"x": "a", "y": "b"}, "ratio"),),
    exclude_columns=("number",),
)
VALUES = [(n, n * 37 % 101 / 2, n * 1.25 + 1) for n in range(200)]
"""Of such columns there is one linear model, so its answers for other rows are known too."""
ROWS = [{"number": n, "raw": float(n % 7), "a": a, "b": b, "ratio": a / b} for n, a, b in VALUES]
STATEMENTS = (
    f"CREATE TABLE {TABLE} (id BIGINT NOT NULL, a DOUBLE, second DOUBLE, PRIMARY KEY (id))",
    f"INSERT INTO {TABLE} VALUES " + ", ".join(f"({row['number']}, {row['a']}, {row['b']})" for row in ROWS),
    "CREATE FUNCTION main.default.lookup_ratio(x DOUBLE, y DOUBLE) RETURNS DOUBLE LANGUAGE PYTHON AS $$\nreturn x / y\n$$",
)


@pytest.fixture(scope="module")
def own_predictions(stack: Stack, learner_token: str, sdk: Any) -> list[float]:
    """What the model itself says of all rows. Table, function, online table and model are there then."""
    for statement in STATEMENTS:
        done = sdk.statement_execution.execute_statement(statement=statement, warehouse_id="sandbox", wait_timeout="30s")
        assert done.status.state.value == "SUCCEEDED", done.status
    spec = OnlineTableSpec(
        source_table_full_name=TABLE,
        primary_key_columns=["id"],
        perform_full_copy=True,
        run_triggered=OnlineTableSpecTriggeredSchedulingPolicy(),
    )
    sdk.online_tables.create(OnlineTable(name=f"{TABLE}_online", spec=spec))
    script = Path(__file__).with_name("log_model_with_lookups.py")
    done = subprocess.run(
        [sys.executable, str(script), MODEL, json.dumps(ROWS), SPEC.to_json()],
        cwd=stack.data_dir, env=client_environment(stack, learner_token), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.search(r"^PREDICTIONS (.*)$", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    return list(json.loads(found[1]))


@pytest.fixture(scope="module")
def endpoint(stack: Stack, sdk: Any, own_predictions: list[float]) -> str:
    entity = ServedEntityInput(entity_name=MODEL, entity_version="1", workload_size="Small", scale_to_zero_enabled=False)
    sdk.serving_endpoints.create(name=ENDPOINT, config=EndpointCoreConfigInput(name=ENDPOINT, served_entities=[entity]))

    def ready() -> bool:
        found = sdk.serving_endpoints.get(ENDPOINT)
        assert found.state.config_update.value != "UPDATE_FAILED", f"{found.as_dict()}\n{stack.log_tails()}"
        return bool(found.state.ready.value == "READY")

    wait_for(ready, 120, f"{ENDPOINT} did not become READY", stack.log_tails)
    return ENDPOINT


def ask(http: httpx.Client, *records: dict[str, Any]) -> httpx.Response:
    return http.post(f"/serving-endpoints/{ENDPOINT}/invocations", json={"dataframe_records": list(records)})


def of(number: int) -> dict[str, Any]:
    return {"number": number, "raw": ROWS[number]["raw"]}


def test_two_hundred_keys_give_the_models_own_predictions(
    http: httpx.Client, endpoint: str, own_predictions: list[float]
) -> None:
    with ThreadPoolExecutor(16) as together:
        answers = list(together.map(lambda number: ask(http, of(number)), range(200)))
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    assert [answer.json()["predictions"][0] for answer in answers] == pytest.approx(own_predictions, abs=1e-6)
    whole = ask(http, *map(of, range(200)))
    assert whole.json()["predictions"] == pytest.approx(own_predictions, abs=1e-6)


def test_what_is_sent_and_what_is_missing(http: httpx.Client, endpoint: str) -> None:
    sent = ask(http, {**of(4), "a": 10.0})
    assert sent.json()["predictions"] == pytest.approx([4 + 20 + 3 * 6 + 4 * 10 / 6])
    missing = ask(http, of(1), {"number": 1000, "raw": 1.0})
    assert missing.json()["predictions"][1] == pytest.approx(1 + 2 * 0.5 + 3 * 7 + 4 * 0.5 / 7)
    without_key = ask(http, {"raw": 1.0})
    assert (without_key.status_code, without_key.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "lacks the column 'number', by which a, b are looked up in main.default.lookup_rows" in without_key.json()["message"]
    without_raw = ask(http, {"number": 1})
    assert (without_raw.status_code, without_raw.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), "MLflow's own"
    assert "raw" in without_raw.json()["message"]


def test_the_page_compares_offline_looked_up_and_sent(stack: Stack, sdk: Any, endpoint: str) -> None:
    page = f"/sandbox/serving/{ENDPOINT}/features/looks_up-1/compare/"
    with httpx.Client(base_url=stack.url, timeout=60, follow_redirects=True, trust_env=False) as browser:

        def send(path: str, **fields: str) -> httpx.Response:
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(path).text)
            assert token is not None
            return browser.post(path, data={**fields, "csrfmiddlewaretoken": token[1]}, headers={"Referer": stack.url})

        send("/login/", username="learner", password=stack.password("learner"))
        rows = list(csv.DictReader(io.StringIO(send(page, rows="20", c0="2", csv="yes").text)))
        own = [2 + 2 * row["a"] + 3 * row["b"] + 4 * row["ratio"] for row in ROWS[:20]]
        for way in ("score_batch", "looked_up", "features_sent"):
            assert [float(row[way]) for row in rows] == pytest.approx(own, abs=1e-6)
        assert [row["verdict"] for row in rows] == ["same"] * 20

        changed = f"UPDATE {TABLE} SET a = 90 WHERE id = 3"
        sdk.statement_execution.execute_statement(statement=changed, warehouse_id="sandbox", wait_timeout="30s")
        shown = send(page, rows="20", c0="2").text
        assert "1 of 20 rows differs" in shown
        assert "1 commit behind version 2 of the table" in shown
        row = list(csv.DictReader(io.StringIO(send(page, rows="20", c0="2", csv="yes").text)))[3]
        now = 2 + 2 * 90 + 3 * ROWS[3]["b"] + 4 * 90 / ROWS[3]["b"]
        assert [float(row[way]) for way in ("score_batch", "looked_up", "features_sent")] == pytest.approx([now, own[3], now])
        assert row["differing_features"].startswith("a: 90.0 offline, 5.0 online; ratio: ")


def test_an_online_table_that_was_deleted_is_told(http: httpx.Client, sdk: Any, endpoint: str) -> None:
    sdk.online_tables.delete(f"{TABLE}_online")
    answer = ask(http, of(1))
    assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert answer.json()["message"].startswith(f"No suitable online store found for feature tables: {TABLE}.")
    assert ask(http, {**of(1), "a": 1.0, "b": 2.0}).json()["predictions"] == pytest.approx([1 + 2 + 6 + 2])
