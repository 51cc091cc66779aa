"""Look-ups over a message, against a real Redis with rows that the site's own encoding wrote."""

import datetime as dt
import json
import math
import time
from typing import Any

import pyarrow as pa
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.features.bulk import encode
from sandbox.features.encoding import Pointer, pointer_key, rows_key
from sandbox.features.plan import FunctionCall, LookupPlan, TableLookup
from sandbox.replicas.lookups import Lookups
from sandbox.replicas.requests import Pending

CUSTOMERS = TableLookup(
    "t1", "m.d.customers_online", "m.d.customers", {"id": "customer"}, {"tenure": "tenure", "total": "spend", "plan": "plan"}
)
TYPES = {"customer": "bigint", "tenure": "int", "spend": "double", "plan": "string", "raw": "double", "mean": "double"}
PLAN = LookupPlan(("raw", "tenure", "spend", "plan"), TYPES, (CUSTOMERS,))
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "tenure": pa.array([10, 20, None], pa.int32()),
        "total": pa.array([1.5, math.nan, 3.5]),
        "plan": ["basic", "gold", None],
    }
)


def publish(client: redis.Redis, table: str, rows: pa.Table, key_types: list[str], types: list[str], generation: int = 1) -> None:
    """As a sync does: the rows, then the pointer. The key columns are the first ones."""
    names = rows.column_names
    keys, others = names[: len(key_types)], names[len(key_types) :]
    for field, row in zip(encode(rows, keys, key_types), encode(rows, others, types), strict=True):
        client.hset(rows_key(table, generation), field, row)
    pointer = Pointer(generation, tuple(keys), tuple(key_types), tuple(others), tuple(types), 0, rows.num_rows, 0.0)
    client.set(pointer_key(table), pointer.to_json())


def pending(body: Any, content_type: str = "application/json") -> Pending:
    text = body if isinstance(body, str) else json.dumps(body)
    return Pending("id", text, "w", "", "ann", 0.0, time.time() + 60, content_type)


def records(*rows: dict[str, Any], **more: Any) -> Pending:
    return pending({"dataframe_records": list(rows), **more})


def completed(request: Pending) -> tuple[list[str], list[list[Any]]]:
    assert request.is_completed, request.answer
    split = json.loads(request.content)["dataframe_split"]
    return split["columns"], split["data"]


def refusal(request: Pending) -> tuple[int, str]:
    return request.answer.status, json.loads(request.answer.body)["message"]


def test_it_works(store: redis.Redis) -> None:
    first, second = (
        records({"customer": 2, "raw": 0.5}, {"raw": 1.5, "customer": 1}, params={"a": 1}),
        pending({"dataframe_split": {"columns": ["customer", "raw"], "data": [[1, 2.5]]}}),
    )
    Lookups(PLAN, store).complete([first, second])
    assert completed(first) == (["raw", "tenure", "spend", "plan"], [[0.5, 20, None, "gold"], [1.5, 10, 1.5, "basic"]])
    assert completed(second) == (["raw", "tenure", "spend", "plan"], [[2.5, 10, 1.5, "basic"]])
    assert first.payload["params"] == {"a": 1}
    assert json.loads(first.body)["dataframe_records"][0] == {"customer": 2, "raw": 0.5}, "what was sent is what is logged"


def test_one_question_for_a_whole_message(store: redis.Redis) -> None:
    lookups = Lookups(PLAN, store)
    lookups.complete([records({"customer": 1})])
    before = store.info("commandstats")
    lookups.complete([records({"customer": number % 4}) for number in range(64)])
    after = store.info("commandstats")
    asked = {name: after[name]["calls"] - before[name]["calls"] for name in ("cmdstat_hmget", "cmdstat_get")}
    assert asked == {"cmdstat_hmget": 1, "cmdstat_get": 1}


