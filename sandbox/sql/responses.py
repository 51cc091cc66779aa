"""Results in the shape of the Statement Execution API: columns, and rows in chunks."""

from typing import Any

from sandbox.sql.limits import SqlColumn

ROWS_PER_CHUNK = 2_000


def manifest(columns: list[Any], rows: int, *, truncated: bool) -> dict[str, Any]:
    """ResultManifest of a result with so many rows."""
    count = chunk_count(rows)
    return {
        "format": "JSON_ARRAY",
        "schema": {"column_count": len(columns), "columns": columns},
        "total_chunk_count": count,
        "chunks": [_chunk_info(index, rows) for index in range(count)],
        "total_row_count": rows,
        "truncated": truncated,
    }


def chunk_count(rows: int) -> int:
    """A result without rows has one chunk too."""
    return max(1, -(-rows // ROWS_PER_CHUNK))


def linked_manifest(columns: list[Any], chunk_rows: list[int], chunk_bytes: list[int], *, truncated: bool) -> dict[str, Any]:
    """ResultManifest of a result in Arrow."""
    chunks = [_linked_info(index, chunk_rows, chunk_bytes) for index in range(len(chunk_rows))]
    return {
        "format": "ARROW_STREAM",
        "schema": {"column_count": len(columns), "columns": columns},
        "total_chunk_count": len(chunks),
        "chunks": chunks,
        "total_row_count": sum(chunk_rows),
        "total_byte_count": sum(chunk_bytes),
        "truncated": truncated,
    }


def linked_chunk(
    statement_id: str, chunk_rows: list[int], chunk_bytes: list[int], index: int, link: dict[str, Any]
) -> dict[str, Any]:
    """ResultData with the link to one chunk."""
    info: dict[str, Any] = _linked_info(index, chunk_rows, chunk_bytes) | link
    if index + 1 < len(chunk_rows):
        info["next_chunk_index"] = index + 1
        info["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{index + 1}"
    return {"external_links": [info]}


def _linked_info(index: int, chunk_rows: list[int], chunk_bytes: list[int]) -> dict[str, Any]:
    return {
        "chunk_index": index,
        "row_offset": sum(chunk_rows[:index]),
        "row_count": chunk_rows[index],
        "byte_count": chunk_bytes[index],
    }


def _chunk_info(index: int, rows: int) -> dict[str, int]:
    offset = index * ROWS_PER_CHUNK
    return {"chunk_index": index, "row_offset": offset, "row_count": min(ROWS_PER_CHUNK, rows - offset)}


def chunk(statement_id: str, rows: list[Any], index: int) -> dict[str, Any]:
    """ResultData of one chunk, with a link to the next one."""
    info: dict[str, Any] = _chunk_info(index, len(rows))
    first = info["row_offset"]
    info["data_array"] = rows[first : first + ROWS_PER_CHUNK]
    if first + ROWS_PER_CHUNK < len(rows):
        info["next_chunk_index"] = index + 1
        info["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{statement_id}/result/chunks/{index + 1}"
    return info


def column_info(position: int, column: SqlColumn) -> dict[str, Any]:
    """ColumnInfo."""
    info: dict[str, Any] = {
        "name": column.name,
        "position": position,
        "type_name": column.type_name,
        "type_text": column.type_text,
    }
    if column.type_name == "DECIMAL":
        precision, scale = column.type_text.removeprefix("DECIMAL(").removesuffix(")").split(",")
        info |= {"type_precision": int(precision), "type_scale": int(scale)}
    return info
