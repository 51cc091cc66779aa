"""The file that travels with a model: what is written is read, and what does not fit together is told by its name."""

import json
from typing import Any

import pytest

from sandbox.features.spec import Column, FeatureSpec, Function, Lookup, SpecError

SPEC = FeatureSpec(
    columns=(
        Column("customer", "data", "bigint"),
        Column("at", "data", "timestamp"),
        Column("tenure", "lookup", "int"),
        Column("spend", "lookup", "double"),
        Column("average", "function", "double"),
        Column("churn", "data", "string"),
    ),
    lookups=(
        Lookup(
            "main.default.customers",
            {"id": "customer"},
            {"tenure": "tenure", "total_spend": "spend"},
            timestamp_key="at",
            lookback_s=86_400.0,
            defaults={"spend": 0.5},
        ),
    ),
    functions=(Function("main.default.average", {"total": "spend", "months": "tenure"}, "average"),),
    exclude_columns=("customer", "at"),
    label="churn",
)


def test_what_is_written_is_read() -> None:
    assert FeatureSpec.from_json(SPEC.to_json()) == SPEC
    assert SPEC.inputs == ("tenure", "spend", "average")
    assert SPEC.types["average"] == "double"


def changed(path: str, value: Any) -> str:
    """The spec as JSON with one part replaced."""
    raw = json.loads(SPEC.to_json())
    *way, last = path.split(".")
    place = raw
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    place[int(last) if last.isdigit() else last] = value
    return json.dumps(raw)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        (changed("format_version", 2), "format_version 2; this site reads 1"),
        (changed("columns", {}), "columns of feature_spec.json must be a list"),
        (changed("columns.0", "id"), "A column of feature_spec.json must be an object"),
        (changed("columns.0.source", "magic"), "'customer' has the source 'magic'"),
        (changed("columns.0.type", ""), "needs type, a text; it is ''"),
        (changed("columns.1.name", "customer"), "'customer' is there twice"),
        (changed("label", "gone"), "label names 'gone', which is no column"),
        (changed("exclude_columns", ["tenure", "spend", "average", "customer", "at"]), "No column is left"),
        (changed("lookups.0.keys", {"id": "tenure"}), "is by 'tenure', which is no column with the source data"),
        (changed("lookups.0.keys", {}), "needs keys and features"),
        (changed("lookups.0.features", ["tenure"]), "features of the look-up in main.default.customers must be an object"),
        (changed("lookups.0.features", {"tenure": "tenure"}), "default for 'spend', which is none of its features"),
        (changed("lookups.0.defaults", {"tenure": 1, "x": 2}), "default for 'x'"),
        (changed("lookups.0.lookback_s", -1), "lookback_s -1"),
        (changed("lookups", []), "'tenure' has the source lookup, but no lookup gives it"),
        (changed("functions", []), "'average' has the source function, but no function gives it"),
        (changed("functions.0.output", "other"), "A function gives 'other', which is no column with the source function"),
        (changed("functions.0.bindings", {"total": "average"}), "takes 'average' for total, which is no column before it"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(text: str, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        FeatureSpec.from_json(text)
    assert message in str(refused.value)
