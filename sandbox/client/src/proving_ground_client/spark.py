"""The small part of Spark that notebooks use with tables; statements run on the site."""

from typing import Any

import pandas as pd
import pyarrow as pa

from proving_ground_client.frames import Frame, arrow_of
from proving_ground_client.site import Site
from proving_ground_client.tables import overwrite


class SparkSession:
    """`spark`: tables as frames, and any statement of Databricks SQL that the site offers."""

    version = "4.0.0"

    def __init__(self, site: Site | None = None) -> None:
        self._site = site or Site()
        self.read = Reader(self)

    def table(self, tableName: str) -> Frame:  # noqa: N803 - Spark's name
        return Frame(self._site.read(tableName), self._site)

    def sql(self, sqlQuery: str) -> Frame:  # noqa: N803 - Spark's name
        """Run one statement; USE lasts for this process."""
        words = sqlQuery.strip().rstrip(";").split()
        if words and words[0].upper() == "USE":
            return self._use(
                [word for word in words[1:] if word.upper() not in {"CATALOG", "SCHEMA", "DATABASE"}], words[1].upper()
            )
        return Frame(self._site.run(sqlQuery), self._site)

    def createDataFrame(self, data: Any, schema: Any = None) -> Frame:  # noqa: N802 - Spark's name
        """From a pandas frame, or a list of rows (dictionaries, or tuples with the names in `schema`)."""
        if isinstance(data, list):
            names = list(schema) if isinstance(schema, list | tuple) else None
            data = pd.DataFrame(data, columns=names)
        return Frame(arrow_of(data), self._site)

    def range(self, end: int) -> Frame:
        return Frame(pa.table({"id": pa.array(range(end), pa.int64())}), self._site)

    def _use(self, names: list[str], what: str) -> Frame:
        parts = [part.strip("`") for part in names[0].split(".")]
        if what == "CATALOG":
            parts = [parts[0], "default"]
        self._site.use(*([self._site.current()[0], *parts][-2:]))
        return Frame(pa.table({}), self._site)


class Reader:
    """`spark.read`."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session

    def table(self, tableName: str) -> Frame:  # noqa: N803 - Spark's name
        return self._session.table(tableName)


class Writer:
    """`frame.write`."""

    def __init__(self, frame: Frame, mode: str = "error") -> None:
        self._frame, self._mode = frame, mode

    def mode(self, saveMode: str) -> "Writer":  # noqa: N803 - Spark's name
        if saveMode not in {"error", "errorifexists", "overwrite", "append", "ignore"}:
            raise ValueError(f"mode '{saveMode}' is not one of error, overwrite, append, ignore.")
        return Writer(self._frame, saveMode)

    def format(self, source: str) -> "Writer":
        if source.lower() != "delta":
            raise ValueError(f"Tables are written as delta here, not as {source}.")
        return self

    def option(self, key: str, value: Any) -> "Writer":
        """Accepted: an overwrite always takes the new columns."""
        return self

    def saveAsTable(self, name: str) -> None:  # noqa: N802 - Spark's name
        """Raises ValueError when it is there and the mode is error."""
        site = self._frame._site or Site()
        is_there = bool(site.workspace.tables.exists(site.full_name(name)).table_exists)
        if is_there and self._mode in {"error", "errorifexists"}:
            raise ValueError(
                f"[TABLE_OR_VIEW_ALREADY_EXISTS] Table '{site.full_name(name)}' already exists. Use mode('overwrite')."
            )
        if is_there and self._mode == "ignore":
            return
        overwrite(site, name, self._frame.toArrow(), insert=is_there and self._mode == "append")
