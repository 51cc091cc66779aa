"""The file `feature_spec.json`: how the columns that a model was trained on come about; written by clients, read everywhere.

It lies beside the model's MLmodel file. Example::

    {"format_version": 1,
     "columns": [{"name": "customer", "source": "data", "type": "bigint"},
                 {"name": "tenure", "source": "lookup", "type": "int"},
                 {"name": "spend", "source": "lookup", "type": "double"},
                 {"name": "average", "source": "function", "type": "double"},
                 {"name": "churn", "source": "data", "type": "string"}],
     "lookups": [{"table": "main.default.customers", "keys": {"id": "customer"},
                  "features": {"tenure": "tenure", "total_spend": "spend"}, "defaults": {"tenure": 0}}],
     "functions": [{"name": "main.default.average", "bindings": {"total": "spend", "months": "tenure"}, "output": "average"}],
     "exclude_columns": ["customer"], "label": "churn"}

No Django here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

FILE_NAME = "feature_spec.json"
FORMAT_VERSION = 1
MAX_FEATURES, MAX_TABLES, MAX_FUNCTIONS = 1_000, 50, 100
"""[docs: limits of feature engineering in Unity Catalog]"""

Source = Literal["data", "lookup", "function"]


class SpecError(ValueError):
    """The text is no feature spec; the message says what is wrong with which part."""


@dataclass(frozen=True)
class Column:
    """One column of the training set, in its order."""

    name: str
    source: Source
    """`data`: whoever asks sends it; `lookup` and `function`: it is found."""
    type: str
    """SQL type text, as the catalog keeps it (`bigint`, `array<double>`)."""


@dataclass(frozen=True)
class Lookup:
    """Features of one table, found by its primary key."""

    table: str
    """Full name of the feature table."""
    keys: Mapping[str, str]
    """Column of the table's primary key (without its time-series column) -> column of the data that holds the value."""
    features: Mapping[str, str]
    """Column of the table -> the name that it has in the training set."""
    timestamp_key: str = ""
    """Column of the data by which training looked up points in time; serving takes the latest values."""
    lookback_s: float | None = None
    """How old a value may be at most in training, in seconds; None for any age."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Name in the training set -> its value where no row has the key."""


@dataclass(frozen=True)
class Function:
    """A feature that a Python function of the catalog computes from other columns."""

    name: str
    bindings: Mapping[str, str]
    """Parameter -> column."""
    output: str


@dataclass(frozen=True)
class FeatureSpec:
    """The whole file. Functions may use columns of the data, looked-up ones, and outputs of functions before them."""

    columns: tuple[Column, ...]
    lookups: tuple[Lookup, ...] = ()
    functions: tuple[Function, ...] = ()
    exclude_columns: tuple[str, ...] = ()
    """Columns of the training set that the model was not trained on."""
    label: str = ""
    """Empty when there is none."""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        _check_columns(self)
        _check_lookups(self)
        _check_functions(self)
        _check_all_are_found(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the model takes, in the order in which it was trained."""
        left_out = {*self.exclude_columns, self.label}
        return tuple(column.name for column in self.columns if column.name not in left_out)

    @property
    def types(self) -> dict[str, str]:
        """SQL type text of each column."""
        return {column.name: column.type for column in self.columns}

    def to_json(self) -> str:
        return json.dumps(
            {
                "format_version": self.format_version,
                "columns": [vars(column) for column in self.columns],
                "lookups": [_lookup_json(lookup) for lookup in self.lookups],
                "functions": [vars(function) for function in self.functions],
                "exclude_columns": list(self.exclude_columns),
                "label": self.label,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises SpecError."""
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            raise SpecError(f"{FILE_NAME} is not JSON.") from None
        if not isinstance(raw, dict):
            raise SpecError(f"{FILE_NAME} must be a JSON object.")
        if raw.get("format_version") != FORMAT_VERSION:
            raise SpecError(
                f"{FILE_NAME} has format_version {raw.get('format_version')!r}; this site reads {FORMAT_VERSION}. "
                "Log the model again with its client."
            )
        return cls(
            columns=tuple(_column(each) for each in _list(raw, "columns")),
            lookups=tuple(_lookup(each) for each in _list(raw, "lookups")),
            functions=tuple(_function(each) for each in _list(raw, "functions")),
            exclude_columns=tuple(_texts(raw, "exclude_columns")),
            label=_text(raw, "label", default="", where=FILE_NAME),
        )


# --- reading --------------------------------------------------------------------------------------


def _column(raw: Any) -> Column:
    where = "A column"
    source = _text(raw, "source", where=where)
    if source not in get_args(Source):
        raise SpecError(f"Column {raw.get('name')!r} has the source {source!r}; it is data, lookup or function.")
    # the source was just found among those that there are, which mypy does not see
    return Column(_text(raw, "name", where=where), source, _text(raw, "type", where=where))  # type: ignore[arg-type]


def _lookup(raw: Any) -> Lookup:
    where = "A look-up"
    table = _text(raw, "table", where=where)
    lookback = raw.get("lookback_s")
    if lookback is not None and (isinstance(lookback, bool) or not isinstance(lookback, int | float) or not lookback >= 0):
        raise SpecError(f"The look-up in {table} has the lookback_s {lookback!r}; it is a number of seconds, 0 or more, or null.")
    defaults = raw.get("defaults", {})
    if not isinstance(defaults, dict):
        raise SpecError(f"The defaults of the look-up in {table} must be an object: name of a feature -> value.")
    keys, features = _names(raw, "keys", f"look-up in {table}"), _names(raw, "features", f"look-up in {table}")
    return Lookup(table, keys, features, _text(raw, "timestamp_key", default="", where=where), lookback, defaults)


def _function(raw: Any) -> Function:
    name = _text(raw, "name", where="A function")
    return Function(name, _names(raw, "bindings", f"function {name}"), _text(raw, "output", where=f"Function {name}"))


def _lookup_json(lookup: Lookup) -> dict[str, Any]:
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(lookup).items()}


