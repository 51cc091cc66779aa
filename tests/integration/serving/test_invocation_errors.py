"""Every wrong input gets its documented status, code and a sentence that helps; the neighbours are answered."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.stack import Stack, wait_for

GOOD = {"dataframe_records": [{"a": 1.0, "b": 2.0, "c": 3.5}]}


def ask(http: httpx.Client, endpoint: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return http.post(
        f"/serving-endpoints/{endpoint}/invocations", content=content, headers={"Content-Type": "application/json", **headers}
    )


@pytest.mark.parametrize(
    ("body", "status", "code", "part"),
    [
        ("{broken", 400, "BAD_REQUEST", "valid JSON"),
        ('{"dataframe_records": [{"a": NaN, "b": 1, "c": 1}]}', 400, "BAD_REQUEST", "unexpected error while evaluating"),
        ({**GOOD, "instances": [[1, 2, 3]]}, 400, "BAD_REQUEST", "exactly one of the input fields"),
        ({"rows": []}, 400, "BAD_REQUEST", "exactly one of the input fields"),
        ([1, 2], 400, "BAD_REQUEST", "Received a list"),
        ({"dataframe_records": [{"a": 1, "b": 2}]}, 400, "INVALID_PARAMETER_VALUE", "missing inputs ['c']"),
        ({"dataframe_records": [{"a": "x", "b": 1, "c": 1}]}, 400, "BAD_REQUEST", "Failed to convert column a"),
        ({"dataframe_split": [1]}, 400, "BAD_REQUEST", "must be a dictionary"),
        ("\ud800".encode("utf-8", "surrogatepass"), 400, "BAD_REQUEST", "valid JSON"),
    ],
)
def test_a_wrong_body(http: httpx.Client, adder: str, body: Any, status: int, code: str, part: str) -> None:
    answer = ask(http, adder, body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert part in answer.json()["message"]


def test_what_scikit_learn_raises_on_is_the_callers_error(http: httpx.Client, adder: str) -> None:
    """Null is NaN in a column of doubles; this estimator refuses NaN, and so does its ONNX form."""
    answer = ask(http, adder, {"dataframe_records": [{"a": None, "b": 1, "c": 1}]})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "Input X contains NaN" in answer.json()["stack_trace"]


def test_csv_and_parquet_are_read_and_other_types_are_415(http: httpx.Client, adder: str) -> None:
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [2.5, 0.5], "c": [0.25, 1.0]})
    file = io.BytesIO()
    table.to_parquet(file)
    kinds = {"text/csv": table.to_csv(index=False).encode(), "application/vnd.apache.parquet": file.getvalue()}
    for kind, content in kinds.items():
        answer = ask(http, adder, content, **{"Content-Type": kind})
        assert (answer.status_code, answer.json()) == (200, {"predictions": [pytest.approx(3.75), pytest.approx(3.5)]}), kind
    answer = ask(http, adder, GOOD, **{"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert "application/vnd.apache.parquet" in answer.json()["message"]


def test_a_body_over_the_limit_is_413(http: httpx.Client, adder: str) -> None:
    answer = ask(http, adder, b"[" + b"1," * (9 * 2**20) + b"1]")
    assert (answer.status_code, answer.json()["error_code"]) == (413, "REQUEST_TOO_LARGE")


def test_an_unknown_endpoint_and_someone_elses_look_the_same(stack: Stack, http: httpx.Client, adder: str) -> None:
    missing = ask(http, "nowhere", GOOD)
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {stack.token('author')}"}) as author:
        foreign = ask(author, adder, GOOD)
    assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert foreign.status_code == 404
    assert foreign.json() == {**missing.json(), "message": missing.json()["message"].replace("nowhere", adder)}


def test_an_unknown_served_model_names_those_that_are_there(http: httpx.Client, adder: str) -> None:
    answer = http.post(f"/serving-endpoints/{adder}/served-models/other-9/invocations", json=GOOD)
    assert answer.status_code == 404
    assert "adder-1" in answer.json()["message"]


@pytest.mark.parametrize("authorization", ["", "Bearer dapi-no-such-token", "Basic bGVhcm5lcjp4", "Bearer"])
def test_without_a_valid_token_it_is_401(stack: Stack, adder: str, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    with httpx.Client(base_url=stack.url, headers=headers) as stranger:
        answer = ask(stranger, adder, GOOD)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_a_revoked_token_stops_working(stack: Stack, http: httpx.Client, adder: str) -> None:
    made = http.post("/api/2.0/token/create", json={"comment": "to be revoked", "lifetime_seconds": 600}).json()
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {made['token_value']}"}) as client:
        assert ask(client, adder, GOOD).status_code == 200
        http.post("/api/2.0/token/delete", json={"token_id": made["token_info"]["token_id"]}).raise_for_status()
        wait_for(lambda: ask(client, adder, GOOD).status_code == 401, 60, "the revoked token still worked")


def test_wrong_requests_do_not_fail_their_neighbours(http: httpx.Client, adder: str) -> None:
    """Sent together, so that they share messages and batches: every tenth is wrong in some way."""
    wrong = ["{broken", {"dataframe_records": [{"a": "x", "b": 1, "c": 1}]}, {"dataframe_records": [{"a": 1}]}]
    bodies: list[Any] = [
        wrong[i // 10 % 3] if i % 10 == 0 else {"dataframe_records": [{"a": i, "b": 0.5, "c": 1}]} for i in range(300)
    ]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda body: ask(http, adder, body), bodies))
    for i, answer in enumerate(answers):
        if i % 10 == 0:
            assert answer.status_code == 400, (i, answer.text)
        else:
            assert answer.json()["predictions"] == [pytest.approx(i + 1.5)], (i, answer.text)


def test_the_headers_name_who_answered(http: httpx.Client, adder: str) -> None:
    answer = ask(http, adder, GOOD)
    assert answer.json() == {"predictions": [pytest.approx(6.5)]}
    assert answer.headers["served-model-name"] == "adder-1"
    assert len(answer.headers["x-databricks-request-id"]) == 36
