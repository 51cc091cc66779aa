"""How the columns of a training set come about; travels with a model as `feature_spec.json`, which the site reads too."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from proving_ground_client import lenient
from proving_ground_client.entities import Feature, FeatureFunction, FeatureLookup
from proving_ground_client.site import Site, Table

FILE_NAME = "feature_spec.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Column:
    """One column of the training set; `source` is data, lookup or function, `type` a SQL type text."""

    name: str
    source: str
    type: str


@dataclass(frozen=True)
class Lookup:
    """Features of one table: `keys` and `features` map the table's columns to the training set's."""

    table: str
    keys: dict[str, str]
    features: dict[str, str]
    timestamp_key: str = ""
    lookback_s: float | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    """By name in the training set."""


@dataclass(frozen=True)
class Function:
    """A function's full name, its bindings (parameter -> column) and the column that it gives."""

    name: str
    bindings: dict[str, str]
    output: str


@dataclass(frozen=True)
class Spec:
    """All columns in their order, the label last."""

    columns: tuple[Column, ...]
    lookups: tuple[Lookup, ...] = ()
    functions: tuple[Function, ...] = ()
    exclude_columns: tuple[str, ...] = ()
    label: str = ""

    @property
    def inputs(self) -> list[str]:
        """What a model takes."""
        return [column.name for column in self.columns if column.name not in {*self.exclude_columns, self.label}]

    @property
    def needed(self) -> list[str]:
        """Columns that whoever scores must send: keys, times, inputs and what functions take, unless they are found."""
        given = {column.name for column in self.columns if column.source != "data"}
        wanted = [name for each in self.lookups for name in (*each.keys.values(), *filter(None, [each.timestamp_key]))]
        wanted += [name for each in self.functions for name in each.bindings.values()]
        return [name for name in dict.fromkeys([*wanted, *self.inputs]) if name not in given]

    def to_json(self) -> str:
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        raw = json.loads(text)
        if raw.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"The model's {FILE_NAME} has format_version {raw.get('format_version')}, not {FORMAT_VERSION}.")
        return cls(
            columns=tuple(Column(**each) for each in raw["columns"]),
            lookups=tuple(Lookup(**each) for each in raw["lookups"]),
            functions=tuple(Function(**each) for each in raw["functions"]),
            exclude_columns=tuple(raw["exclude_columns"]),
            label=raw["label"],
        )


def build(
    site: Site,
    data: Mapping[str, str],
    features: Iterable[Feature],
    *,
    label: str | None = None,
    exclude_columns: Sequence[str] = (),
) -> Spec:
    """The spec of a training set whose own columns are `data` (name -> SQL type text).

    Raises ValueError for what does not fit together: keys, names that are there twice, features that no table has.
    """
    listed = list(features)
    if label is not None and label not in data:
        raise ValueError(f"The label '{label}' is no column of the data; it has {', '.join(data)}.")
    lookups: list[Lookup] = []
    functions: list[Function] = []
    columns = [Column(name, "data", kind) for name, kind in data.items() if name != label]
    for feature in listed:
        if isinstance(feature, FeatureLookup):
            table = site.table(feature.table_name)
            lookups.append(_lookup(feature, table, data))
            columns += [Column(name, "lookup", table.columns[theirs]) for theirs, name in lookups[-1].features.items()]
        elif isinstance(feature, FeatureFunction):
            functions.append(Function(site.full_name(feature.udf_name).lower(), *_bound(feature, site)))
            columns.append(Column(functions[-1].output, "function", returned_type(site, functions[-1].name)))
        else:
            raise TypeError(f"feature_lookups takes FeatureLookup and FeatureFunction, not {type(feature).__name__}.")
    if label is not None:
        columns.append(Column(label, "data", data[label]))
    _check_names(columns)
    _check_functions(functions, columns)
    names = {column.name for column in columns}
    excluded = tuple(dict.fromkeys(name for name in exclude_columns if name in names and name != label))
    return Spec(tuple(columns), tuple(lookups), tuple(functions), excluded, label or "")


def features_of(spec: Spec) -> list[Feature]:
    """Look-ups and functions as they are described to a client."""
    lookups = [
        FeatureLookup(
            each.table,
            list(each.keys.values()),
            feature_names=list(each.features),
            rename_outputs={theirs: ours for theirs, ours in each.features.items() if theirs != ours},
            timestamp_lookup_key=each.timestamp_key or None,
            lookback_window=None if each.lookback_s is None else timedelta(seconds=each.lookback_s),
            default_values=each.defaults or None,
        )
        for each in spec.lookups
    ]
    functions = [
        FeatureFunction(udf_name=each.name, input_bindings=each.bindings, output_name=each.output) for each in spec.functions
    ]
    return [*lookups, *functions]


