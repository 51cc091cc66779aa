"""Table names and the folders that they lead to."""

from pathlib import Path

import pytest

from sandbox.inference_tables.names import TableName


def test_it_works() -> None:
    name = TableName.parse("main.default.databricks-bge-large-en_payload")
    assert str(name) == "main.default.databricks-bge-large-en_payload"
    assert name.folder(Path("/d"), "ab12") == Path("/d/ab12/main/default/databricks-bge-large-en_payload")


@pytest.mark.parametrize("bad", ["", "a.b", "a.b.c.d", "a..c", "a.b.c/d", "../x.y.z", "a.b.\x00", "a.b.c\n", "a.b." + "x" * 201])
def test_it_refuses_what_is_no_name(bad: str) -> None:
    with pytest.raises(ValueError, match="is not a table name"):
        TableName.parse(bad)


@pytest.mark.parametrize("bad", ["", "..", "a/b", "/etc", "A B", "-x"])
def test_no_workspace_id_leads_out_of_the_root(bad: str) -> None:
    with pytest.raises(ValueError, match="not a workspace id"):
        TableName.parse("a.b.c").folder(Path("/d"), bad)
