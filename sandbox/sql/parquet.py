"""Arrow tables as Parquet files in memory."""

import io
from typing import Any

import pyarrow.parquet as pq


def parquet_bytes(table: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()
