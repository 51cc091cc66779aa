"""The plain way of reading bodies: what it takes means the same as on the exact way, and everything else goes there."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.builds.signature import Signature
from sandbox.replicas.frames import RawBody, decode_arrays, decode_request
from sandbox.replicas.requests import Pending
from sandbox.replicas.scoring.arrays import model_arrays
from sandbox.replicas.scoring.bodies import read_body
from sandbox.replicas.scoring.enforcement import enforced
from sandbox.replicas.scoring.errors import ScoringError
from sandbox.replicas.scoring.schema import Schema
from sandbox.replicas.tabular import NotTogetherError, TabularTask

NUMBERS = {
    "inputs": [
        {"name": "a", "type": "long"},
        {"name": "b", "type": "double"},
        {"name": "c", "type": "double", "required": False},
    ],
    "kind": "columns",
    "layout": "matrix",
    "dtype": "float64",
    "output": {"name": "p", "type": "double"},
}
MIXED = {
    "inputs": [
        {"name": "plan", "type": "string", "dtype": "str"},
        {"name": "tenure", "type": "long", "dtype": "int64"},
        {"name": "charge", "type": "double"},
    ],
    "kind": "columns",
    "layout": "per_column",
    "output": {"name": "p", "type": "string"},
}
TENSOR = {
    "inputs": [{"name": "", "type": "float64", "shape": [-1, 3]}],
    "kind": "tensor",
    "layout": "tensors",
    "output": {"name": "p", "type": "double"},
}


def pending(body: Any) -> Pending:
    text = body if isinstance(body, str) else json.dumps(body)
    return Pending("id", text, "w1", "t", "ann", 0.0, 1e12)


def arrays(signature: dict[str, Any], *bodies: Any) -> list[Any]:
    batch = TabularTask({"signature": signature}).batch([pending(body) for body in bodies])
    assert not batch.is_raw
    return decode_arrays(b"".join(batch.parts))


def goes_as_it_came(signature: dict[str, Any], body: Any) -> bool:
    request = pending(body)
    batch = TabularTask({"signature": signature}).batch([request])
    sent = decode_request(b"".join(batch.parts))
    if batch.is_raw:
        assert sent == RawBody(request.body.encode(), "application/json")
    return batch.is_raw


def exact_arrays(signature: dict[str, Any], body: Any) -> list[Any]:
    """What the exact way makes of the body. Raises ScoringError."""
    known = Signature.from_dict(signature)
    schema = Schema.of(known)
    return model_arrays(enforced(read_body(json.dumps(body).encode(), "application/json", schema).data, schema), known)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"a": 1, "b": 1.5, "c": 2.0}]},
        {"dataframe_records": [{"c": 2.0, "b": 1.5, "a": 1, "dropped": "x"}]},
        {"dataframe_split": {"columns": ["b", "a", "c"], "data": [[1.5, 1, 2.0]]}},
        {"dataframe_split": {"index": [7], "columns": ["a", "b", "c"], "data": [[1, 1.5, 2.0]]}},
        {"instances": [{"a": 1, "b": 1.5, "c": 2.0}]},
        {"inputs": {"a": [1], "b": [1.5], "c": [2.0]}},
        {"dataframe_records": [{"a": 1.9, "b": 1.5, "c": 2}]},
        {"dataframe_records": [{"a": True, "b": 1.5, "c": 2}]},
        {"dataframe_records": [{"a": 1, "b": 1.5, "c": 2.0}], "params": {"ignored": 1}, "client_request_id": "x"},
    ],
)
def test_every_plain_form_becomes_the_same_row(body: Any) -> None:
    np.testing.assert_array_equal(arrays(NUMBERS, body)[0], [[1.0, 1.5, 2.0]])


def test_null_in_a_double_column_is_nan() -> None:
    matrix = arrays(NUMBERS, {"dataframe_records": [{"a": 1, "b": None, "c": 2}]})[0]
    assert matrix[0, [0, 2]].tolist() == [1.0, 2.0]
    assert np.isnan(matrix[0, 1])


def test_mixed_columns_keep_their_types() -> None:
    plan, tenure, charge = arrays(MIXED, {"dataframe_records": [{"plan": "Fibre", "tenure": 2**53 + 1, "charge": 9.5}]})
    assert plan.tolist() == [["Fibre"]]
    assert tenure.tolist() == [[2**53 + 1]]
    assert charge.tolist() == [[9.5]]


def test_a_float_column_is_rounded_to_32_bits() -> None:
    signature = {**NUMBERS, "inputs": [{"name": "a", "type": "float"}, {"name": "b", "type": "double"}]}
    matrix = arrays(signature, {"dataframe_records": [{"a": 0.1, "b": 0.1}]})[0]
    assert matrix.tolist() == [[float(np.float32(0.1)), 0.1]]


@pytest.mark.parametrize(
    "body",
    [
        "{not json",
        '{"dataframe_records": [{"a": 1, "b": NaN, "c": 1}]}',
        "[1]",
        "{}",
        {"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]},
        {"instances": [[1, 2, 3]]},
        {"dataframe_split": [1]},
        {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["a", "b", "b"], "data": [[1, 2, 3]]}},
        {"dataframe_split": {"columns": [[1], "b"], "data": [[1, 2]]}},
        {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1, 2, 3]], "index": [1, 2]}},
        {"dataframe_records": [{"a": 1, "z": 1}]},
        {"dataframe_records": []},
        {"dataframe_records": [{"a": 1, "b": 2}]},
        {"dataframe_records": [{"a": None, "b": 1, "c": 1}]},
        {"dataframe_records": [{"a": "1", "b": 1, "c": 1}]},
        {"dataframe_records": [{"a": 1e300, "b": 1, "c": 1}]},
        {"dataframe_records": [{"a": [1], "b": 1, "c": 1}]},
        {"inputs": {"a": [1, 2], "b": [1], "c": [1]}},
        {"inputs": {"a": 1, "b": 1, "c": 1}},
        {"dataframe_records": [{"a": 1, "b": 2, "c": 3}], "input": "x"},
    ],
)
def test_what_is_not_plain_goes_as_it_came(body: Any) -> None:
    assert goes_as_it_came(NUMBERS, body)


def test_what_the_model_refuses_goes_as_it_came() -> None:
    refusing = [{**each, "refuses": {"missing": "ValueError: no"}} for each in NUMBERS["inputs"]]  # type: ignore[misc]  # a list
    assert goes_as_it_came({**NUMBERS, "inputs": refusing}, {"dataframe_records": [{"a": 1, "b": None, "c": 1}]})
    known = {"name": "plan", "type": "string", "dtype": "str", "refuses": {"unknown": "ValueError: no"}, "known": ["a", "b"]}
    signature = {**MIXED, "inputs": [known]}
    assert not goes_as_it_came(signature, {"dataframe_records": [{"plan": "a"}]})
    assert goes_as_it_came(signature, {"dataframe_records": [{"plan": "z"}]})
    too_large = {**NUMBERS, "refuses": {"too_large": "ValueError: no"}}
    assert goes_as_it_came(too_large, {"dataframe_records": [{"a": 1, "b": 1e39, "c": 1}]})


def test_params_that_the_signature_names_are_checked_on_the_exact_way() -> None:
    body = {"dataframe_records": [{"a": 1, "b": 2, "c": 3}], "params": {"top": 1}}
    assert goes_as_it_came({**NUMBERS, "params": [{"name": "top", "type": "long", "default": 1}]}, body)


def test_requests_on_both_ways_are_told_apart() -> None:
    good, wrong, other = (pending({"dataframe_records": [{"a": value, "b": 2, "c": 1}]}) for value in (1, "x", 3))
    task = TabularTask({"signature": NUMBERS})
    with pytest.raises(NotTogetherError) as caught:
        task.batch([good, wrong, other])
    assert caught.value.together == [good, other]
    assert caught.value.alone == [wrong]
    batch = task.batch([good, other])
    assert decode_arrays(b"".join(batch.parts))[0][:, 0].tolist() == [1.0, 3.0]
    for request, rows in batch.split(["No", "Yes"]):
        request.answer = task.answer(request, rows)
    assert orjson.loads(good.answer.body) == {"predictions": ["No"]}
    assert orjson.loads(other.answer.body) == {"predictions": ["Yes"]}


def many(rows: int, **changed: Any) -> dict[str, Any]:
    return {"dataframe_records": [{"a": n, "b": n / 3, "c": None if n % 5 else 1e300, **changed} for n in range(rows)]}


def test_bodies_that_are_read_ahead_give_the_same_arrays() -> None:
    bodies = [many(300), many(2), {**many(200), "client_request_id": "mine"}, many(300, a=True)]
    task = TabularTask({"signature": NUMBERS})
    ahead = [pending(body) for body in bodies]
    task.read_ahead(ahead)
    assert [request.matrix is not None for request in ahead] == [True, False, True, True]
    batch = task.batch(ahead)
    assert batch.counts == [300, 2, 200, 300]
    np.testing.assert_array_equal(decode_arrays(b"".join(batch.parts))[0], arrays(NUMBERS, *bodies)[0])
    assert [request.client_request_id for request in ahead] == [None, None, "mine", None]


def test_what_is_wrong_with_a_body_that_is_read_ahead_is_found_in_its_turn() -> None:
    bodies: list[Any] = [many(300), many(300, a="x"), "{" * 5_000, json.dumps(many(300, b=float("nan")))]
    task = TabularTask({"signature": NUMBERS})
    told = []
    for is_ahead in (False, True):
        requests = [pending(body) for body in bodies]
        if is_ahead:
            task.read_ahead(requests)
        for together in (requests, requests[:2]):
            with pytest.raises(NotTogetherError) as parts:
                task.batch(together)
            told.append([[requests.index(request) for request in part] for part in (parts.value.together, parts.value.alone)])
    assert told == [[[0, 1], [2, 3]], [[0], [1]]] * 2


def test_a_whole_answer_is_passed_on() -> None:
    task = TabularTask({"signature": NUMBERS})
    request = pending("{")
    [(answered, rows)] = task.batch([request]).split([400, '{"error_code": "BAD_REQUEST"}'])
    answer = task.answer(answered, rows)
    assert (answer.status, answer.body) == (400, '{"error_code": "BAD_REQUEST"}')


def test_missing_predictions_stand_bare() -> None:
    task = TabularTask({"signature": NUMBERS})
    assert task.answer(pending("{}"), [1.5, float("nan")]).body == '{"predictions": [1.5, NaN]}'


def test_client_request_id_is_kept_and_is_no_input() -> None:
    request = pending({"dataframe_records": [{"a": 1, "b": 2, "c": 3}], "client_request_id": "mine-1"})
    TabularTask({"signature": NUMBERS}).batch([request])
    assert request.client_request_id == "mine-1"
    assert not request.is_answered


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_tensor_signature_takes_rows_without_names(form: str) -> None:
    np.testing.assert_array_equal(arrays(TENSOR, {form: [[1, 2, 3], [4, 5, 6]]})[0], [[1, 2, 3], [4, 5, 6]])


def test_a_tensor_of_another_shape_goes_as_it_came() -> None:
    assert goes_as_it_came(TENSOR, {"inputs": [[1, 2]]})
    assert goes_as_it_came(TENSOR, {"inputs": [["1", "2", "3"]]})


ANY_SHAPE = {**TENSOR, "inputs": [{"name": "", "type": "float64", "shape": [-1, -1]}]}


def test_requests_that_fit_alone_but_not_together_are_told_apart() -> None:
    """Two tensors of different widths, both allowed by [-1, -1]."""
    requests = [pending({"inputs": [[1, 2, 3]]}), pending({"inputs": [[1, 2, 3, 4]]})]
    with pytest.raises(NotTogetherError) as caught:
        TabularTask({"signature": ANY_SHAPE}).batch(requests)
    assert (caught.value.together, caught.value.alone) == ([], requests)


ALL_TYPES = {
    "inputs": [
        {"name": "long", "type": "long"},
        {"name": "integer", "type": "integer", "dtype": "int32"},
        {"name": "double", "type": "double"},
        {"name": "float", "type": "float", "dtype": "float32"},
        {"name": "boolean", "type": "boolean", "dtype": "bool"},
        {"name": "string", "type": "string", "dtype": "str"},
    ],
    "kind": "columns",
    "layout": "per_column",
    "output": {"name": "p", "type": "double"},
}
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.integers(-(2**66), 2**66),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1.5", "x", "", "true", "nan"]),
    st.just([1]),
)
NAMES = [each["name"] for each in ALL_TYPES["inputs"]]  # type: ignore[index]  # a list of dictionaries
PLAIN = {"long": 1, "integer": 2, "double": 0.5, "float": 0.1, "boolean": True, "string": "a"}


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Plain rows, but for one column."""
    name = draw(st.sampled_from(NAMES))
    return [{**PLAIN, name: value} for value in draw(st.lists(VALUES, min_size=1, max_size=3))]


@settings(max_examples=150, deadline=None)
@given(rows=tables(), form=st.sampled_from(["dataframe_records", "dataframe_split", "inputs", "instances"]))
def test_both_ways_mean_the_same(rows: list[dict[str, Any]], form: str) -> None:
    """Whatever the plain way takes, the exact way makes the same of it."""
    data: Any = rows
    if form == "dataframe_split":
        data = {"columns": NAMES, "data": [[row[name] for name in NAMES] for row in rows]}
    elif form == "inputs":
        data = {name: [row[name] for row in rows] for name in NAMES}
    batch = TabularTask({"signature": ALL_TYPES}).batch([pending({form: data})])
    if batch.is_raw:
        return
    found = decode_arrays(b"".join(batch.parts))
    try:
        wanted = exact_arrays(ALL_TYPES, {form: data})
    except ScoringError as error:
        raise AssertionError(f"the exact way refuses it: {error.message}") from None
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
