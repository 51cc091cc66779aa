"""The site as the client uses it: SQL statements, rows in and out, tables; all by documented REST calls of the SDK."""

import io
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, ResourceAlreadyExists
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.sql import Disposition, Format, StatementResponse, StatementState

from proving_ground_client.types import sql_type

STAGING = "feature_engineering_staging"
"""Volume for rows on their way into a table."""
PIECE_BYTES = 32 * 1024 * 1024
"""Of rows that one statement writes; the site takes twice as much."""
_WAIT_S = 50


class SqlError(ValueError):
    """The site refused a statement or it failed; the message is the site's."""


@dataclass(frozen=True)
class Table:
    """What the catalog says about a table. `columns`: name -> SQL type text, in order."""

    full_name: str
    columns: dict[str, str]
    primary_keys: tuple[str, ...]
    """The time-series column included."""
    timeseries: str
    """Empty when there is none."""
    comment: str = ""
    tags: tuple[tuple[str, str], ...] = ()


_used: dict[str, tuple[str, str]] = {}
"""What USE made the catalog and schema of this process, as of a notebook: host and person -> both."""


class Site:
    """Where statements go; `catalog` and `schema` complete names (None: what USE said in this process, else the warehouse's)."""

    def __init__(self, workspace: WorkspaceClient | None = None, catalog: str | None = None, schema: str | None = None) -> None:
        self.workspace = workspace or WorkspaceClient()
        self._given = catalog, schema

    @cached_property
    def _warehouse_id(self) -> str:
        for each in self.workspace.warehouses.list():
            if each.id:
                return each.id
        raise RuntimeError("The workspace has no SQL warehouse.")

    # --- names -----------------------------------------------------------------------------------

    @property
    def catalog(self) -> str | None:
        return self._given[0] or self._used[0]

    @property
    def schema(self) -> str | None:
        return self._given[1] or self._used[1]

    def use(self, catalog: str, schema: str) -> None:
        """For every site of this process with the same host and token, as USE in a notebook. Raises SqlError."""
        self.run(f"USE {dotted(f'{catalog}.{schema}')}")
        self._given = None, None
        _used[self._place] = catalog, schema

    def current(self) -> tuple[str, str]:
        """Catalog and schema that complete names."""
        return self.catalog or self._default[0], self.schema or self._default[1]

    @cached_property
    def _default(self) -> tuple[str, str]:
        catalog, schema = self.run("SELECT current_catalog(), current_schema()").to_pylist()[0].values()
        return str(catalog), str(schema)

    @property
    def _used(self) -> tuple[str | None, str | None]:
        return _used.get(self._place, (None, None))

    @property
    def _place(self) -> str:
        return f"{self.workspace.config.host} {self.workspace.config.token}"

    def full_name(self, name: str) -> str:
        """Three parts without backticks. Raises ValueError for more than three."""
        parts = [part.strip("`") for part in name.split(".")]
        if len(parts) > 3 or not all(parts):
            raise ValueError(f"'{name}' is no name of the form catalog.schema.name.")
        return ".".join([*self.current()[: 3 - len(parts)], *parts]) if len(parts) < 3 else ".".join(parts)

    # --- statements ------------------------------------------------------------------------------

    def run(self, statement: str) -> pa.Table:
        """The rows of a statement of any kind; what is no query answers with texts. Raises SqlError."""
        answer = self._execute(statement)
        if answer.manifest is None or answer.manifest.format != Format.ARROW_STREAM:
            return _texts(answer)
        parts = [self._part(answer, number) for number in range(answer.manifest.total_chunk_count or 0)]
        return pa.concat_tables(parts)

    def _execute(self, statement: str) -> StatementResponse:
        sql = self.workspace.statement_execution
        answer = sql.execute_statement(
            statement=statement,
            warehouse_id=self._warehouse_id,
            catalog=self.catalog,
            schema=self.schema,
            disposition=Disposition.EXTERNAL_LINKS,
            format=Format.ARROW_STREAM,
            wait_timeout=f"{_WAIT_S}s",
        )
        if answer.status is None or answer.status.state != StatementState.SUCCEEDED:
            if answer.status is not None and answer.status.state in {StatementState.PENDING, StatementState.RUNNING}:
                sql.cancel_execution(str(answer.statement_id))
                raise SqlError(f"The statement did not end within {_WAIT_S} s: {statement[:200]}")
            error = answer.status.error if answer.status else None
            raise SqlError(f"{error.message if error else answer.status}\n{statement[:500]}")
        return answer

    def _part(self, answer: StatementResponse, number: int) -> pa.Table:
        found = answer.result
        if number:
            found = self.workspace.statement_execution.get_statement_result_chunk_n(str(answer.statement_id), number)
        assert found is not None
        assert found.external_links
        # the link is signed: a token must not travel with it
        response = requests.get(str(found.external_links[0].external_link), timeout=120)
        response.raise_for_status()
        return pa.ipc.open_stream(response.content).read_all()

    # --- tables ----------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """Raises ValueError when it is not there."""
        full_name = self.full_name(name)
        try:
            found = self.workspace.tables.get(full_name)
        except NotFound as error:
            raise ValueError(f"Table '{full_name}' does not exist: {error}") from None
        key = next((each.primary_key_constraint for each in found.table_constraints or [] if each.primary_key_constraint), None)
        timeseries = (key.timeseries_columns or []) if key else []
        return Table(
            full_name=full_name,
            columns={str(column.name): str(column.type_text) for column in found.columns or []},
            primary_keys=tuple(key.child_columns) if key else (),
            timeseries=timeseries[0] if timeseries else "",
            comment=found.comment or "",
        )

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows, of some columns or all."""
        wanted = ", ".join(map(quoted, columns)) if columns else "*"
        return self.run(f"SELECT {wanted} FROM {dotted(self.full_name(name))}")  # noqa: S608 - quoted

    @contextmanager
    def staged(self, rows: pa.Table, schema_full_name: str) -> Iterator[list[str]]:
        """Paths of Parquet files with the rows, each as many as one statement may write; they are deleted at the end."""
        catalog, schema = schema_full_name.split(".")
        with suppress(ResourceAlreadyExists):
            self.workspace.volumes.create(catalog, schema, STAGING, VolumeType.MANAGED)
        folder = f"/Volumes/{catalog}/{schema}/{STAGING}/{uuid.uuid4().hex}"
        paths: list[str] = []
        try:
            for piece in _pieces(storable(rows)):
                content = io.BytesIO()
                pq.write_table(piece, content)
                paths.append(f"{folder}/{len(paths):05}.parquet")
                self.workspace.files.upload(paths[-1], io.BytesIO(content.getvalue()))
            yield paths
        finally:
            for path in paths:
                self.workspace.files.delete(path)
            with suppress(NotFound):  # nothing was uploaded
                self.workspace.files.delete_directory(folder)


def storable(rows: pa.Table) -> pa.Table:
    """The rows with types that Parquet and SQL agree on."""
    columns = []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        sql_type(field.type, field.name)
        if pa.types.is_dictionary(field.type):
            column = column.cast(field.type.value_type)
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.timestamp("us", tz="UTC"), safe=False)
        columns.append(column)
    return pa.table(columns, names=rows.column_names)


def quoted(name: str) -> str:
    """An identifier in backticks."""
    return "`" + name.replace("`", "``") + "`"


def dotted(full_name: str) -> str:
    return ".".join(map(quoted, full_name.split(".")))


def _pieces(rows: pa.Table) -> Iterator[pa.Table]:
    """One piece at least, also of no rows."""
    step = max(1, rows.num_rows * PIECE_BYTES // max(rows.nbytes, 1)) if rows.num_rows else 1
    for first in range(0, max(rows.num_rows, 1), step):
        yield rows.slice(first, step)


def _texts(answer: StatementResponse) -> Any:
    """An inline answer: the numbers of changed rows, or what SHOW and DESCRIBE list."""
    schema = answer.manifest.schema if answer.manifest else None
    names = [str(column.name) for column in (schema.columns or [] if schema else [])]
    rows = (answer.result.data_array or []) if answer.result else []
    return pa.table({name: pa.array([row[number] for row in rows], pa.string()) for number, name in enumerate(names)})