def test_what_is_sent_overrides(store: redis.Redis) -> None:
    whole = records({"customer": 1, "spend": 7.0}, {"customer": 2, "spend": None})
    partly = records({"customer": 1, "spend": 7.0}, {"customer": 2})
    without_key = records({"tenure": 1, "spend": 2.0, "plan": "x"})
    Lookups(PLAN, store).complete([whole, partly, without_key])
    assert completed(whole) == (["tenure", "spend", "plan"], [[10, 7.0, "basic"], [20, None, "gold"]])
    assert refusal(partly)[0] == 400
    assert "Only some rows have the feature 'spend'" in refusal(partly)[1]
    assert completed(without_key) == (["tenure", "spend", "plan"], [[1, 2.0, "x"]])


def test_missing_keys(store: redis.Redis) -> None:
    """None when none of the request's keys exists, NaN when only some miss [docs: train models with feature tables]."""
    none, some = records({"customer": 8}, {"customer": "x"}), records({"customer": 1}, {"customer": None})
    Lookups(PLAN, store).complete([none, some])
    assert completed(none)[1] == [[None, None, None], [None, None, None]]
    [_, [tenure, spend, plan]] = completed(some)[1]
    assert (tenure, spend) == (None, None), "a number that is none is null to a model"
    assert math.isnan(plan)
    assert some.is_lenient


