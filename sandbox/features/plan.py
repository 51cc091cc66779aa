"""What a replica looks up and computes before its model is asked: a feature spec with everything found that it names.

Made by the control plane when an entity is deployed, carried to replicas; no Django here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

_INTEGERS, _FLOATS = {"bigint", "int", "smallint", "tinyint"}, {"double", "float"}
_ORDERED = ("key", "features", "arguments")


@dataclass(frozen=True)
class TableLookup:
    """Features of one online table."""

    online_table_id: str
    online_table: str
    """Its full name, for sentences."""
    table: str
    """Full name of the feature table that it is a copy of."""
    key: dict[str, str]
    """Column of the primary key -> column of the request that holds the value."""
    features: dict[str, str]
    """Column of the table -> the name that the model knows it by."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """By the model's name: the value where no row has the key."""


@dataclass(frozen=True)
class FunctionCall:
    """A feature function with its text as it was when the entity was deployed."""

    name: str
    body: str
    """Python source."""
    arguments: dict[str, str]
    """Parameter -> column, in the order of the function's parameters."""
    output: str
    returns: str
    """SQL type text."""
    types: dict[str, str] = field(default_factory=dict)
    """Parameter -> SQL type text; what the columns have where a plan was made without it."""


@dataclass(frozen=True)
class LookupPlan:
    """First the tables, then the functions in their order, then the model's columns in theirs."""

    inputs: tuple[str, ...]
    types: dict[str, str]
    """SQL type text of every column."""
    tables: tuple[TableLookup, ...] = ()
    functions: tuple[FunctionCall, ...] = ()
    is_traced: bool = False
    """Whether what was found is logged too."""

    @property
    def found(self) -> tuple[str, ...]:
        """Columns that nobody has to send."""
        looked_up = (name for table in self.tables for name in table.features.values())
        return tuple(dict.fromkeys([*looked_up, *(call.output for call in self.functions)]))

    @property
    def sent(self) -> tuple[str, ...]:
        """Columns that each request has to bring: keys, what functions take, and inputs, unless they are found."""
        keys = (name for table in self.tables for name in table.key.values())
        arguments = (name for call in self.functions for name in call.arguments.values())
        found = set(self.found)
        return tuple(dict.fromkeys(name for name in (*keys, *arguments, *self.inputs) if name not in found))

    @property
    def online_table_ids(self) -> frozenset[str]:
        return frozenset(table.online_table_id for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it: mappings whose order matters as pairs, for PostgreSQL's `jsonb` sorts the names of an object."""
        raw = asdict(self)
        for each in (*raw["tables"], *raw["functions"]):
            each.update({name: list(each[name].items()) for name in _ORDERED if name in each})
        return raw

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        return cls(
            tuple(raw["inputs"]),
            raw["types"],
            tuple(TableLookup(**_mapped(each)) for each in raw["tables"]),
            tuple(FunctionCall(**_mapped(each)) for each in raw["functions"]),
            bool(raw.get("is_traced")),
        )

    def sentence(self) -> str:
        """What it does, for people."""
        parts = [
            f"{', '.join(table.features.values())} in {table.online_table} (of {table.table}) by {', '.join(table.key.values())}"
            for table in self.tables
        ]
        computed = [f"{call.output} with {call.name}({', '.join(call.arguments.values())})" for call in self.functions]
        looked_up = f"Looks up {'; '.join(parts)}." if parts else ""
        return " ".join(filter(None, [looked_up, f"Computes {'; '.join(computed)}." if computed else ""]))


def _mapped(raw: dict[str, Any]) -> dict[str, Any]:
    return raw | {name: dict(raw[name]) for name in _ORDERED if name in raw}


def misfit(table: TableLookup, key_columns: Iterable[str], columns: Mapping[str, str], types: Mapping[str, str]) -> str:
    """How an online table differs from what was deployed, as the end of a sentence about it; empty when it fits.

    `columns`: its other columns, with their SQL types now; `types`: SQL type of each of the model's columns.
    """
    if set(key_columns) != set(table.key):
        return f"has the key ({', '.join(key_columns)}), not ({', '.join(table.key)}) as when it was deployed"
    for feature, name in table.features.items():
        if feature not in columns:
            return f"has no column {feature} any more"
        if not can_stand_for(columns[feature], types[name]):
            return f"has the column {feature} as {columns[feature]}, not as {types[name]} any more"
    return ""


def can_stand_for(now: str, then: str) -> bool:
    """Whether values of a column that has the SQL type `now` mean the same to whoever was trained with the type `then`.

    Whole numbers of another width do, and so do floats: a value that does not fit is refused when the signature is enforced. A
    fraction in a column of whole numbers would be cut off there, so that is another column.
    """
    if now == then or {now, then} <= _INTEGERS or {now, then} <= _FLOATS:
        return True
    return now.startswith("decimal") and then.startswith("decimal")
