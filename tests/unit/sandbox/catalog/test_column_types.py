"""Types in SQL text, Delta's JSON and Arrow say the same."""

import pyarrow as pa
import pytest

from sandbox.catalog.column_types import (
    Column,
    arrow_type,
    checked_columns,
    checked_type,
    delta_type,
    sql_text,
    type_name,
    type_text_of,
)
from sandbox.errors import InvalidParameterValue

CANONICAL = {
    "INTEGER": "int",
    " Long ": "bigint",
    "VARCHAR(10)": "string",
    "DECIMAL": "decimal(10,0)",
    "numeric( 5 , 2 )": "decimal(5,2)",
    "ARRAY< MAP<STRING, DOUBLE> >": "array<map<string,double>>",
    "struct<a: int, `b c`: struct<d:date>>": "struct<a:int,`b c`:struct<d:date>>",
    "timestamp_ltz": "timestamp",
    "binary": "binary",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_types(text: str, canonical: str) -> None:
    assert checked_type(text) == canonical
    assert sql_text(delta_type(canonical)) == canonical
    assert type_text_of(arrow_type(delta_type(canonical))) == canonical


NO_TYPES = """
blob|array|array<int|array<int>>|map<int>|struct<>|struct<a>|decimal(39,0)|decimal(5,6)|decimal(1|int; drop|varchar(x)|int int|
"""


@pytest.mark.parametrize("text", [*NO_TYPES.strip().split("|"), "array<" * 50 + "int" + ">" * 50, "struct<" * 4_000])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match="is not a data type"):
        checked_type(text)


def test_arrow_types_that_delta_lacks_become_wider() -> None:
    wider = {
        pa.uint32(): "bigint",
        pa.uint64(): "decimal(20,0)",
        pa.large_string(): "string",
        pa.timestamp("ns"): "timestamp_ntz",
    }
    assert {arrow: type_text_of(arrow) for arrow in wider} == wider
    assert type_text_of(pa.dictionary(pa.int8(), pa.string())) == "string"
    with pytest.raises(InvalidParameterValue, match="cannot hold values of the type"):
        type_text_of(pa.duration("s"))


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a;b", "a=b", "a\nb", "x" * 256, "_change_type"])
def test_names_of_columns(name: str) -> None:
    with pytest.raises(InvalidParameterValue, match="not a valid name of a column"):
        checked_columns([Column(name, "int")])


def test_names_of_types() -> None:
    assert [type_name(text) for text in ("bigint", "array<int>", "decimal(5,2)", "struct<a:int>")] == [
        "LONG",
        "ARRAY",
        "DECIMAL",
        "STRUCT",
    ]
