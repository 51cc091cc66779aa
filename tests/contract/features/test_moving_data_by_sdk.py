"""Large results by signed links and Parquet files of volumes, as the feature client and notebooks move data."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from databricks.sdk.service.sql import Disposition, Format, StatementState

from sandbox.catalog import tables, volumes
from sandbox.catalog.column_types import Column
from sandbox.catalog.models import Securable
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace

TABLE = "main.default.numbers"


@pytest.fixture
def numbers(w: Any) -> pa.Table:
    user = User.objects.get(username="ada")
    rows = pa.table({"id": pa.array(range(30_000), pa.int64()), "half": pa.array([n / 2 for n in range(30_000)])})
    caller = Caller(open_workspace(user), user)
    tables.create_table(caller, TABLE, [Column("id", "bigint"), Column("half", "double")], rows=rows)
    return rows


def run(w: Any, statement: str, **more: Any) -> Any:
    return w.statement_execution.execute_statement(statement=statement, warehouse_id="sandbox", wait_timeout="30s", **more)


def linked(w: Any, statement: str, **more: Any) -> Any:
    return run(w, statement, disposition=Disposition.EXTERNAL_LINKS, format=Format.ARROW_STREAM, **more)


def parts(w: Any, answer: Any) -> list[pa.Table]:
    found = []
    for number in range(answer.manifest.total_chunk_count):
        link = w.statement_execution.get_statement_result_chunk_n(answer.statement_id, number).external_links[0]
        found.append(pa.ipc.open_stream(requests.get(link.external_link, timeout=30).content).read_all())
        assert (link.row_count, link.chunk_index) == (found[-1].num_rows, number)
    return found


def test_results_beyond_the_inline_limit_come_as_arrow(w: Any, numbers: pa.Table) -> None:
    answer = linked(w, f"SELECT * FROM {TABLE} ORDER BY id")
    assert answer.status.state == StatementState.SUCCEEDED
    assert (answer.manifest.format, answer.manifest.total_row_count, answer.manifest.truncated) == (
        Format.ARROW_STREAM,
        30_000,
        False,
    )
    assert pa.concat_tables(parts(w, answer)).to_pydict() == numbers.to_pydict()
    wide = linked(w, f"SELECT a.id, repeat('x', 900) AS text FROM {TABLE} a ORDER BY a.id")
    assert [part.num_rows for part in parts(w, wide)] == [30_000]
    assert wide.manifest.total_byte_count > 27_000_000
    cut = linked(w, f"SELECT id FROM {TABLE} ORDER BY id", row_limit=3)
    assert (parts(w, cut)[0]["id"].to_pylist(), cut.manifest.truncated) == ([0, 1, 2], True)
    empty = linked(w, f"SELECT id FROM {TABLE} WHERE id < 0")
    assert (parts(w, empty)[0].schema.names, empty.manifest.total_row_count) == (["id"], 0)


def test_a_link_is_for_its_part_only_and_its_statement_for_its_person(
    w: Any, numbers: pa.Table, client_of: Callable[..., Any]
) -> None:
    from databricks.sdk.errors import NotFound

    answer = linked(w, f"SELECT id FROM {TABLE} LIMIT 1")
    address = answer.result.external_links[0].external_link
    assert requests.get(address, timeout=30).status_code == 200
    assert requests.get(address[:-3] + "abc", timeout=30).status_code == 404
    with pytest.raises(NotFound):
        client_of("eve").statement_execution.get_statement_result_chunk_n(answer.statement_id, 0)


def test_sql_reads_parquet_files_of_a_volume(w: Any, numbers: pa.Table, client_of: Callable[..., Any]) -> None:
    from databricks.sdk.service.catalog import VolumeType

    w.volumes.create("main", "default", "landing", VolumeType.MANAGED)
    folder = "/Volumes/main/default/landing/new"
    place = volumes.folder_of(Securable.objects.get(full_name="main.default.landing")) / "new"
    place.mkdir(parents=True)
    for number in range(2):
        pq.write_table(pa.table({"id": [number, 40_000 + number], "half": [0.25, 1.5]}), place / f"{number}.parquet")
    (place / "notes.txt").write_text("no parquet")
    (place / "link.parquet").symlink_to(place / "0.parquet")
    one = run(w, f"SELECT half, id FROM parquet.`{folder}/1.parquet` ORDER BY id")
    assert one.status.error is None, one.status.error
    assert one.result.data_array == [["0.25", "1"], ["1.5", "40001"]]
    whens = "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    merge = f"MERGE INTO {TABLE} t USING parquet.`{folder}` s ON t.id = s.id {whens}"
    assert run(w, merge).result.data_array == [["4", "2", "0", "2"]]
    assert run(w, f"SELECT count(*), sum(half) FILTER (WHERE id < 2) FROM {TABLE}").result.data_array == [["30002", "0.5"]]
    assert run(w, f"INSERT INTO {TABLE} SELECT * FROM parquet.`{folder}`").result.data_array == [["4", "4"]]
    refused = {
        f"parquet.`{folder}/link.parquet`": "PATH_NOT_FOUND",
        f"parquet.`{folder}/none.parquet`": "PATH_NOT_FOUND",
        f"parquet.`{folder}/notes.txt`": "arquet",
        "parquet.`/etc/passwd`": "/etc/passwd",
        f"parquet.`{folder}/../../../x`": "",
        f"csv.`{folder}/notes.txt`": "holds a period",
        "parquet.`/Models/main/default/m/1`": "volumes only",
    }
    for source, sentence in refused.items():
        status = run(w, f"SELECT * FROM {source}").status
        assert (source, status.state) == (source, StatementState.FAILED)
        assert sentence in status.error.message, (source, status.error.message)
    status = run(client_of("eve"), f"SELECT * FROM parquet.`{folder}`").status
    assert status.state == StatementState.FAILED
