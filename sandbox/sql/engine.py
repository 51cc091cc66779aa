"""Runs one statement in a locked-down DuckDB; the one module that imports duckdb. In the jail only."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sandbox.sql import user_functions
from sandbox.sql.dialect import commands, rows_written
from sandbox.sql.dialect.names import ROW_FILE, ROW_NUMBER
from sandbox.sql.dialect.reader import Reader
from sandbox.sql.dialect.scope import Parameter, Scope
from sandbox.sql.dialect.translation import parse_query, translate
from sandbox.sql.dialect_keys import key
from sandbox.sql.job import MAX_WRITTEN_BYTES, Site, SqlRequest
from sandbox.sql.refusals import Refused
from sandbox.sql.result_rows import read_arrow, read_texts
from sandbox.sql.results import databricks_type

_QUERY_WORDS = {"SELECT", "WITH", "VALUES", "FROM", "("}
_ROW_WORDS = {"INSERT", "UPDATE", "DELETE", "MERGE"}
_CONFIGURATION = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "512MB",
    "max_temp_directory_size": "0B",
    "threads": "1",
}
# order matters: nothing can be set after the last line
_LOCK_DOWN = (
    "SET TimeZone='UTC'",
    "SET python_enable_replacements=false",
    "CREATE MACRO pg_json_text(j, p) AS CASE WHEN json_valid(j) THEN json_extract_string(j, p) END",
    "CREATE MACRO pg_json_list(j, p) AS CASE WHEN json_valid(j) THEN CAST(to_json(json_extract(j, p)) AS VARCHAR) END",
    "CREATE MACRO pg_from_json(j, s) AS CASE WHEN json_valid(j) THEN json_transform(j, s) END",
    "CREATE MACRO pg_unix_seconds(t) AS CAST(floor(epoch(CAST(t AS TIMESTAMPTZ))) AS BIGINT)",
    "CREATE MACRO pg_window(t, w) AS {'start': time_bucket(CAST(w AS INTERVAL), t), "
    "'end': time_bucket(CAST(w AS INTERVAL), t) + CAST(w AS INTERVAL)}",
    "CREATE MACRO pg_divide(a, b) AS CASE WHEN b = 0 THEN error('[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate "
    "divisor being 0 and return NULL instead.') ELSE a / b END",
    "CREATE MACRO pg_remainder(a, b) AS CASE WHEN b = 0 THEN error('[REMAINDER_BY_ZERO] Remainder by zero. Use `try_mod` to "
    "tolerate divisor being 0 and return NULL instead.') ELSE a % b END",
    "CREATE MACRO pg_quotient(a, b) AS CASE WHEN b = 0 THEN error('[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to "
    "tolerate divisor being 0 and return NULL instead.') ELSE CAST(trunc(a / b) AS BIGINT) END",
    "SET lock_configuration=true",
)


def warm_up() -> None:
    """Once, before children are forked: load what the first statement would."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    parse_query("SELECT a, count(*) FROM t WHERE b > 1 GROUP BY a")


def execute(request: SqlRequest, maps: Sequence[Any], site: Site) -> tuple[dict[str, Any], list[bytes]]:
    """Translate and run; raises Refused or an error of DuckDB. The answer has one of `needs`, `plan` and `columns`."""
    reader = Reader(request["sql"])
    if reader.is_empty:
        raise Refused("There is no statement. Try: SELECT * FROM <table> LIMIT 10")
    scope = _scope(request)
    first = reader.word().split()[0] if reader.word() else ""
    statement = _Statement(request, maps, site, scope)
    if first in _QUERY_WORDS:
        return statement.query()
    if first in _ROW_WORDS:
        return statement.written_rows(first)
    plan = commands.plan_of(reader, scope)
    if plan["do"] == "create_table" and plan["query"]:
        return statement.rows_for(plan, [("rows", parse_query(plan["query"]))])
    if plan["do"] == "create_view":
        return statement.described(plan, plan["query"])
    if plan["do"] == "create_function":
        return statement.function(plan)
    return {"plan": plan}, []


