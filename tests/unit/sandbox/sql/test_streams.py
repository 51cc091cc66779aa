"""What a jailed process sends to be written is checked before anything reads it."""

import struct

import pyarrow as pa
import pytest

from sandbox.sql.limits import SqlFailed
from sandbox.sql.run import _table_of


def test_a_stream_that_points_outside_of_itself_is_refused() -> None:
    rows = pa.table({"a": ["aaaa", "bbbb"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    stream, offsets = sink.getvalue().to_pybytes(), struct.pack("<iii", 0, 4, 8)
    assert stream.count(offsets) == 1
    assert _table_of(stream).equals(rows)
    for hostile in (stream.replace(offsets, struct.pack("<iii", 0, 0x7FFFFF00, 0x7FFFFF04)), b"", b"\xff" * 64):
        with pytest.raises(SqlFailed, match="could not be read"):
            _table_of(hostile)
