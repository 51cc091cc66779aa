"""Types of columns in their three spellings: SQL text (`array<int>`), Delta's schema JSON, and Arrow."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from sandbox.errors import InvalidParameterValue

MAX_DEPTH = 16
MAX_COLUMNS = 2_000
MAX_COLUMN_NAME_CHARACTERS = 255
_FORBIDDEN_IN_NAMES = re.compile(r"[ ,;{}()\n\t=\x00-\x1f\x7f]")
_CHANGE_COLUMNS = {"_change_type", "_commit_version", "_commit_timestamp"}

_SIMPLE: dict[str, tuple[str, str, pa.DataType]] = {
    "string": ("string", "STRING", pa.string()),
    "bigint": ("long", "LONG", pa.int64()),
    "int": ("integer", "INT", pa.int32()),
    "smallint": ("short", "SHORT", pa.int16()),
    "tinyint": ("byte", "BYTE", pa.int8()),
    "float": ("float", "FLOAT", pa.float32()),
    "double": ("double", "DOUBLE", pa.float64()),
    "boolean": ("boolean", "BOOLEAN", pa.bool_()),
    "binary": ("binary", "BINARY", pa.binary()),
    "date": ("date", "DATE", pa.date32()),
    "timestamp": ("timestamp", "TIMESTAMP", pa.timestamp("us", tz="UTC")),
    "timestamp_ntz": ("timestamp_ntz", "TIMESTAMP_NTZ", pa.timestamp("us")),
}
"""SQL text: its name in Delta, its ColumnTypeName in the REST API, its Arrow type [Delta protocol: Primitive types]."""
_SYNONYMS = {
    "long": "bigint",
    "integer": "int",
    "short": "smallint",
    "byte": "tinyint",
    "real": "float",
    "varchar": "string",
    "char": "string",
    "text": "string",
    "dec": "decimal",
    "numeric": "decimal",
    "bool": "boolean",
    "timestamp_ltz": "timestamp",
}
_FROM_DELTA = {delta: sql for sql, (delta, _, _) in _SIMPLE.items()}
_FROM_ARROW = {arrow: sql for sql, (_, _, arrow) in _SIMPLE.items()}
_WIDER_ARROW: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_large_string, "string"),
    (pa.types.is_string_view, "string"),
    (pa.types.is_large_binary, "binary"),
    (pa.types.is_binary_view, "binary"),
    (pa.types.is_date, "date"),
    (pa.types.is_uint8, "smallint"),
    (pa.types.is_uint16, "int"),
    (pa.types.is_uint32, "bigint"),
    (pa.types.is_uint64, "decimal(20,0)"),
    (pa.types.is_float16, "float"),
    (pa.types.is_null, "string"),
)
_TOKEN = re.compile(r"\s*(`(?:[^`]|``)+`|[\w-]+|[<>(),:])")


@dataclass(frozen=True)
class Column:
    """One column of a table or view. `type_text` is in the form that `checked_type` gives."""

    name: str
    type_text: str
    nullable: bool = True
    comment: str = ""

    @property
    def type_name(self) -> str:
        """ColumnTypeName of the REST API: LONG for bigint, ARRAY for array<int>."""
        return type_name(self.type_text)

    def as_json(self) -> dict[str, Any]:
        """The form in which `TableDetail.columns` keeps it."""
        return {**asdict(self), "type_name": self.type_name}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Column":
        return cls(kept["name"], kept["type_text"], kept.get("nullable", True), kept.get("comment", ""))


def checked_columns(columns: list[Column]) -> list[Column]:
    """The columns with their types in canonical form.

    Raises InvalidParameterValue: no column or too many, a name that Delta cannot hold, one name twice (in any case), or a type
    that is not known.
    """
    if not 0 < len(columns) <= MAX_COLUMNS:
        raise InvalidParameterValue(f"A table needs 1 to {MAX_COLUMNS} columns, not {len(columns)}.")
    seen = set[str]()
    for column in columns:
        _check_name(column.name)
        if column.name.lower() in seen:
            raise InvalidParameterValue(f"The column '{column.name}' is there twice; names differ in more than their case.")
        seen.add(column.name.lower())
    return [Column(each.name, checked_type(each.type_text), each.nullable, each.comment) for each in columns]


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_COLUMN_NAME_CHARACTERS or _FORBIDDEN_IN_NAMES.search(name) or name in _CHANGE_COLUMNS:
        raise InvalidParameterValue(
            f"'{name[:100]}' is not a valid name of a column: it needs 1 to {MAX_COLUMN_NAME_CHARACTERS} characters and none "
            "of ' ,;{}()=', tabs and line breaks."
        )


def checked_type(text: str) -> str:
    """The canonical SQL text of a type: `INTEGER` becomes int, `VARCHAR(10)` string, `ARRAY< LONG >` array<bigint>.

    Raises InvalidParameterValue for a type that is not known.
    """
    return sql_text(delta_type(text))


def type_name(text: str) -> str:
    """ColumnTypeName of a canonical type text."""
    head = re.split(r"[<(]", text, maxsplit=1)[0]
    return _SIMPLE[head][1] if head in _SIMPLE else head.upper()


def delta_type(text: str) -> Any:
    """Delta's schema JSON of a SQL type text. Raises InvalidParameterValue."""
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or len(text) > 20_000:
            raise _unknown(text)
        tokens.append(match[1])
        position = match.end()
    parsed, rest = _parse(tokens, text, 0)
    if rest:
        raise _unknown(text)
    return parsed