def _scope(request: SqlRequest) -> Scope:
    parameters = [Parameter(each["name"], each["value"], each.get("type") or "STRING") for each in request["parameters"]]
    return Scope(request["objects"], request["catalog"], request["schema"], parameters, request["user"])


class _Statement:
    """One statement on its way through translation and engine."""

    def __init__(self, request: SqlRequest, maps: Sequence[Any], site: Site, scope: Scope) -> None:
        self.request, self.maps, self.site, self.scope = request, maps, site, scope

    def query(self) -> tuple[dict[str, Any], list[bytes]]:
        """Columns and rows as texts."""
        sql = translate(parse_query(self.request["sql"]), self.scope)
        if self.scope.used.needs:
            return self._needs()
        with open_database() as connection:
            self._prepare(connection)
            with _soft_limit(connection, self.request["soft_timeout_s"]):
                if self.request["arrow"]:
                    return read_arrow(connection.sql(sql), self.request["max_rows"], self.request["max_bytes"])
                answer = read_texts(connection.sql(sql), self.request["max_rows"], self.request["max_bytes"])
                return {**answer, "reads": self._reads()}, []

    def written_rows(self, word: str) -> tuple[dict[str, Any], list[bytes]]:
        plan, queries = rows_written.plan_of(word, self.request["sql"], self.scope)
        if self.scope.used.needs:
            return self._needs()
        return self.rows_for(plan, queries)

    def rows_for(self, plan: dict[str, Any], queries: Sequence[tuple[str, Any]]) -> tuple[dict[str, Any], list[bytes]]:
        """The plan, and the results of its queries as Arrow streams in the order of `plan["rows"]`."""
        texts = [(name, translate(query, self.scope)) for name, query in queries]
        if self.scope.used.needs:
            return self._needs()
        streams: list[bytes] = []
        with open_database() as connection:
            self._prepare(connection)
            with _soft_limit(connection, self.request["soft_timeout_s"]):
                for _, text in texts:
                    streams.append(_stream(connection.sql(text), MAX_WRITTEN_BYTES - sum(len(each) for each in streams)))
        return {"plan": {**plan, "rows": [name for name, _ in texts], "reads": self._reads()}}, streams

    def described(self, plan: dict[str, Any], text: str) -> tuple[dict[str, Any], list[bytes]]:
        """The plan of a view with the columns of its query, which is not run."""
        sql = translate(parse_query(text), self.scope)
        if self.scope.used.needs:
            return self._needs()
        with open_database() as connection:
            self._prepare(connection)
            relation = connection.sql(f"SELECT * FROM ({sql}) LIMIT 0")  # noqa: S608 - translated, in the jail
            found = [[name, databricks_type(kind)[1]] for name, kind in zip(relation.columns, relation.types, strict=True)]
        if plan["columns"] and len(plan["columns"]) != len(found):
            raise Refused(
                f"[CREATE_VIEW_COLUMN_ARITY_MISMATCH] The view names {len(plan['columns'])} columns, its query has {len(found)}."
            )
        return {"plan": {**plan, "found": found, "reads": self._reads(), "functions": self._functions()}}, []

    def function(self, plan: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """A SQL function's body must be translatable; Python's is checked by the site, in a jail of its own."""
        if plan["language"] == "PYTHON":
            return {"plan": plan}, []
        arguments = [[each["name"], each["type_text"], each["default"]] for each in plan["parameters"]]
        call = f"SELECT __pg_new({', '.join('NULL' for _ in arguments)})"
        name = self.scope.full_name(["__pg_new"])
        mine = {
            "kind": "function",
            "language": "SQL",
            "parameters": arguments,
            "returns": plan["returns"] or "STRING",
            "definition": plan["definition"],
            "catalog": self.scope.catalog,
            "schema": self.scope.schema,
        }
        objects = {**self.scope.objects, key("function", name): mine}
        scope = Scope(objects, self.scope.catalog, self.scope.schema, (), self.scope.user, used=self.scope.used)
        sql = translate(parse_query(call), scope)
        if scope.used.needs:
            return {"needs": scope.used.needs, "new": name}, []
        with open_database() as connection:
            self._prepare(connection)
            returns = databricks_type(connection.sql(sql).types[0])[1]
        return {"plan": {**plan, "returns": plan["returns"] or returns, "reads": self._reads(name)}}, []

    def _needs(self) -> tuple[dict[str, Any], list[bytes]]:
        return {"needs": self.scope.used.needs}, []

    def _reads(self, via: str = "") -> list[str]:
        """Full names of the tables and views that the statement itself names."""
        found = [json.loads(each) for each in self.scope.objects]
        return sorted({name for kind, name, _, through in found if through == via and kind in {"table", "changes", "target"}})

    def _functions(self) -> list[str]:
        found = [json.loads(each) for each in self.scope.objects]
        return sorted({name for kind, name, _, through in found if kind == "function" and not through})

    def _prepare(self, connection: Any) -> None:
        """Tables, functions, then nothing more can be set."""
        for wanted, relation in self.scope.used.relations.items():
            table = self.scope.objects[wanted]
            if json.loads(wanted)[0] == "target":
                connection.register(relation, _numbered(table, self.maps))
            else:
                connection.register(relation, _dataset(table, self.maps))
        user_functions.register(connection, self.scope, self.site)
        lock_down(connection)


class _soft_limit:  # noqa: N801 - reads as a statement
    """Asks the engine to stop when the time is over."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self._timer = threading.Timer(seconds, connection.interrupt)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def lock_down(connection: Any) -> None:
    """From here on no setting can be changed, and no file, network address or extension reached."""
    for setting in _LOCK_DOWN:
        connection.execute(setting)


def open_database() -> Any:
    """An empty database in memory that cannot leave it."""
    return duckdb.connect(":memory:", config=_CONFIGURATION)


def _schema(table: dict[str, Any], maps: Sequence[Any]) -> Any:
    """As the site says; of files of a volume the first one's."""
    if not table["schema"]:
        return pq.read_schema(pa.BufferReader(pa.py_buffer(maps[table["files"][0]])))
    return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(table["schema"])))


