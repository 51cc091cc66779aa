"""Reading the four input forms and enforcing the signature (expected values: serving_semantics B3, measured on MLflow 3.17.2)."""

import json
from typing import Any

import numpy as np
import orjson
import pytest

from sandbox.replicas.frames import decode_arrays
from sandbox.replicas.requests import Pending
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
}
MIXED = {
    "inputs": [
        {"name": "plan", "type": "string", "dtype": "str"},
        {"name": "tenure", "type": "long", "dtype": "int64"},
        {"name": "charge", "type": "double"},
    ],
    "kind": "columns",
    "layout": "per_column",
}
TENSOR = {"inputs": [{"name": "", "type": "float64", "shape": [-1, 3]}], "kind": "tensor", "layout": "matrix", "dtype": "float64"}


def pending(body: Any) -> Pending:
    text = body if isinstance(body, str) else json.dumps(body)
    return Pending("id", text, "w1", "t", "ann", 0.0, 1e12)


def arrays(signature: dict[str, Any], *bodies: Any) -> list[Any]:
    batch = TabularTask({"signature": signature}).batch([pending(body) for body in bodies])
    return decode_arrays(b"".join(batch.parts))


def refusal(signature: dict[str, Any], body: Any) -> tuple[int, str, str]:
    request = pending(body)
    batch = TabularTask({"signature": signature}).batch([request])
    assert batch.requests == []
    answer = orjson.loads(request.answer.body)
    return request.answer.status, answer["error_code"], answer["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"a": 1, "b": 1.5, "c": 2.0}]},
        {"dataframe_records": [{"c": 2.0, "b": 1.5, "a": 1, "dropped": "x"}]},
        {"dataframe_split": {"columns": ["b", "a", "c"], "data": [[1.5, 1, 2.0]]}},
        {"dataframe_split": {"index": [7], "columns": ["a", "b", "c"], "data": [[1, 1.5, 2.0]]}},
        {"instances": [[1, 1.5, 2.0]]},
        {"instances": [{"a": 1, "b": 1.5, "c": 2.0}]},
        {"inputs": {"a": [1], "b": [1.5], "c": [2.0]}},
        {"inputs": [[1, 1.5, 2.0]]},
        {"dataframe_records": [{"a": 1.9, "b": "1.5", "c": 2}]},
        {"dataframe_records": [{"a": True, "b": 1.5, "c": 2}]},
    ],
)
def test_every_form_becomes_the_same_row(body: Any) -> None:
    np.testing.assert_array_equal(arrays(NUMBERS, body)[0], [[1.0, 1.5, 2.0]])


def test_null_in_a_double_column_and_a_missing_optional_one_are_nan() -> None:
    matrix = arrays(NUMBERS, {"dataframe_records": [{"a": 1, "b": None}]})[0]
    assert matrix[0, 0] == 1.0
    assert np.isnan(matrix[0, 1:]).all()


def test_mixed_columns_keep_their_types() -> None:
    plan, tenure, charge = arrays(MIXED, {"dataframe_records": [{"plan": "Fibre", "tenure": 2**53 + 1, "charge": "9.5"}]})
    assert plan.tolist() == [["Fibre"]]
    assert tenure.tolist() == [[2**53 + 1]]
    assert charge.tolist() == [[9.5]]


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ("{not json", "BAD_REQUEST", "valid JSON"),
        ('{"dataframe_records": [{"a": 1, "b": NaN}]}', "BAD_REQUEST", "send null"),
        ('{"dataframe_records": [{"a": 1, "b": 1e999}]}', "BAD_REQUEST", "valid JSON"),
        ("[1]", "BAD_REQUEST", "Received a list"),
        ("{}", "BAD_REQUEST", "exactly one of the input fields"),
        ({"instances": [[1, 2, 3]], "inputs": [[1, 2, 3]]}, "BAD_REQUEST", "['inputs', 'instances']"),
        ({"dataframe_split": [1]}, "BAD_REQUEST", "must be a dictionary. Got list"),
        ({"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}, "BAD_REQUEST", "2 columns passed"),
        (
            {"dataframe_records": [{"a": 1, "z": 1}]},
            "INVALID_PARAMETER_VALUE",
            "missing inputs ['b']. Note that there were extra inputs: ['z']",
        ),
        ({"dataframe_records": []}, "INVALID_PARAMETER_VALUE", "missing inputs ['a', 'b']"),
        ({"dataframe_records": [{"a": None, "b": 1}]}, "BAD_REQUEST", "Failed to convert column a to type 'int64'"),
        ({"dataframe_records": [{"a": "x", "b": 1}]}, "BAD_REQUEST", "Failed to convert column a to type 'int64'"),
        ({"instances": [[1, 2]]}, "INVALID_PARAMETER_VALUE", "the model takes 3"),
        ({"inputs": {"a": [1, 2], "b": [1]}}, "BAD_REQUEST", "same length"),
    ],
)
def test_it_says_what_is_wrong(body: Any, code: str, part: str) -> None:
    status, found, message = refusal(NUMBERS, body)
    assert (status, found) == (400, code)
    assert part in message


