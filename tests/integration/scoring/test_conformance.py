"""Every body gets the answer that MLflow's own scoring server gives: status, code, sentence and predictions."""

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.scoring import bodies
from tests.integration.scoring.conftest import Answer, Ask
from tests.integration.scoring.models import MODELS

COMPARED_CHARACTERS = 600
"""Of a sentence; what follows is the input, repeated."""
_SETS = re.compile(r"\{'[^{}]*'\}|\[(?:'[^\[\]]*'|\d+)(?:, (?:'[^\[\]]*'|\d+))*\]")
_ANY_COLUMN = re.compile(r"Failed to convert column \S+ to type 'float64'.*", re.DOTALL)
"""Of a table for a tensor, any column may be the first."""


def _sorted_sets(message: str) -> str:
    """MLflow prints sets, whose order changes from process to process."""
    message = _ANY_COLUMN.sub("Failed to convert a column to type 'float64'", message)
    return _SETS.sub(lambda found: found[0][0] + ", ".join(sorted(found[0][1:-1].split(", "))) + found[0][-1], message)


def difference(reference: Answer, ours: Answer) -> str:
    """Empty when both say the same."""
    (status, wanted), (found_status, found) = reference, ours
    if status != found_status:
        return "status"
    if status == 415:
        return "" if wanted == found["message"] else "sentence"
    if status != 200:
        keys = ("error_code", "sqlstate", "error_class")
        different = [key for key in keys if wanted.get(key) != found.get(key)]
        if _sorted_sets(wanted["message"])[:COMPARED_CHARACTERS] != _sorted_sets(found["message"])[:COMPARED_CHARACTERS]:
            different.append("sentence")
        if ("stack_trace" in wanted) != ("stack_trace" in found):
            different.append("stack_trace")
        return ", ".join(different)
    return "" if _same(wanted, found) else "predictions"


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and wanted.keys() == found.keys() and all(_same(v, found[k]) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_same, wanted, found))
    if isinstance(wanted, float) and isinstance(found, float):
        return bool(np.isclose(wanted, found, rtol=1e-12, atol=0, equal_nan=True))
    return type(wanted) is type(found) and bool(wanted == found)


def differences(reference: Ask, ours: Ask, model: str, sent: list[bytes], kind: str = "application/json") -> list[str]:
    """One line for each body that gets another answer."""
    found = []
    for body in sent:
        theirs, mine = reference(model, body, kind), ours(model, body, kind)
        if what := difference(theirs, mine):
            found.append(f"{what} of {model} for {body[:200]!r}:\n  MLflow {theirs!r:.500}\n  here   {mine!r:.500}")
    return found


def test_every_type_with_every_value(reference: Ask, ours: Ask) -> None:
    sent = bodies.typed()
    assert len(sent) > 400
    assert differences(reference, ours, "typed", sent) == []


@pytest.mark.parametrize("model", [name for name in MODELS if name != "typed"])
def test_every_form(reference: Ask, ours: Ask, model: str) -> None:
    assert differences(reference, ours, model, bodies.forms()) == []


@pytest.mark.parametrize("model", ["numbers", "gaps", "tensor", "plans"])
def test_csv_and_parquet(reference: Ask, ours: Ask, model: str) -> None:
    csv = [text.encode() for text in bodies.CSV] + [b"c\nplus\npro\n", b"c\nplus\n\n", b"x,y,z\n1,2,3\n"]
    assert differences(reference, ours, model, csv, "text/csv") == []
    assert differences(reference, ours, model, bodies.parquet_bodies(), "application/vnd.apache.parquet") == []


@pytest.mark.parametrize("kind", bodies.CONTENT_TYPES)
def test_content_types(reference: Ask, ours: Ask, kind: str) -> None:
    assert differences(reference, ours, "numbers", [b'{"dataframe_records": [{"a": 1, "b": 2}]}'], kind) == []


NAMES = st.sampled_from([*"abcdefgz"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from(["plus", "1", "1.5", "", "2026-01-05", "é"]),
)
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
ROWS = st.lists(st.dictionaries(NAMES, SCALARS, max_size=3).map(lambda odd: {**bodies.GOOD, **odd}), min_size=1, max_size=3)
BODIES = st.one_of(
    ROWS.map(lambda rows: {"dataframe_records": rows}),
    ROWS.map(lambda rows: {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}),
    ROWS.map(lambda rows: {"inputs": {name: [row.get(name) for row in rows] for name in rows[0]}}),
    st.dictionaries(st.sampled_from(["inputs", "instances", "dataframe_records", "dataframe_split"]), NESTED, max_size=1),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=BODIES, model=st.sampled_from(list(MODELS)))
def test_whatever_is_sent(reference: Ask, ours: Ask, body: Any, model: str) -> None:
    assert differences(reference, ours, model, [json.dumps(body).encode()]) == []