def _dataset(table: dict[str, Any], maps: Sequence[Any]) -> Any:
    """The table's files as they are; they stay compressed and are read as needed. Columns that a file lacks are null."""
    schema = _schema(table, maps)
    buffers = [pa.py_buffer(maps[position]) for position in table["files"]]
    if not buffers:
        return schema.empty_table()
    parquet = ds.ParquetFileFormat()
    return ds.FileSystemDataset([parquet.make_fragment(pa.BufferReader(each)) for each in buffers], schema, parquet, None)


def _numbered(table: dict[str, Any], maps: Sequence[Any]) -> Any:
    """All rows with the file and position where they lie."""
    schema = _schema(table, maps)
    parts = []
    for number, position in enumerate(table["files"]):
        rows = pq.read_table(pa.BufferReader(pa.py_buffer(maps[position])))
        missing = [field for field in schema if field.name not in rows.column_names]
        for field in missing:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        rows = rows.select(schema.names).cast(schema)
        rows = rows.append_column(ROW_FILE, pa.array([number] * rows.num_rows, pa.int32()))
        parts.append(rows.append_column(ROW_NUMBER, pa.array(range(rows.num_rows), pa.int64())))
    if parts:
        return pa.concat_tables(parts)
    return schema.append(pa.field(ROW_FILE, pa.int32())).append(pa.field(ROW_NUMBER, pa.int64())).empty_table()


def _stream(relation: Any, largest_bytes: int) -> bytes:
    sink = pa.BufferOutputStream()
    reader = relation.to_arrow_reader(65_536)
    with pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            if sink.tell() > largest_bytes:
                raise Refused(
                    f"The statement writes more than {MAX_WRITTEN_BYTES // 1024 // 1024} MiB at once. Write in several steps.",
                    "RESOURCE_EXHAUSTED",
                )
    return bytes(sink.getvalue())
