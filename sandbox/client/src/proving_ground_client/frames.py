"""Frames: rows in memory with the few methods of Spark's frames that notebooks use with tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from proving_ground_client.site import Site
    from proving_ground_client.spark import Writer

_JOINS = {
    "inner": "INNER",
    "left": "LEFT",
    "leftouter": "LEFT",
    "left_outer": "LEFT",
    "right": "RIGHT",
    "outer": "FULL",
    "full": "FULL",
}


class Frame:
    """Rows that do not change; every method gives a new frame. Names of columns keep their case."""

    def __init__(self, rows: pa.Table, site: "Site | None" = None) -> None:
        self._rows, self._site = rows, site

    @property
    def columns(self) -> list[str]:
        return list(self._rows.column_names)

    @property
    def dtypes(self) -> list[tuple[str, str]]:
        from proving_ground_client.types import sql_type

        return [(field.name, sql_type(field.type, field.name)) for field in self._rows.schema]

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        return self._rows

    def toPandas(self) -> pd.DataFrame:  # noqa: N802 - Spark's name
        """Times come without a zone, in UTC."""
        found = self._rows.to_pandas()
        for name in found.columns:
            if isinstance(found[name].dtype, pd.DatetimeTZDtype):
                found[name] = found[name].dt.tz_convert(None)
        return found

    def collect(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._rows.to_pylist()
        return found

    def count(self) -> int:
        return int(self._rows.num_rows)

    def limit(self, num: int) -> "Frame":
        return Frame(self._rows.slice(0, num), self._site)

    def select(self, *cols: str | Sequence[str]) -> "Frame":
        """Raises ValueError for a column that is not there."""
        return Frame(self._rows.select([self._named(name) for name in _flat(cols)]), self._site)

    def drop(self, *cols: str) -> "Frame":
        """Columns that are not there are no error, as in Spark."""
        gone = {name.lower() for name in cols}
        return Frame(self._rows.select([name for name in self.columns if name.lower() not in gone]), self._site)

    def withColumnRenamed(self, existing: str, new: str) -> "Frame":  # noqa: N802 - Spark's name
        names = [new if name.lower() == existing.lower() else name for name in self.columns]
        return Frame(self._rows.rename_columns(names), self._site)

    def where(self, condition: str) -> "Frame":
        """`condition` is SQL, as in where("tenure > 12")."""
        return self._asked(f"SELECT * FROM rows WHERE {condition}")  # noqa: S608 - the caller's own rows

    filter = where  # Spark's name

    def distinct(self) -> "Frame":
        return self._asked("SELECT DISTINCT * FROM rows")

    def orderBy(self, *cols: str) -> "Frame":  # noqa: N802 - Spark's name
        return Frame(self._rows.sort_by([(self._named(name), "ascending") for name in _flat(cols)]), self._site)

    def join(self, other: "Frame", on: str | Sequence[str], how: str = "inner") -> "Frame":
        """By columns that both have; they come once, first."""
        if how not in _JOINS:
            raise ValueError(f"how='{how}' is not offered; use one of {', '.join(_JOINS)}.")
        keys = ", ".join(_double(name) for name in ([on] if isinstance(on, str) else on))
        return self._asked(f"SELECT * FROM rows {_JOINS[how]} JOIN others USING ({keys})", others=other.toArrow())  # noqa: S608 - quoted names and our own paths

    def show(self, n: int = 20) -> None:
        print(self.limit(n).toPandas().to_string(index=False))

    @property
    def write(self) -> "Writer":
        from proving_ground_client.spark import Writer

        return Writer(self)

    def _named(self, name: str) -> str:
        for known in self.columns:
            if known.lower() == name.lower():
                return known
        raise ValueError(f"There is no column '{name}'; there are {', '.join(self.columns)}.")

    def _asked(self, sql: str, **tables: Any) -> "Frame":
        with duckdb.connect(":memory:") as connection:
            for name, rows in {"rows": self._rows, **tables}.items():
                connection.register(name, rows)
            return Frame(connection.sql(sql).to_arrow_table(), self._site)

    def __repr__(self) -> str:
        return f"DataFrame[{', '.join(f'{name}: {kind}' for name, kind in self.dtypes)}]"

    def _repr_html_(self) -> str:
        return str(self.limit(100).toPandas().to_html(index=False))


def arrow_of(df: Any) -> pa.Table:
    """Rows of a pandas frame, an Arrow table, a frame of ours, or whatever has toPandas(). Raises TypeError."""
    if isinstance(df, pa.Table):
        return df
    if isinstance(df, Frame):
        return df.toArrow()
    if hasattr(df, "toPandas"):
        df = df.toPandas()
    if isinstance(df, Mapping):
        return pa.table(dict(df))
    if isinstance(df, pd.DataFrame):
        return pa.Table.from_pandas(df, preserve_index=False).replace_schema_metadata(None)
    raise TypeError(f"A data frame was expected, of pandas or spark, not {type(df).__name__}.")


def _flat(names: Sequence[str | Sequence[str]]) -> list[str]:
    return [inner for each in names for inner in ([each] if isinstance(each, str) else each)]


def _double(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
