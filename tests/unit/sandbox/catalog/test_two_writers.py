"""Writers in several processes, and writers that are killed: no row is lost, none is there twice, no table is half there."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from sandbox.catalog import delta, delta_row_changes
from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import RowChanges
from sandbox.catalog.delta_log import Commit
from sandbox.errors import ResourceConflict

ROOT = Path(__file__).resolve().parents[4]
COLUMNS = [Column("writer", "string"), Column("n", "bigint")]
WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from sandbox.catalog import delta, delta_files, delta_row_changes
from sandbox.catalog.delta import RowChanges
from sandbox.catalog.delta_log import Commit
from sandbox.errors import ResourceConflict
folder, name, work = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[4])):
    if work == "append":
        delta.append(folder, pa.table({"writer": [name], "n": [n]}), Commit("WRITE", name))
    while work == "count":
        before = delta.read(folder)
        [file] = before.files
        value = delta_files.read(folder, file, before.schema)["n"][0].as_py()
        try:
            after = pa.table({"writer": [name], "n": [value + 1]})
            delta_row_changes.change_rows(before, RowChanges(updated={file.name: [0]}, after=after), Commit("UPDATE", name))
            break
        except ResourceConflict:
            pass
    print(n, flush=True)
"""


def start(folder: Path, name: str, work: str, times: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, work, str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


def begin(writer: subprocess.Popen[str]) -> None:
    assert writer.stdin is not None
    writer.stdin.write("go\n")
    writer.stdin.flush()


def next_line(writer: subprocess.Popen[str]) -> str:
    assert writer.stdout is not None
    return writer.stdout.readline().strip()


def test_two_processes_append_and_update_without_losing_anything(tmp_path: Path) -> None:
    appended, counted = tmp_path / "appended", tmp_path / "counted"
    delta.create(appended, COLUMNS, {}, Commit("CREATE TABLE", "ada"))
    delta.create(counted, COLUMNS, {}, Commit("CREATE TABLE", "ada"), pa.table({"writer": ["ada"], "n": [0]}))
    writers = [start(appended, name, "append", 15) for name in ("a", "b")] + [
        start(counted, name, "count", 10) for name in ("c", "d")
    ]
    assert [next_line(writer) for writer in writers] == ["ready"] * 4
    for writer in writers:
        begin(writer)
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    rows = DeltaTable(str(appended)).to_pyarrow_table().to_pylist()
    assert sorted((row["writer"], row["n"]) for row in rows) == [(name, n) for name in "ab" for n in range(15)]
    assert delta.read(appended).version == 30
    assert DeltaTable(str(counted)).to_pyarrow_table()["n"].to_pylist() == [20]


def test_killed_writers_leave_whole_versions_only(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    delta.create(folder, COLUMNS, {}, Commit("CREATE TABLE", "ada"))
    acknowledged: list[tuple[str, int]] = []
    for turn in range(2):
        writer = start(folder, f"w{turn}", "append", 10_000)
        assert next_line(writer) == "ready"
        begin(writer)
        seen = [int(next_line(writer)) for _ in range(5)]
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate(timeout=120)
        seen += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += [(f"w{turn}", n) for n in seen]
    found = delta.read(folder)
    rows = [(row["writer"], row["n"]) for row in DeltaTable(str(folder)).to_pyarrow_table().to_pylist()]
    assert set(acknowledged) <= set(rows)
    assert len(rows) == len(set(rows)) == found.version <= len(acknowledged) + 2  # one commit each may not have been reported
    assert delta.append(folder, pa.table({"n": [1]}), Commit("WRITE", "ada")).version == found.version + 1


def test_a_conflict_leaves_no_files(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    before = delta.create(folder, COLUMNS, {}, Commit("CREATE TABLE", "ada"), pa.table({"n": [1]}))
    delta.append(folder, pa.table({"n": [2]}), Commit("WRITE", "ada"))
    there = set(folder.rglob("*"))
    with pytest.raises(ResourceConflict):
        delta_row_changes.change_rows(before, RowChanges(inserted=pa.table({"n": [3]})), Commit("MERGE", "ada"))
    with pytest.raises(ResourceConflict):
        delta.overwrite(before, Commit("WRITE", "ada"), pa.table({"n": [3]}))
    assert set(folder.rglob("*")) == there
