"""Bodies that are sent to both servers: every form, every type with every kind of value, everything that is wrong with them."""

import io
import json
from typing import Any

import pandas as pd

GOOD: dict[str, Any] = {"a": 1, "b": 1.5, "c": "plus", "d": True, "e": 2, "f": 0.1, "g": "2026-01-01"}
"""A row of the model `typed`."""
VALUES = [
    None,
    1,
    0,
    -1.7,
    2.5,
    "1.5",
    "1",
    "x",
    "yes",
    "",
    True,
    False,
    [1],
    {"z": 1},
    1e300,
    1e39,
    3_000_000_000,
    2**63,
    "plus",
    "nan",
    "2026-02-03",
    "2026-02-03T04:05:06Z",
]
PARAMS: list[Any] = [
    {"times": 2},
    {"times": "x"},
    {"times": 1.5},
    {"times": None},
    {"unknown": 1},
    {"flags": [True, False]},
    {"flags": True},
    {"flags": [1]},
    {"flags": [[True]]},
    {"share": 1},
    {"share": True},
    {"name": 5},
    {"name": None},
    {},
    "x",
    [1],
    None,
    5,
]
ROW = {"a": 1, "b": 2}
FORMS: list[Any] = [
    {"dataframe_records": [ROW]},
    {"dataframe_records": [ROW, {"a": 3}]},
    {"dataframe_records": [{"b": 2.5, "a": 1, "extra": "x"}]},
    {"dataframe_records": [{"a": 1, "b": 2.5}, {"a": True, "b": None}]},
    {"dataframe_records": [{"a": 1}]},
    {"dataframe_records": [{"a": 1e39, "b": 2}]},
    {"dataframe_records": []},
    {"dataframe_records": [{}]},
    {"dataframe_records": {"a": 1}},
    {"dataframe_records": "x"},
    {"dataframe_records": [1, 2]},
    {"dataframe_records": None},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}},
    {"dataframe_split": {"columns": ["b", "a", "z"], "data": [[1, 2, 3]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": []}},
    {"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}},
    {"dataframe_split": {"columns": [0, 1, 2], "data": [[1, 2, 3], [4, 5, 6]]}},
    {"dataframe_split": {"columns": ["x"], "data": [[[1, 2, 3]]]}},
    {"dataframe_split": {"data": [[1, 2]]}},
    {"dataframe_split": [1]},
    {"dataframe_split": {"columns": ["a", "b"]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "index": [5]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "index": [5, 6]}},
    {"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}},
    {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "more": 1}},
    {"instances": [[1, 2]]},
    {"instances": [[1, 2, 3]]},
    {"instances": [1, 2]},
    {"instances": [ROW]},
    {"instances": [{"a": 1}, ROW]},
    {"instances": []},
    {"instances": 5},
    {"instances": "x"},
    {"inputs": [[1, 2, 3], [4, 5, 6]]},
    {"inputs": [[1, 2, 3], [4, 5]]},
    {"inputs": [["1", "2", "3"]]},
    {"inputs": [["1", "2", "x"]]},
    {"inputs": [[1, None, 3]]},
    {"inputs": [[True, False, 2.5]]},
    {"inputs": {"a": [1, 2], "b": [3, 4]}},
    {"inputs": {"a": 1, "b": 2}},
    {"inputs": {"a": [1, 2], "b": [3]}},
    {"inputs": {"a": [1, 2], "b": 3}},
    {"inputs": {"a": [[1]], "b": [[2]]}},
    {"inputs": {}},
    {"inputs": []},
    {"inputs": [1.5, 2]},
    {"inputs": [ROW]},
    {"inputs": None},
    {"inputs": ["plus", "pro"]},
    {"inputs": [None]},
    {"dataframe_records": [{"c": "plus"}, {"c": "pro"}]},
    {"dataframe_records": [{"c": None}]},
    {"dataframe_records": [{"c": "pro"}, {"c": None}]},
    {"dataframe_records": [{"c": "never seen"}]},
    {"dataframe_records": [{"c": 5}]},
    {"dataframe_records": [{"c": [1]}]},
    {"input": [1]},
    {"prompt": "x", "dataframe_records": [ROW]},
    {"a": 1.0, "b": 2.0, "input": 3},
    {},
    {"inputs": [1], "instances": [1]},
    {"signature_name": "x", "inputs": {"a": [1], "b": [2]}},
    {"dataframe_records": [ROW], "params": {"anything": 1}},
    {"rows": [ROW]},
]
TEXTS = [
    "[1]",
    "3",
    "null",
    '"x"',
    "",
    "{bad",
    '{"dataframe_records": [{"a": 1, "b": NaN}]}',
    '{"dataframe_records": [{"a": 1, "b": Infinity}]}',
    '{"dataframe_records": [{"a": 1, "b": 1e999}]}',
    '{"dataframe_records": [{"a": 1, "b": 2}], "dataframe_records": [{"a": 3, "b": 4}]}',
]
CSV = ["a,b\n1,2\n3,4.5\n", "b,a\n1,2\n", "a,b\n1.5,2\n", "a\n1\n", "a,b\n1,\n", "a,b\n1,2,3\n4\n", "", "x", "a,b\nx,y\n"]
CONTENT_TYPES = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json; charset=latin-1",
    "application/json; version=2",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/xml",
]


def typed() -> list[bytes]:
    """A good row of `typed` with another value in one column, in three forms."""
    found: list[Any] = []
    for name in GOOD:
        for value in VALUES:
            row = {**GOOD, name: value}
            found.append({"dataframe_records": [row]})
            found.append({"inputs": {key: [each] for key, each in row.items()}})
            found.append({"instances": [row]})
        found.append({"dataframe_records": [{key: each for key, each in GOOD.items() if key != name}]})
        found.append({"dataframe_records": [GOOD, {**GOOD, name: None}]})
    found += [{"dataframe_records": [GOOD], "params": params} for params in PARAMS]
    return [json.dumps(body).encode() for body in found]


def forms() -> list[bytes]:
    """For every other model."""
    return [*(json.dumps(body).encode() for body in FORMS), *(text.encode() for text in TEXTS)]


def parquet_bodies() -> list[bytes]:
    """Tables as Parquet files, and something that is none."""
    found = []
    for table in (pd.DataFrame({"a": [1, 2], "b": [1.5, None]}), pd.DataFrame({"a": [1.5], "b": [1]}), pd.DataFrame({"a": [1]})):
        file = io.BytesIO()
        table.to_parquet(file)
        found.append(file.getvalue())
    return [*found, b"PAR1 and nothing more"]