def test_a_wrong_request_leaves_its_neighbours_alone() -> None:
    good, wrong, other = (pending({"dataframe_records": [{"a": value, "b": 2}]}) for value in (1, "x", 3))
    task = TabularTask({"signature": NUMBERS})
    batch = task.batch([good, wrong, other])
    assert batch.requests == [good, other]
    assert decode_arrays(b"".join(batch.parts))[0][:, 0].tolist() == [1.0, 3.0]
    for request, rows in batch.split(["No", "Yes"]):
        request.answer = task.answer(request, rows)
    assert orjson.loads(good.answer.body) == {"predictions": ["No"]}
    assert orjson.loads(other.answer.body) == {"predictions": ["Yes"]}
    assert wrong.answer.status == 400


def test_client_request_id_is_kept_and_is_no_input() -> None:
    request = pending({"dataframe_records": [{"a": 1, "b": 2}], "client_request_id": "mine-1"})
    TabularTask({"signature": NUMBERS}).batch([request])
    assert request.client_request_id == "mine-1"
    assert not request.is_answered


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_tensor_signature_takes_rows_without_names(form: str) -> None:
    np.testing.assert_array_equal(arrays(TENSOR, {form: [[1, 2, 3], [4, 5, 6]]})[0], [[1, 2, 3], [4, 5, 6]])


def test_a_tensor_of_another_shape_is_refused() -> None:
    status, code, message = refusal(TENSOR, {"inputs": [[1, 2]]})
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "the model takes 3" in message


SMALL_INTEGER = {
    "inputs": [{"name": "a", "type": "integer", "dtype": "int32"}, {"name": "b", "type": "long", "dtype": "int64"}],
    "kind": "columns",
    "layout": "per_column",
}
ANY_SHAPE = {"inputs": [{"name": "", "type": "float64", "shape": [-1, -1]}], "kind": "tensor", "layout": "tensors"}


@pytest.mark.parametrize(
    ("signature", "body", "part"),
    [
        (NUMBERS, {"dataframe_split": {"columns": [[1], "b"], "data": [[1, 2]]}}, "list of names"),
        (NUMBERS, {"dataframe_split": {"columns": [1, "z"], "data": [[1, 2]]}}, "list of names"),
        (SMALL_INTEGER, {"dataframe_records": [{"a": 3_000_000_000, "b": 1}]}, "column a to type 'int32'"),
        (SMALL_INTEGER, {"dataframe_records": [{"a": 1, "b": 1e300}]}, "column b to type 'int64'"),
        (NUMBERS, {"instances": [[[1], [2], [3]]]}, "Failed to convert column a"),
        (ANY_SHAPE, {"inputs": [[[1]], []]}, "tensor"),
        (ANY_SHAPE, {"inputs": [{"x": 1}, 3]}, "Invalid input"),
    ],
)
def test_strange_shapes_are_refused_and_never_crash(signature: dict[str, Any], body: Any, part: str) -> None:
    status, _, message = refusal(signature, body)
    assert status == 400
    assert part in message


def test_requests_that_fit_alone_but_not_together_are_told_apart() -> None:
    """Two tensors of different widths, both allowed by [-1, -1]."""
    task = TabularTask({"signature": ANY_SHAPE})
    with pytest.raises(NotTogetherError):
        task.batch([pending({"inputs": [[1, 2, 3]]}), pending({"inputs": [[1, 2, 3, 4]]})])
