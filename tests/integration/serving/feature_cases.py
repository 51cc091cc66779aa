"""Random feature tables, ways to look up in them, and requests, all from one seed; each case has rows of its own in every table.

So a few tables on a site hold hundreds of small ones: the keys of two cases never meet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from proving_ground_client import FeatureFunction, FeatureLookup

CATALOG = "main.default"
ARROW: dict[str, Any] = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "decimal(10,2)": pa.decimal128(10, 2),
    "array<double>": pa.list_(pa.float64()),
}
NUMBERS = {"bigint", "int", "double", "float", "boolean"}
KEYS = (("bigint",), ("string",), ("int",), ("bigint", "string"), ("int", "boolean"), ("string", "bigint"))
FEATURES = tuple(ARROW)
START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=9)
"""After all that tables know, so a training row of this time gets the latest values, as serving does."""
DEFAULTS: dict[str, Any] = {"bigint": -7, "int": 0, "double": 0.5, "float": 0.25, "string": "none", "boolean": True}
MAX_FUNCTIONS = 4
FUNCTIONS = {
    "pt_ratio": ("x DOUBLE, y DOUBLE", "DOUBLE", "return x / y if is_number(x) and is_number(y) and y else None"),
    "pt_text": ("x DOUBLE", "STRING", "return str(x) if is_number(x) else 'nothing'"),
    "pt_joined": ("a STRING, n BIGINT", "STRING", "return (a if isinstance(a, str) else '') + str(n if is_number(n) else 0)"),
    "pt_month": ("t TIMESTAMP", "INT", "return t.month if hasattr(t, 'month') else -1"),
    "pt_kind": ("x DOUBLE", "STRING", "return 'none' if x is None else 'number' if x == x else 'nan'"),
}
"""Parameters, type, body. All but the last take None and NaN for the same, as the documentation advises."""
_IS_NUMBER = "def is_number(v):\n    return v is not None and v == v\n"


@dataclass(frozen=True)
class FeatureTable:
    """A table with what each case has in it: rows of (key values, time or None, feature values), later ones written later."""

    name: str
    key_types: tuple[str, ...]
    types: tuple[str, ...]
    has_times: bool
    rows: list[list[tuple[tuple[Any, ...], datetime | None, tuple[Any, ...]]]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [f"key{n}" for n in range(len(self.key_types))]

    @property
    def columns(self) -> dict[str, str]:
        """Name -> SQL type text."""
        times = {"at": "timestamp"} if self.has_times else {}
        return dict(zip(self.keys, self.key_types, strict=True)) | times | self.features

    @property
    def features(self) -> dict[str, str]:
        return {f"f{n}": kind for n, kind in enumerate(self.types)}

    def parts(self) -> list[pa.Table]:
        """The rows of all cases in two writes: each case's first half, then the other."""
        halves = [
            [row for rows in self.rows for row in rows[: len(rows) // 2]],
            [row for rows in self.rows for row in rows[len(rows) // 2 :]],
        ]
        flat = [[(*key, *([at] if self.has_times else []), *values) for key, at, values in half] for half in halves]
        return [table_of(self.columns, rows) for rows in flat]

    def latest(self, case: int, key: tuple[Any, ...]) -> datetime | None:
        """The newest time of the key; START where the table knows no times; None for a key that is not there."""
        return max((at or START for known, at, _ in self.rows[case] if known == key), default=None)


@dataclass(frozen=True)
class Asked:
    """One look-up of a training set: data columns named after its number."""

    number: int
    table: FeatureTable
    lookup: FeatureLookup

    @property
    def keys(self) -> dict[str, str]:
        """Data column -> SQL type text."""
        return {f"k{self.number}_{n}": kind for n, kind in enumerate(self.table.key_types)}

    @property
    def outputs(self) -> dict[str, str]:
        """Name in the training set -> SQL type text."""
        return {self.lookup.renames.get(name, name): self.table.features[name] for name in self.lookup.features}


@dataclass(frozen=True)
class Recipe:
    """What a training set is made of, and the rows that each case asks about: column -> value."""

    asked: list[Asked]
    functions: list[FeatureFunction]
    rows: list[list[dict[str, Any]]]
    overrides: tuple[str, ...]
    """Features that callers send themselves in every second case."""

    @property
    def data(self) -> dict[str, str]:
        """Columns of the data -> SQL type text."""
        keys = {name: kind for each in self.asked for name, kind in each.keys.items()}
        times = {each.lookup.timestamp: "timestamp" for each in self.asked if each.lookup.timestamp}
        return {"raw": "double", "word": "string", **keys, **times}

    @property
    def found(self) -> dict[str, str]:
        """What is looked up: name -> SQL type text."""
        return {name: kind for each in self.asked for name, kind in each.outputs.items()}

    @property
    def outputs(self) -> dict[str, str]:
        """What the model takes: name -> SQL type text."""
        computed = {str(each.output_name): FUNCTIONS[each.udf_name.rpartition(".")[2]][1].lower() for each in self.functions}
        return {"raw": "double", "word": "string", **self.found, **computed}

    def sources(self, name: str) -> set[str]:
        """The column and all that it is computed from."""
        function = next((each for each in self.functions if each.output_name == name), None)
        bound = function.input_bindings.values() if function and function.input_bindings else ()
        return {name}.union(*(self.sources(each) for each in bound))


def table_of(columns: dict[str, str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(list(column), ARROW[kind]) for column, kind in zip(values, columns.values(), strict=True)]
    return pa.table(arrays, names=list(columns))


def function_statements() -> list[str]:
    return [
        f"CREATE FUNCTION {CATALOG}.{name}({parameters}) RETURNS {kind} LANGUAGE PYTHON AS $$\n{_IS_NUMBER}{body}\n$$"
        for name, (parameters, kind, body) in FUNCTIONS.items()
    ]


class Draw:
    """Everything random."""

    def __init__(self, seed: int, cases: int) -> None:
        self._draw, self._cases = np.random.default_rng(seed), cases

    def table(self, number: int) -> FeatureTable:
        key_types = KEYS[number % len(KEYS)]
        others = self._draw.choice(FEATURES, size=3).tolist()
        table = FeatureTable(f"{CATALOG}.pt_{number}", key_types, ("double", *others), has_times=number % 2 == 1)
        for case in range(self._cases):
            table.rows.append([self._row(table, case) for _ in range(self._draw.integers(0, 8))])
        return table

    def _row(self, table: FeatureTable, case: int) -> tuple[tuple[Any, ...], datetime | None, tuple[Any, ...]]:
        at = START + timedelta(days=int(self._draw.integers(0, 3))) if table.has_times else None
        return self.key(table, case), at, tuple(self.value(kind) for kind in table.types)

    def key(self, table: FeatureTable, case: int) -> tuple[Any, ...]:
        return tuple(self._key_value(kind, case) for kind in table.key_types)

    def _key_value(self, kind: str, case: int) -> Any:
        number = int(self._draw.integers(0, 3))
        if kind == "boolean":
            return number == 0
        if kind == "string":
            return f"{case}{['', ' ', 'ä'][number]}"
        return (2**53 if kind == "bigint" else 0) + case * 4 + number

    def value(self, kind: str) -> Any:
        """Often null; a number is often none."""
        if self._draw.random() < 0.15:
            return None
        number = float(self._draw.normal()) * 10 ** int(self._draw.integers(-3, 4))
        if kind in {"double", "float"}:
            odd = [math.nan, 0.0, -0.0, math.inf, 1e30][int(self._draw.integers(0, 5))]
            number = number if self._draw.random() < 0.8 else odd
            return number if kind == "double" else float(np.float32(number))
        return {
            "bigint": lambda: int(number * 2**40),
            "int": lambda: int(number),
            "string": lambda: ["", "a", "Ä b", "NaN", "null"][int(self._draw.integers(0, 5))],
            "boolean": lambda: number > 0,
            "date": lambda: date(2026, 1, 1) + timedelta(days=int(number)),
            "timestamp": lambda: START + timedelta(microseconds=int(number * 10**9)),
            "decimal(10,2)": lambda: Decimal(int(number * 100)).scaleb(-2),
            "array<double>": lambda: [number, 1.5][: int(self._draw.integers(0, 3))],
        }[kind]()

    def recipe(self, tables: Sequence[FeatureTable]) -> Recipe:
        chosen = self._draw.choice(len(tables), size=2)  # one table may be asked twice
        asked = [self._asked(number, tables[place]) for number, place in enumerate(chosen)]
        functions = self._functions({name: kind for each in asked for name, kind in each.outputs.items()})
        found = [name for each in asked for name in each.outputs]
        overrides = tuple(name for name in found if self._draw.random() < 0.3) or (found[0],)
        rows = [[self._asking(asked, case) for _ in range(self._draw.integers(1, 5))] for case in range(self._cases)]
        return Recipe(asked, functions, rows, overrides)

    def _asked(self, number: int, table: FeatureTable) -> Asked:
        names = ["f0", *(name for name in list(table.features)[1:] if self._draw.random() < 0.7)]
        renames = {name: f"{name}_of_{number}" for name in names}
        defaults = {
            renames[name]: DEFAULTS[table.features[name]]
            for name in names
            if table.features[name] in DEFAULTS and self._draw.random() < 0.4
        }
        lookup = FeatureLookup(
            table.name,
            [f"k{number}_{n}" for n in range(len(table.key_types))],
            feature_names=names,
            rename_outputs=renames,
            timestamp_lookup_key=f"at{number}" if table.has_times else None,
            lookback_window=timedelta(days=8) if table.has_times and self._draw.random() < 0.5 else None,
            default_values=defaults or None,
        )
        return Asked(number, table, lookup)

    def _functions(self, found: dict[str, str]) -> list[FeatureFunction]:
        """A chain over what was looked up and what was sent, and one for each type that there is."""
        number = next(name for name, kind in found.items() if kind in {"bigint", "int", "double"})
        made = [("pt_ratio", {"x": number, "y": "raw"}, "ratio"), ("pt_text", {"x": "ratio"}, "text")]
        made.append(("pt_kind", {"x": next(iter(found))}, "kind"))
        for name, kind in found.items():
            if kind in {"int", "bigint"}:
                made += [("pt_text", {"x": name}, f"text_{name}"), ("pt_joined", {"a": "word", "n": name}, f"joined_{name}")]
            if kind == "timestamp":
                made.append(("pt_month", {"t": name}, f"month_{name}"))
        return [
            FeatureFunction(udf_name=f"{CATALOG}.{udf}", input_bindings=of, output_name=to)
            for udf, of, to in made[:MAX_FUNCTIONS]
        ]

    def _asking(self, asked: Sequence[Asked], case: int) -> dict[str, Any]:
        row: dict[str, Any] = {"raw": self.value("double"), "word": self.value("string")}
        for each in asked:
            key = self.key(each.table, case)
            if self._draw.random() < 0.1:
                key = (None, *key[1:])
            row |= dict(zip(each.keys, key, strict=True))
            if each.lookup.timestamp:
                row[each.lookup.timestamp] = LATER
        return row | {name: self.value(kind) for each in asked for name, kind in each.outputs.items()}