def _list(raw: dict[str, Any], name: str) -> list[Any]:
    found = raw.get(name, [])
    if not isinstance(found, list):
        raise SpecError(f"{name} of {FILE_NAME} must be a list.")
    return found


def _texts(raw: dict[str, Any], name: str) -> list[str]:
    found = _list(raw, name)
    if not all(isinstance(each, str) for each in found):
        raise SpecError(f"{name} of {FILE_NAME} must be a list of names.")
    return found


def _text(raw: Any, name: str, *, where: str, default: str | None = None) -> str:
    if not isinstance(raw, dict):
        raise SpecError(f"{where} of {FILE_NAME} must be an object.")
    found = raw.get(name, default)
    if not isinstance(found, str) or (default is None and not found):
        raise SpecError(f"{where} of {FILE_NAME} needs {name}, a text; it is {found!r:.100}.")
    return found


def _names(raw: dict[str, Any], name: str, where: str) -> dict[str, str]:
    found = raw.get(name)
    if not isinstance(found, dict) or not all(isinstance(value, str) and value and key for key, value in found.items()):
        raise SpecError(f"{name} of the {where} must be an object of names.")
    return dict(found)


# --- what has to fit together ---------------------------------------------------------------------


def _check_columns(spec: FeatureSpec) -> None:
    seen = set[str]()
    for column in spec.columns:
        if column.name in seen:
            raise SpecError(f"The column {column.name!r} is there twice.")
        seen.add(column.name)
    for name in filter(None, (*spec.exclude_columns, spec.label)):
        if name not in seen:
            what = "label" if name == spec.label else "exclude_columns"
            raise SpecError(f"{what} names {name!r}, which is no column.")
    if not spec.inputs:
        raise SpecError("No column is left for the model: there is none, or all are excluded.")


def _check_lookups(spec: FeatureSpec) -> None:
    tables = {lookup.table for lookup in spec.lookups}
    if len(tables) > MAX_TABLES:
        raise SpecError(f"A model may look up features in {MAX_TABLES} tables at most; these are {len(tables)}.")
    if sum(len(lookup.features) for lookup in spec.lookups) > MAX_FEATURES:
        raise SpecError(f"At most {MAX_FEATURES} features may be looked up.")
    data = {column.name for column in spec.columns if column.source == "data"}
    for lookup in spec.lookups:
        if not lookup.keys or not lookup.features:
            raise SpecError(f"The look-up in {lookup.table} needs keys and features.")
        for name in (*lookup.keys.values(), *filter(None, [lookup.timestamp_key])):
            if name not in data:
                raise SpecError(f"The look-up in {lookup.table} is by {name!r}, which is no column with the source data.")
        for name in lookup.defaults:
            if name not in lookup.features.values():
                raise SpecError(f"The look-up in {lookup.table} has a default for {name!r}, which is none of its features.")


def _check_functions(spec: FeatureSpec) -> None:
    if len(spec.functions) > MAX_FUNCTIONS:
        raise SpecError(f"A model may use {MAX_FUNCTIONS} feature functions at most; these are {len(spec.functions)}.")
    known = {column.name for column in spec.columns if column.source != "function"}
    for function in spec.functions:
        for parameter, name in function.bindings.items():
            if name not in known:
                raise SpecError(f"Function {function.name} takes {name!r} for {parameter}, which is no column before it.")
        known.add(function.output)


def _check_all_are_found(spec: FeatureSpec) -> None:
    """Each look-up and function gives columns that are there, and each such column comes from exactly one of them."""
    given = {"lookup": [name for each in spec.lookups for name in each.features.values()],
             "function": [each.output for each in spec.functions]}  # fmt: skip
    for source, names in given.items():
        wanted = [column.name for column in spec.columns if column.source == source]
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"The column {name!r} comes from more than one {source}.")
            if name not in wanted:
                raise SpecError(f"A {source} gives {name!r}, which is no column with the source {source}.")
        for name in wanted:
            if name not in names:
                raise SpecError(f"The column {name!r} has the source {source}, but no {source} gives it.")
