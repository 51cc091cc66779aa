"""A feature spec answers what it found, one object for each row; what is traced is logged and not sent."""

import json
import math
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import redis

from sandbox.features.plan import FunctionCall, LookupPlan
from sandbox.replicas.lookups import Lookups
from sandbox.replicas.requests import Pending, RequestAnswer
from tests.unit.sandbox.replicas.test_lookups import PLAN, TYPES, publish, records, refusal

SPEC = LookupPlan(("customer", "tenure", "spend"), TYPES, PLAN.tables)


def outputs(store: redis.Redis, plan: LookupPlan, request: Pending) -> list[dict[str, Any]]:
    Lookups(plan, store, is_spec=True).complete([request])
    assert request.answer.status == 200, request.answer.body
    answer = json.loads(request.answer.body)
    assert list(answer) == ["outputs"]
    return list(answer["outputs"])


def test_each_row_becomes_an_object_of_the_columns_that_are_not_excluded(store: redis.Redis) -> None:
    found = outputs(store, SPEC, records({"customer": 2, "raw": 1}, {"customer": 1}))
    assert found[1] == {"customer": 1, "tenure": 10, "spend": 1.5}
    assert list(found[0]) == ["customer", "tenure", "spend"]
    assert (found[0]["tenure"], math.isnan(found[0]["spend"])) == (20, True), "NaN of the source stays NaN"


def test_a_missing_key_is_none_alone_and_nan_among_others(store: redis.Redis) -> None:
    assert outputs(store, SPEC, records({"customer": 8})) == [{"customer": 8, "tenure": None, "spend": None}]
    there, missing = outputs(store, SPEC, records({"customer": 1}, {"customer": 8}))
    assert there["spend"] == 1.5
    assert math.isnan(missing["tenure"])
    assert math.isnan(missing["spend"])


def test_functions_and_values_that_are_sent(store: redis.Redis) -> None:
    mean = FunctionCall("m.d.mean", "return total / months", {"total": "spend", "months": "tenure"}, "mean", "double")
    plan = LookupPlan(("mean", "raw"), TYPES, PLAN.tables, (mean,))
    assert outputs(store, plan, records({"customer": 1, "raw": 0.5})) == [{"mean": 0.15, "raw": 0.5}]
    assert outputs(store, plan, records({"customer": 1, "spend": 30.0})) == [{"mean": 3.0}]


def test_text_that_is_no_unicode_comes_back_and_harms_nobody(store: redis.Redis) -> None:
    plan = replace(SPEC, inputs=("customer", "raw"), is_traced=True)
    strange = records({"customer": 1, "raw": "\ud800"})
    neighbour = records({"customer": 2, "raw": 1})
    Lookups(plan, store, is_spec=True).complete([strange, neighbour])
    assert json.loads(strange.answer.body) == {"outputs": [{"customer": 1, "raw": "\ud800"}]}
    assert json.loads(neighbour.answer.body) == {"outputs": [{"customer": 2, "raw": 1}]}


def test_what_is_traced_is_logged_and_not_sent(store: redis.Redis) -> None:
    request = records({"customer": 1, "raw": 0.5})
    Lookups(replace(PLAN, is_traced=True), store).complete([request])
    request.answer = RequestAnswer(200, '{"predictions": [4.5]}')
    logged = json.loads(request.logged_response)
    assert logged["predictions"] == [4.5]
    [span] = logged["databricks_output"]["trace"]["data"]["spans"]
    assert span["outputs"] == {
        "columns": ["customer", "raw", "tenure", "spend", "plan"],
        "data": [[1, 0.5, 10, 1.5, "basic"]],
    }
    assert request.answer.body == '{"predictions": [4.5]}'


@pytest.mark.parametrize(("kind", "is_refused"), [("string", True), ("double", True), ("bigint", False)])
def test_a_column_of_another_type_is_another_column(store: redis.Redis, kind: str, is_refused: bool) -> None:
    values = pa.array(["10"]) if kind == "string" else pa.array([10], pa.float64() if kind == "double" else pa.int64())
    rows = pa.table({"id": [1], "tenure": values, "total": [1.5], "plan": ["basic"]})
    publish(store, "t1", rows, ["bigint"], [kind, "double", "string"], generation=2)
    request = records({"customer": 1})
    Lookups(SPEC, store, is_spec=True).complete([request])
    if is_refused:
        assert refusal(request)[0] == 503
        assert f"has the column tenure as {kind}, not as int any more" in refusal(request)[1]
    else:
        assert json.loads(request.answer.body)["outputs"] == [{"customer": 1, "tenure": 10, "spend": 1.5}]