def sql_text(delta: Any) -> str:
    """SQL type text of Delta's schema JSON."""
    if isinstance(delta, str):
        return _FROM_DELTA.get(delta, delta.replace(" ", ""))
    if delta["type"] == "array":
        return f"array<{sql_text(delta['elementType'])}>"
    if delta["type"] == "map":
        return f"map<{sql_text(delta['keyType'])},{sql_text(delta['valueType'])}>"
    return "struct<" + ",".join(f"{_quoted(each['name'])}:{sql_text(each['type'])}" for each in delta["fields"]) + ">"


def arrow_type(delta: Any) -> pa.DataType:
    """Arrow type of Delta's schema JSON."""
    if isinstance(delta, str):
        if delta.startswith("decimal("):
            precision, scale = (int(number) for number in delta[8:-1].split(","))
            return pa.decimal128(precision, scale)
        return _SIMPLE[_FROM_DELTA[delta]][2]
    if delta["type"] == "array":
        return pa.list_(pa.field("element", arrow_type(delta["elementType"]), delta["containsNull"]))
    if delta["type"] == "map":
        return pa.map_(arrow_type(delta["keyType"]), arrow_type(delta["valueType"]))
    return pa.struct([pa.field(each["name"], arrow_type(each["type"]), each["nullable"]) for each in delta["fields"]])


def arrow_schema(columns: list[Column]) -> pa.Schema:
    return pa.schema([pa.field(each.name, arrow_type(delta_type(each.type_text)), each.nullable) for each in columns])


def columns_of(schema: pa.Schema) -> list[Column]:
    """Columns for the result of a query. Raises InvalidParameterValue for an Arrow type that no SQL type stands for."""
    return [Column(field.name, type_text_of(field.type), field.nullable) for field in schema]


def type_text_of(arrow: pa.DataType) -> str:
    """SQL type text of an Arrow type; unsigned and 64-bit-offset types become the next wider one that Delta has."""
    if arrow in _FROM_ARROW:
        return _FROM_ARROW[arrow]
    if pa.types.is_timestamp(arrow) and arrow.tz is None:
        return "timestamp_ntz"
    if pa.types.is_decimal(arrow) and arrow.precision <= 38:
        return f"decimal({arrow.precision},{arrow.scale})"
    if pa.types.is_map(arrow):
        return f"map<{type_text_of(arrow.key_type)},{type_text_of(arrow.item_type)}>"
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        return f"array<{type_text_of(arrow.value_type)}>"
    if pa.types.is_struct(arrow):
        return "struct<" + ",".join(f"{_quoted(each.name)}:{type_text_of(each.type)}" for each in arrow) + ">"
    if pa.types.is_dictionary(arrow):
        return type_text_of(arrow.value_type)
    found = next((text for holds, text in _WIDER_ARROW if holds(arrow)), None)
    if found is None:
        raise InvalidParameterValue(f"A table cannot hold values of the type {arrow}; CAST them to another type.")
    return found


def _parse(tokens: list[str], text: str, depth: int) -> tuple[Any, list[str]]:
    """The type that the tokens begin with, and the tokens after it."""
    if not tokens or depth > MAX_DEPTH:
        raise _unknown(text)
    word, rest = tokens[0].lower(), tokens[1:]
    word = _SYNONYMS.get(word, word)
    if word == "decimal":
        return _decimal(rest, text)
    if word in _SIMPLE:
        if tokens[0].lower() in {"varchar", "char"} and rest[:1] == ["("]:
            rest = _expect(rest[2:], ")", text) if len(rest) > 2 and rest[1].isdecimal() else _expect([], ")", text)
        return _SIMPLE[word][0], rest
    if word == "array":
        element, rest = _parse(_expect(rest, "<", text), text, depth + 1)
        return {"type": "array", "elementType": element, "containsNull": True}, _expect(rest, ">", text)
    if word == "map":
        key, rest = _parse(_expect(rest, "<", text), text, depth + 1)
        value, rest = _parse(_expect(rest, ",", text), text, depth + 1)
        return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}, _expect(rest, ">", text)
    if word == "struct":
        return _struct(_expect(rest, "<", text), text, depth)
    raise _unknown(text)


def _decimal(rest: list[str], text: str) -> tuple[Any, list[str]]:
    precision, scale = 10, 0
    if rest[:1] == ["("]:
        inside = rest[1 : rest.index(")")] if ")" in rest else []
        numbers = [each for each in inside if each != ","]
        if not 1 <= len(numbers) <= 2 or not all(number.isdecimal() and len(number) < 3 for number in numbers):
            raise _unknown(text)
        precision, scale = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 0
        rest = rest[rest.index(")") + 1 :]
    if not (1 <= precision <= 38 and scale <= precision):
        raise _unknown(text)
    return f"decimal({precision},{scale})", rest


def _struct(rest: list[str], text: str, depth: int) -> tuple[Any, list[str]]:
    fields: list[dict[str, Any]] = []
    while rest and rest[0] != ">":
        if fields:
            rest = _expect(rest, ",", text)
        name, rest = (rest[0], rest[1:]) if rest else ("", [])
        if rest[:1] == [":"]:
            rest = rest[1:]
        field_type, rest = _parse(rest, text, depth + 1)
        fields.append({"name": _unquoted(name), "type": field_type, "nullable": True, "metadata": {}})
    if not fields:
        raise _unknown(text)
    return {"type": "struct", "fields": fields}, _expect(rest, ">", text)


def _expect(tokens: list[str], token: str, text: str) -> list[str]:
    if tokens[:1] != [token]:
        raise _unknown(text)
    return tokens[1:]


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_]+", name) else "`" + name.replace("`", "``") + "`"


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _unknown(text: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"'{text[:200]}' is not a data type of a column. Known: {', '.join(_SIMPLE)}, decimal(p,s), array<t>, map<k,v> and "
        "struct<name:t,…>."
    )
