"""Statements of the SQL API: run at once, answered in the API's shape, kept for an hour."""

import uuid
import zlib
from collections.abc import Sequence
from typing import Any

import orjson

from sandbox.connections import redis_client
from sandbox.errors import ResourceDoesNotExist
from sandbox.sql.job import ParameterValue
from sandbox.sql.run import DEFAULT_LIMITS, SqlColumn, SqlFailed, SqlLimits, SqlResult, run_select

KEEP_S = 3600
KEEP_PER_WORKSPACE = 10
"""Older results are forgotten sooner, so that one workspace cannot fill the memory of Redis."""


def execute(
    workspace_id: str,
    statement: str,
    *,
    catalog: str,
    schema: str,
    parameters: Sequence[ParameterValue] = (),
    row_limit: int | None = None,
    byte_limit: int | None = None,
) -> dict[str, Any]:
    """The StatementResponse of a SELECT that was just run; one that failed is an answer too (state FAILED)."""
    limits = SqlLimits(
        max_rows=min(row_limit or DEFAULT_LIMITS.max_rows, DEFAULT_LIMITS.max_rows),
        max_bytes=min(byte_limit or DEFAULT_LIMITS.max_bytes, DEFAULT_LIMITS.max_bytes),
    )
    statement_id = str(uuid.uuid4())
    try:
        result = run_select(workspace_id, statement, limits=limits, parameters=parameters, catalog=catalog, schema=schema)
        answer = _succeeded(statement_id, result)
    except SqlFailed as failure:
        error = {"error_code": failure.error_code, "message": failure.message}
        answer = {"statement_id": statement_id, "status": {"state": "FAILED", "error": error}}
    _keep(workspace_id, statement_id, answer)
    return answer


def get(workspace_id: str, statement_id: str) -> dict[str, Any]:
    """The answer of a statement of this workspace. Raises ResourceDoesNotExist, also after an hour."""
    kept = redis_client().get(_key(workspace_id, statement_id))
    if kept is None:
        raise ResourceDoesNotExist(f"The statement {statement_id[:100]} was not found.")
    answer: dict[str, Any] = orjson.loads(zlib.decompress(kept))
    return answer


def get_chunk(workspace_id: str, statement_id: str, chunk_index: int) -> dict[str, Any]:
    """The rows of a statement; every result has one chunk. Raises ResourceDoesNotExist."""
    answer = get(workspace_id, statement_id)
    if chunk_index != 0 or "result" not in answer:
        raise ResourceDoesNotExist(f"The statement {statement_id[:100]} has no chunk {chunk_index}.")
    result: dict[str, Any] = answer["result"]
    return result


def _succeeded(statement_id: str, result: SqlResult) -> dict[str, Any]:
    rows = len(result.rows)
    chunk = {"chunk_index": 0, "row_offset": 0, "row_count": rows}
    columns = [_column_info(position, column) for position, column in enumerate(result.columns)]
    return {
        "statement_id": statement_id,
        "status": {"state": "SUCCEEDED"},
        "manifest": {
            "format": "JSON_ARRAY",
            "schema": {"column_count": len(columns), "columns": columns},
            "total_chunk_count": 1,
            "chunks": [chunk],
            "total_row_count": rows,
            "truncated": result.truncated,
        },
        "result": {**chunk, "data_array": result.rows},
    }


def _column_info(position: int, column: SqlColumn) -> dict[str, Any]:
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


def _keep(workspace_id: str, statement_id: str, answer: dict[str, Any]) -> None:
    redis = redis_client()
    recent = f"sql:recent:{workspace_id}"
    pipeline = redis.pipeline()
    pipeline.set(_key(workspace_id, statement_id), zlib.compress(orjson.dumps(answer), 1), ex=KEEP_S)
    pipeline.lpush(recent, statement_id)
    pipeline.expire(recent, KEEP_S)
    pipeline.lrange(recent, KEEP_PER_WORKSPACE, -1)
    pipeline.ltrim(recent, 0, KEEP_PER_WORKSPACE - 1)
    forgotten = pipeline.execute()[3]
    if forgotten:
        redis.delete(*(_key(workspace_id, old.decode()) for old in forgotten))


def _key(workspace_id: str, statement_id: str) -> str:
    return f"sql:statement:{workspace_id}:{statement_id}"