def _lookup(feature: FeatureLookup, table: Table, data: Mapping[str, str]) -> Lookup:
    if not table.primary_keys:
        raise ValueError(f"'{table.full_name}' is no feature table: it has no primary key constraint.")
    if lenient.is_on():
        feature = _with_the_real_key(feature, table, data)
    for name in (*feature.keys, *filter(None, [feature.timestamp])):
        if name not in data:
            raise ValueError(
                f"The data has no column '{name}' to look up features in '{table.full_name}'; it has {', '.join(data)}."
            )
    keys = _keys(feature, table)
    features = _features(feature, table)
    defaults = dict(feature.default_values or {})
    for name in defaults:
        if name not in features.values():
            raise ValueError(f"default_values names '{name}', which is no feature of the look-up in '{table.full_name}'.")
    window = feature.lookback_window
    lookback_s = None if window is None else window / timedelta(seconds=1)
    return Lookup(table.full_name, keys, features, feature.timestamp, lookback_s, defaults)


def _with_the_real_key(feature: FeatureLookup, table: Table, data: Mapping[str, str]) -> FeatureLookup:
    """For a key that is no column of the data: the table's primary key, when the data has that."""
    real = [name for name in table.primary_keys if not (feature.timestamp and name == table.timeseries)]
    if all(name in data for name in feature.keys) or not all(name in data for name in real):
        return feature
    given, right = (repr(list(names) if len(names) > 1 else names[0]) for names in (feature.keys, real))
    lenient.absorbed(
        f"lookup_key={given} names no column of the data; the primary key of '{table.full_name}' is taken", f"lookup_key={right}"
    )
    return replace(feature, lookup_key=real)


def _keys(feature: FeatureLookup, table: Table) -> dict[str, str]:
    """Column of the table's primary key -> column of the data; the time-series column only when it is looked up exactly."""
    if feature.timestamp and not table.timeseries:
        raise ValueError(f"'{table.full_name}' has no time-series column; leave timestamp_lookup_key out.")
    wanted = [name for name in table.primary_keys if not (feature.timestamp and name == table.timeseries)]
    if len(wanted) != len(feature.keys):
        hint = ""
        if table.timeseries and not feature.timestamp:
            hint = f" '{table.timeseries}' is its time-series column: name timestamp_lookup_key, or give it an exact key too."
        raise ValueError(
            f"The number of lookup keys ({', '.join(feature.keys)}) is not that of the primary keys of '{table.full_name}' "
            f"({', '.join(wanted)}).{hint}"
        )
    return dict(zip(wanted, feature.keys, strict=True))


def _features(feature: FeatureLookup, table: Table) -> dict[str, str]:
    names = feature.features or tuple(name for name in table.columns if name not in table.primary_keys)
    for name in (*names, *feature.renames):
        if name not in table.columns:
            raise ValueError(f"'{table.full_name}' has no feature '{name}'; it has {', '.join(table.columns)}.")
    if unknown := set(feature.renames) - set(names):
        raise ValueError(f"rename_outputs names {', '.join(sorted(unknown))}, which the look-up does not ask for.")
    return {name: feature.renames.get(name, name) for name in names}


def _bound(feature: FeatureFunction, site: Site) -> tuple[dict[str, str], str]:
    full_name = site.full_name(feature.udf_name).lower()
    bindings = dict(feature.input_bindings or {})
    parameters = [str(each.name) for each in _function_info(site, full_name).input_params.parameters or []]
    if set(bindings) != set(parameters):
        raise ValueError(
            f"input_bindings of '{full_name}' must name its parameters ({', '.join(parameters)}), not "
            f"{', '.join(bindings) or 'none'}."
        )
    return bindings, feature.output_name or full_name


def returned_type(site: Site, full_name: str) -> str:
    """SQL type text of what the function gives."""
    return str(_function_info(site, full_name).full_data_type).lower()


def _function_info(site: Site, full_name: str) -> Any:
    from databricks.sdk.errors import NotFound

    try:
        return site.workspace.functions.get(full_name)
    except NotFound:
        raise ValueError(f"Function '{full_name}' does not exist. Create it with CREATE FUNCTION … LANGUAGE PYTHON.") from None


def _check_names(columns: Sequence[Column]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise ValueError(
                f"The column '{column.name}' would be there twice. Use rename_outputs or output_name for one of them."
            )
        seen.add(column.name)


def _check_functions(functions: Sequence[Function], columns: Sequence[Column]) -> None:
    known = {column.name for column in columns if column.source != "function"}
    for function in functions:
        for parameter, name in function.bindings.items():
            if name not in known:
                raise ValueError(f"Function '{function.name}' takes '{name}' for {parameter}, which is no column before it.")
        known.add(function.output)
