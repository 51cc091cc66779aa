"""The request that the query panel is filled with."""

from sandbox.builds.signature import InputField, Output, Signature
from sandbox.console.query_examples import body_of, first_rows


def signature(*inputs: InputField, kind: str = "columns") -> Signature:
    layout = "per_column" if kind == "columns" else "tensors"
    return Signature(kind=kind, layout=layout, inputs=inputs, output=Output("label", "string"))  # type: ignore[arg-type]


def test_columns_become_one_record() -> None:
    body = body_of(signature(InputField("plan", "string"), InputField("tenure", "long"), InputField("charges", "double")))
    assert body == {"dataframe_records": [{"plan": "text", "tenure": 1, "charges": 0.5}]}


def test_an_unnamed_tensor_becomes_a_nested_list() -> None:
    body = body_of(signature(InputField("", "float64", shape=(-1, 2, 3)), kind="tensor"))
    assert body == {"inputs": [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]]}


def test_named_tensors_keep_their_names() -> None:
    body = body_of(signature(InputField("a", "float32", shape=(-1, 1)), InputField("b", "int64", shape=(-1,)), kind="tensor"))
    assert body == {"inputs": {"a": [[0.5]], "b": [0.5]}}


def test_only_two_rows_of_a_logged_example_are_shown() -> None:
    frame = {"columns": ["a"], "data": [[1], [2], [3]], "index": [0, 1, 2]}
    assert first_rows({"dataframe_split": frame}) == {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}
    assert first_rows({"inputs": [1, 2, 3]}) == {"inputs": [1, 2]}
    assert first_rows({"inputs": {"a": [1, 2, 3]}}) == {"inputs": {"a": [1, 2, 3]}}
