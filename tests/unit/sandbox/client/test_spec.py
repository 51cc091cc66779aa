"""The spec that the client writes is the one that the site reads."""

from typing import Any

from proving_ground_client.entities import FeatureFunction, FeatureLookup
from proving_ground_client.spec import Column, Function, Lookup, Spec, features_of

from sandbox.features.spec import FeatureSpec

SPEC = Spec(
    columns=(
        Column("customer", "data", "bigint"),
        Column("at", "data", "timestamp"),
        Column("tenure", "lookup", "int"),
        Column("spend", "lookup", "double"),
        Column("average", "function", "double"),
        Column("churn", "data", "string"),
    ),
    lookups=(Lookup("main.default.c", {"id": "customer"}, {"tenure": "tenure", "total": "spend"}, "at", 60.0, {"tenure": 0}),),
    functions=(Function("main.default.average", {"total": "spend", "months": "tenure"}, "average"),),
    exclude_columns=("customer", "at"),
    label="churn",
)


def plain(value: Any) -> Any:
    return {name: dict(each) if isinstance(each, dict) else each for name, each in vars(value).items()}


def test_the_site_reads_what_the_client_writes() -> None:
    site = FeatureSpec.from_json(SPEC.to_json())
    assert list(site.inputs) == SPEC.inputs == ["tenure", "spend", "average"]
    assert [plain(each) for each in site.lookups] == [plain(each) for each in SPEC.lookups]
    assert [plain(each) for each in site.functions] == [plain(each) for each in SPEC.functions]
    assert Spec.from_json(site.to_json()) == SPEC
    assert SPEC.needed == ["customer", "at"]


def test_a_spec_gives_back_what_it_was_made_from() -> None:
    lookup, function = features_of(SPEC)
    assert isinstance(lookup, FeatureLookup)
    assert isinstance(function, FeatureFunction)
    assert (lookup.keys, lookup.features, lookup.renames, lookup.timestamp) == (
        ("customer",),
        ("tenure", "total"),
        {"total": "spend"},
        "at",
    )
    assert function.output_name == "average"
