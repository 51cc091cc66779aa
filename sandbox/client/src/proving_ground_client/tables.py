"""Feature tables: made with a primary key, and written by merging on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from proving_ground_client.frames import arrow_of
from proving_ground_client.site import Site, Table, dotted, quoted
from proving_ground_client.types import sql_type


def create(
    site: Site,
    name: str,
    primary_keys: str | Sequence[str],
    df: Any,
    schema: Any,
    timeseries: str | Sequence[str] | None,
    description: str | None,
    tags: Mapping[str, str] | None,
) -> Table:
    """See FeatureEngineeringClient.create_table."""
    if (df is None) == (schema is None):
        raise ValueError("Name either df or schema.")
    keys, times = _list(primary_keys), _list(timeseries)
    rows = None if df is None else arrow_of(df)
    types = _types(rows, schema)
    if not keys:
        raise ValueError("primary_keys must name one column at least.")
    if len(times) > 1:
        raise ValueError(f"A table has one time-series column at most, not {len(times)}.")
    for key in (*keys, *times):
        if key not in types:
            raise ValueError(f"The primary key '{key}' is no column; there are {', '.join(types)}.")
    if missing := [each for each in times if each not in keys]:
        raise ValueError(f"The time-series column '{missing[0]}' must be one of primary_keys.")
    full_name = site.full_name(name)
    site.run(_statement(full_name, types, keys, times, description, tags))
    if rows is not None and rows.num_rows:
        _take_in(site, full_name, rows, insert=True)
    return site.table(full_name)


def write(site: Site, name: str, df: Any, mode: str) -> None:
    """See FeatureEngineeringClient.write_table."""
    if mode != "merge":
        raise ValueError(f"mode '{mode}' is not offered: feature tables are written with mode='merge'.")
    table = site.table(name)
    if not table.primary_keys:
        raise ValueError(f"'{table.full_name}' is no feature table: it has no primary key constraint.")
    rows = arrow_of(df)
    if missing := [key for key in table.primary_keys if key not in rows.column_names]:
        raise ValueError(f"The rows lack the primary key {', '.join(missing)} of '{table.full_name}'.")
    known = {column.lower() for column in table.columns}
    for field in rows.schema:
        if field.name.lower() not in known:
            kind = sql_type(field.type, field.name)
            site.run(f"ALTER TABLE {dotted(table.full_name)} ADD COLUMNS ({quoted(field.name)} {kind})")
    _take_in(site, table.full_name, rows, keys=table.primary_keys)


def overwrite(site: Site, name: str, rows: pa.Table, *, insert: bool) -> None:
    """Make the table anew with these rows, or add them to what is there (`insert`)."""
    full_name = site.full_name(name)
    if not insert:
        columns = ", ".join(f"{quoted(field.name)} {sql_type(field.type, field.name)}" for field in rows.schema)
        site.run(f"CREATE OR REPLACE TABLE {dotted(full_name)} ({columns})")
    if rows.num_rows:
        _take_in(site, full_name, rows, insert=True)


def _take_in(site: Site, full_name: str, rows: pa.Table, *, keys: Sequence[str] = (), insert: bool = False) -> None:
    names = [quoted(name) for name in rows.column_names]
    with site.staged(rows, full_name.rpartition(".")[0]) as paths:
        for path in paths:
            if insert:
                listed = ", ".join(names)
                statement = f"INSERT INTO {dotted(full_name)} ({listed}) SELECT {listed} FROM parquet.`{path}`"  # noqa: S608 - quoted names and our own paths
            else:
                statement = _merge(full_name, path, names, [quoted(key) for key in keys])
            site.run(statement)


def _merge(full_name: str, path: str, names: Sequence[str], keys: Sequence[str]) -> str:
    on = " AND ".join(f"t.{key} = s.{key}" for key in keys)
    sets = ", ".join(f"t.{name} = s.{name}" for name in names if name not in keys)
    update = f"WHEN MATCHED THEN UPDATE SET {sets} " if sets else ""
    return (
        f"MERGE INTO {dotted(full_name)} t USING parquet.`{path}` s ON {on} {update}"  # noqa: S608 - quoted names
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
    )


def _statement(
    full_name: str,
    types: Mapping[str, str],
    keys: Sequence[str],
    times: Sequence[str],
    description: str | None,
    tags: Mapping[str, str] | None,
) -> str:
    columns = [f"{quoted(name)} {kind}{' NOT NULL' if name in keys else ''}" for name, kind in types.items()]
    key = ", ".join(quoted(each) + (" TIMESERIES" if each in times else "") for each in keys)
    comment = f" COMMENT '{_escaped(description)}'" if description else ""
    pairs = ", ".join(f"'{_escaped(tag)}' = '{_escaped(value)}'" for tag, value in (tags or {}).items())
    constraint = f"CONSTRAINT {quoted(full_name.rpartition('.')[2] + '_pk')} PRIMARY KEY ({key})"
    properties = f" TBLPROPERTIES ({pairs})" if pairs else ""
    return f"CREATE TABLE {dotted(full_name)} ({', '.join(columns)}, {constraint}){comment}{properties}"


def _types(rows: pa.Table | None, schema: Any) -> dict[str, str]:
    if rows is not None:
        return {field.name: sql_type(field.type, field.name) for field in rows.schema}
    if isinstance(schema, pa.Schema):
        return {field.name: sql_type(field.type, field.name) for field in schema}
    if isinstance(schema, Mapping):
        return {str(name): str(kind) for name, kind in schema.items()}
    raise TypeError("schema must be a dictionary of column name and SQL type, or an Arrow schema.")


def _list(names: str | Sequence[str] | None) -> list[str]:
    return [] if names is None else [names] if isinstance(names, str) else list(names)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