def test_defaults_stand_for_missing_rows_only(store: redis.Redis) -> None:
    table = TableLookup(**{**vars(CUSTOMERS), "defaults": {"tenure": -1, "plan": "none"}})
    request = records({"customer": 3}, {"customer": 9})
    Lookups(LookupPlan(PLAN.inputs, TYPES, (table,)), store).complete([request])
    assert completed(request)[1] == [[None, 3.5, None], [-1, None, "none"]]


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ('{"dataframe_records": [{"raw": 1}]}', "application/json", "lacks the column 'customer', by which tenure, spend,"),
        ('{"dataframe_records": [{"customer": 1}, {}]}', "application/json", "Some rows lack the column 'customer'"),
        ('{"instances": [[1]]}', "application/json", "with the column customer. The request has instances."),
        ('{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "application/json", "of the same length"),
        ('{"dataframe_split": {"columns": ["a", "a"], "data": []}}', "application/json", "a column twice"),
        ('{"dataframe_records": 1}', "application/json", "must be a list of objects"),
        ("{", "application/json", "valid JSON"),
        ("customer\n1", "text/csv", "content type is text/csv"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_alone(store: redis.Redis, body: str, content_type: str, message: str) -> None:
    bad, good = pending(body, content_type), records({"customer": 1})
    Lookups(PLAN, store).complete([bad, good])
    status, sentence = refusal(bad)
    assert status == 400
    assert message in sentence
    assert completed(good)[1] == [[10, 1.5, "basic"]]


def test_a_new_generation_is_seen_at_once(store: redis.Redis) -> None:
    lookups = Lookups(PLAN, store)
    lookups.complete([records({"customer": 1})])
    publish(
        store, "t1", ROWS.set_column(1, "tenure", pa.array([99, 98, 97], pa.int32())), ["bigint"], ["int", "double", "string"], 2
    )
    after = records({"customer": 1})
    lookups.complete([after])
    assert completed(after)[1] == [[99, 1.5, "basic"]]


def test_a_table_without_rows_is_told(store: redis.Redis) -> None:
    lookups = Lookups(PLAN, store)
    lookups.complete([records({"customer": 1})])
    store.delete(pointer_key("t1"))
    gone, sends_all = records({"customer": 1}), records({"tenure": 1, "spend": 2.0, "plan": "x"})
    lookups.complete([gone, sends_all])
    status, sentence = refusal(gone)
    assert status == 503
    assert "No suitable online store found for feature tables: m.d.customers." in sentence
    assert completed(sends_all)[1] == [[1, 2.0, "x"]]
    publish(store, "t1", ROWS.drop_columns("plan"), ["bigint"], ["int", "double"], 3)
    without = records({"customer": 1})
    lookups.complete([without])
    assert "has no column plan any more" in refusal(without)[1]


def test_functions_after_look_ups(store: redis.Redis) -> None:
    body = "if total is None:\n  return None\nreturn total / months"
    mean = FunctionCall("m.d.mean", body, {"total": "spend", "months": "tenure"}, "mean", "double")
    plan = LookupPlan(("mean", "raw"), TYPES, (CUSTOMERS,), (mean,))
    good, gap, zero = records({"customer": 1}), records({"customer": 9, "raw": 1}), records({"customer": 1, "tenure": 0})
    sent = records({"customer": 1, "mean": 4})
    Lookups(plan, store).complete([good, gap, zero, sent])
    assert completed(good) == (["mean"], [[0.15]])
    assert completed(gap) == (["mean", "raw"], [[None, 1]])
    assert completed(sent) == (["mean"], [[4]])
    status, sentence = refusal(zero)
    assert status == 400
    assert "The feature function m.d.mean failed. ZeroDivisionError" in sentence
    wrong = LookupPlan(("mean",), TYPES, (CUSTOMERS,), (FunctionCall("m.d.f", "return 'x'", {}, "mean", "double"),))
    refused = records({"customer": 1})
    Lookups(wrong, store).complete([refused])
    assert "The feature function m.d.f failed. It returned 'x', which is no double." in refusal(refused)[1]


KEYS: dict[str, Any] = {
    "bigint": st.integers(-5, 5),
    "string": st.text(max_size=2),
    "date": st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 5)),
}
ARROW = {
    "bigint": pa.int64(),
    "string": pa.string(),
    "date": pa.date32(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
VALUES: dict[str, Any] = {
    "bigint": st.integers(-(2**53), 2**53),
    "string": st.text(max_size=5),
    "double": st.floats(),
    "timestamp": st.datetimes(timezones=st.just(dt.UTC)),
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_looked_up_is_what_the_source_has(redis_url: str, data: st.DataObject) -> None:
    key_types = data.draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=2))
    types = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    a_key = st.tuples(*(KEYS[kind] for kind in key_types))
    source = data.draw(st.dictionaries(a_key, st.tuples(*(st.none() | VALUES[kind] for kind in types)), max_size=6))
    asked = data.draw(st.lists(st.lists(a_key, min_size=1, max_size=4), min_size=1, max_size=3))
    keys, names = [f"k{n}" for n in range(len(key_types))], [f"v{n}" for n in range(len(types))]
    columns = list(zip(*((*key, *row) for key, row in source.items()), strict=True)) or [()] * (len(keys) + len(names))
    kinds = [*key_types, *types]
    rows = pa.table(
        {name: pa.array(list(column), ARROW[kind]) for name, column, kind in zip(keys + names, columns, kinds, strict=True)}
    )
    store = redis.Redis.from_url(redis_url)  # each look-up has a connection of its own, which ends with its client
    store.flushall()
    publish(store, "t", rows, key_types, types)
    table = TableLookup("t", "m.d.t_online", "m.d.t", {key: key for key in keys}, {name: name for name in names})
    requests = [records(*({name: _sent(v) for name, v in zip(keys, key, strict=True)} for key in of_one)) for of_one in asked]
    Lookups(LookupPlan(tuple(names), dict(zip(names, types, strict=True)), (table,)), store).complete(requests)
    for request, of_one in zip(requests, asked, strict=True):
        gap = (math.nan if any(key in source for key in of_one) else None,) * len(names)
        wanted = [[_seen(value, kind) for value, kind in zip(source.get(key, gap), types, strict=True)] for key in of_one]
        assert repr(completed(request)[1]) == repr(wanted)


def _sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value


def _seen(value: Any, kind: str) -> Any:
    """As the model's process reads it: in a column of numbers null and NaN are one."""
    if isinstance(value, float) and math.isnan(value) and kind in {"bigint", "double"}:
        return None
    return _sent(value)
