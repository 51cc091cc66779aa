"""Tables of the catalog: created, changed and read back through delta-rs, by whoever may."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from django.db import transaction
from django.utils import timezone

from sandbox.catalog import changes, containers, folders, grants, table_rows, table_schema, tables, volumes
from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import RowChanges
from sandbox.catalog.models import Securable, TableDetail
from sandbox.errors import (
    InvalidParameterValue,
    InvalidState,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User

NAME = "main.default.customers"
COLUMNS = [Column("id", "BIGINT"), Column("city", "string"), Column("at", "TIMESTAMP")]
ROWS = pa.table({"id": [1, 2, 3], "city": ["Ulm", "Bonn", None]})


@pytest.fixture
def table(ada: Caller) -> Securable:
    made = tables.create_table(
        ada, NAME, COLUMNS, primary_key=["ID"], properties={"delta.enableChangeDataFeed": "true"}, comment="Who buys"
    )
    table_rows.append(ada, NAME, ROWS)
    return made


def values(caller: Caller, name: str = NAME, **at: Any) -> list[tuple[Any, ...]]:
    """Rows as delta-rs reads them, sorted."""
    found = table_rows.snapshot(caller, name, **at)
    rows = DeltaTable(str(found.folder), version=found.version).to_pyarrow_table().to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=str)


def test_a_table_is_there_with_rows_key_and_properties(ada: Caller, table: Securable) -> None:
    got = tables.get_table(ada, "MAIN.`default`.Customers")
    assert (got, got.comment, got.owner) == (table, "Who buys", "ada@example.org")
    assert [(each["name"], each["type_name"], each["nullable"]) for each in got.table.columns] == [
        ("id", "LONG", False),
        ("city", "STRING", True),
        ("at", "TIMESTAMP", True),
    ]
    assert (got.table.primary_key, got.table.primary_key_name) == (["id"], "customers_pk")
    assert got.properties == {"delta.enableChangeDataFeed": "true"}
    assert values(ada) == [(1, "Ulm", None), (2, "Bonn", None), (3, None, None)]


def test_update_delete_and_insert_are_one_version_and_fill_the_change_feed(ada: Caller, table: Securable) -> None:
    before = table_rows.snapshot(ada, NAME)
    name = before.files[0].name
    changes = RowChanges(
        deleted={name: [2]},
        updated={name: [1]},
        after=pa.table({"id": [2], "city": ["Köln"]}),
        inserted=pa.table({"id": [4], "city": ["Kiel"]}),
    )
    after = table_rows.change_rows(ada, NAME, before, changes, "MERGE", "t.id = s.id")
    assert after == table_rows.snapshot(ada, NAME)
    assert (after.version, after.rows) == (before.version + 1, 3)
    assert values(ada) == [(1, "Ulm", None), (2, "Köln", None), (4, "Kiel", None)]
    assert values(ada, version=before.version) == [(1, "Ulm", None), (2, "Bonn", None), (3, None, None)]
    feed = table_rows.changes(ada, NAME, after.version).select(["id", "city", "_change_type"]).to_pylist()
    assert sorted(tuple(row.values()) for row in feed if row["city"]) == [
        (2, "Bonn", "update_preimage"),
        (2, "Köln", "update_postimage"),
        (4, "Kiel", "insert"),
    ]
    assert [row["id"] for row in feed if row["_change_type"] == "delete"] == [3]
    newest = table_rows.history(ada, NAME)[0]
    assert (newest.operation, newest.user_name, newest.operation_parameters) == (
        "MERGE",
        "ada@example.org",
        {"predicate": "t.id = s.id"},
    )
    assert newest.operation_metrics["numTargetRowsInserted"] == "1"


def test_a_change_of_an_older_version_is_refused_and_writes_nothing(ada: Caller, table: Securable) -> None:
    before = table_rows.snapshot(ada, NAME)
    table_rows.append(ada, NAME, pa.table({"id": [9]}))
    files = sorted(before.folder.rglob("*.parquet"))
    with pytest.raises(ResourceConflict, match="another writer has changed the table meanwhile"):
        table_rows.change_rows(ada, NAME, before, RowChanges(deleted={before.files[0].name: [0]}), "DELETE")
    with pytest.raises(ResourceConflict):
        table_rows.replace(ada, NAME, ROWS, expected_version=before.version)
    assert [file for file in sorted(before.folder.rglob("*.parquet")) if file.name.startswith("part")] == [
        file for file in files if file.name.startswith("part")
    ]
    assert len(values(ada)) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"id": [1], "town": ["x"]}, "no such column: town"),
        ({"city": ["x"]}, "NOT NULL constraint violated for column: id"),
        ({"id": ["one"]}, "does not fit the column id"),
        ({"id": [1], "ID": [2]}, "one name twice"),
    ],
)
def test_rows_that_do_not_fit_are_refused_whole(ada: Caller, table: Securable, rows: dict[str, Any], words: str) -> None:
    version = table_rows.snapshot(ada, NAME).version
    with pytest.raises(InvalidParameterValue, match=words):
        table_rows.append(ada, NAME, pa.table(rows))
    assert table_rows.snapshot(ada, NAME).version == version
    assert len(list(tables.folder_of(table).glob("*.parquet"))) == 1


def test_alter_table(ada: Caller, table: Securable) -> None:
    table_schema.add_columns(ada, NAME, [Column("age", "int", comment="Years")])
    table_schema.rename_column(ada, NAME, "ID", "customer_id")
    table_schema.drop_columns(ada, NAME, ["at"])
    table_schema.set_properties(ada, NAME, {"owner_team": "ml"})
    table_schema.unset_properties(ada, NAME, ["delta.enableChangeDataFeed"])
    table_schema.change_column(ada, NAME, "city", comment="Where")
    got = tables.get_table(ada, NAME)
    assert [(each["name"], each["comment"]) for each in got.table.columns] == [
        ("customer_id", ""),
        ("city", "Where"),
        ("age", "Years"),
    ]
    assert (got.table.primary_key, got.properties) == (["customer_id"], {"owner_team": "ml"})
    assert values(ada) == [(1, "Ulm", None), (2, "Bonn", None), (3, None, None)]
    assert [entry.operation for entry in table_rows.history(ada, NAME)] == [
        "CHANGE COLUMN",
        "UNSET TBLPROPERTIES",
        "SET TBLPROPERTIES",
        "DROP COLUMNS",
        "RENAME COLUMN",
        "ADD COLUMNS",
        "WRITE",
        "CREATE TABLE",
    ]
    with pytest.raises(InvalidParameterValue, match="has null values"):
        table_schema.change_column(ada, NAME, "city", nullable=False)
    with pytest.raises(InvalidParameterValue, match="belongs to the primary key"):
        table_schema.change_column(ada, NAME, "customer_id", nullable=True)
    with pytest.raises(InvalidParameterValue, match="cannot be dropped"):
        table_schema.drop_columns(ada, NAME, ["customer_id"])
    with pytest.raises(InvalidParameterValue, match=r"Unknown configuration was specified: delta\.magic"):
        table_schema.set_properties(ada, NAME, {"delta.magic": "1"})


def test_time_travel_and_restore(ada: Caller, table: Securable) -> None:
    then = table_rows.history(ada, NAME)[0].timestamp
    table_rows.replace(ada, NAME, pa.table({"id": [7]}))
    assert values(ada) == [(7, None, None)]
    assert len(values(ada, timestamp=then)) == 3
    with pytest.raises(InvalidParameterValue, match="before the earliest version"):
        table_rows.snapshot(ada, NAME, timestamp=then - dt.timedelta(days=1))
    with pytest.raises(InvalidParameterValue, match=r"Available versions: \[0, 2\]"):
        table_rows.snapshot(ada, NAME, version=3)
    restored = table_rows.restore(ada, NAME, version=1)
    assert (restored.version, restored.rows) == (3, 3)
    assert len(values(ada)) == 3
    assert table_rows.truncate(ada, NAME).rows == 0


def test_append_only_tables_take_nothing_away(ada: Caller) -> None:
    tables.create_table(ada, NAME, COLUMNS, rows=ROWS, properties={"delta.appendOnly": "true"})
    table_rows.append(ada, NAME, ROWS)
    with pytest.raises(InvalidParameterValue, match="only allow appends"):
        table_rows.replace(ada, NAME, ROWS)
    assert len(values(ada)) == 6


def test_replacing_keeps_history_and_grants(ada: Caller, bob: Caller, table: Securable) -> None:
    grants.change(ada, table, {"bob@example.org": ["SELECT"]}, {})
    with pytest.raises(ResourceAlreadyExists, match="already exists"):
        tables.create_table(ada, NAME, COLUMNS)
    assert tables.create_table(ada, NAME, COLUMNS, if_not_exists=True) == table
    new = tables.create_table(ada, NAME, [Column("n", "double")], rows=pa.table({"n": [0.5]}), or_replace=True)
    assert (new.pk, new.table.primary_key, new.properties) == (table.pk, [], {})
    assert values(bob) == [(0.5,)]
    assert table_rows.history(bob, NAME)[0].operation == "CREATE OR REPLACE TABLE AS SELECT"


def test_keys_and_time_series(ada: Caller, table: Securable) -> None:
    with pytest.raises(ResourceAlreadyExists):
        table_schema.add_primary_key(ada, NAME, ["city"])
    table_schema.drop_constraint(ada, NAME)
    with pytest.raises(ResourceDoesNotExist):
        table_schema.drop_constraint(ada, NAME, "customers_pk")
    with pytest.raises(InvalidParameterValue, match=r"child column\(s\) `at` is nullable"):
        table_schema.add_primary_key(ada, NAME, ["id", "at"])
    with pytest.raises(InvalidParameterValue, match="TIMESERIES"):
        tables.create_table(ada, "main.default.t", COLUMNS, primary_key=["id"], timeseries=["at"])
    made = tables.create_table(ada, "main.default.t", COLUMNS, primary_key=["id", "at"], timeseries=["at"], primary_key_name="k")
    assert (made.table.primary_key_name, made.table.timeseries_columns) == ("k", ["at"])


def test_renamed_and_dropped(ada: Caller, table: Securable, django_capture_on_commit_callbacks: Any) -> None:
    containers.create_schema(ada, "main.marts")
    tables.rename_table(ada, NAME, "main.marts.People")
    assert len(values(ada, "main.marts.people")) == 3
    folder = tables.folder_of(tables.get_table(ada, "main.marts.people"))
    with pytest.raises(InvalidState, match=r"not empty. The schema has 1 table\(s\)"):
        containers.drop_schema(ada, "main.marts")
    with django_capture_on_commit_callbacks(execute=True):
        tables.drop_table(ada, "main.marts.people")
    assert not folder.exists()
    tables.drop_table(ada, "main.marts.people", if_exists=True)
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        tables.drop_table(ada, "main.marts.people")


def test_a_drop_that_fails_halfway_loses_no_file(ada: Caller, table: Securable, django_capture_on_commit_callbacks: Any) -> None:
    volume = volumes.create_volume(ada, "main.default.data")
    folders = [volumes.folder_of(volume), tables.folder_of(table)]
    folders[0].mkdir(parents=True)
    drops = (lambda: containers.drop_schema(ada, "main.default", force=True), lambda: tables.drop_table(ada, NAME))
    for drop in (*drops, lambda: volumes.drop_volume(ada, "main.default.data")):
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            drop()
            transaction.set_rollback(True)
        assert [folder.is_dir() for folder in folders] == [True, True]
    assert len(values(ada)) == 3
    with django_capture_on_commit_callbacks(execute=True):
        containers.drop_schema(ada, "main.default", force=True)
    assert [folder.exists() for folder in folders] == [False, False]


def test_who_may_do_what(ada: Caller, bob: Caller, eve: Caller, table: Securable) -> None:
    assert tables.get_table(bob, NAME) == table  # everybody may browse the first catalog
    with pytest.raises(PermissionDenied, match=r"SELECT on Table .main\.default\.customers."):
        table_rows.snapshot(bob, NAME)
    grants.change(ada, table, {"users": ["SELECT"]}, {})
    assert table_rows.snapshot(bob, NAME).rows == 3
    for forbidden in (
        lambda: table_rows.append(bob, NAME, ROWS),
        lambda: table_schema.set_properties(bob, NAME, {"a": "b"}),
        lambda: tables.drop_table(bob, NAME),
        lambda: tables.rename_table(bob, NAME, "main.default.other"),
        lambda: tables.create_table(bob, NAME, COLUMNS, or_replace=True),
        lambda: grants.change(bob, table, {"bob@example.org": ["MODIFY"]}, {}),
        lambda: containers.create_schema(bob, "main.new"),
        lambda: containers.create_catalog(bob, "new"),
    ):
        with pytest.raises(PermissionDenied):
            forbidden()
    grants.change(ada, table, {"bob@example.org": ["MODIFY"]}, {"users": ["SELECT"]})
    assert table_rows.append(bob, NAME, ROWS).rows == 6
    with pytest.raises(ResourceDoesNotExist):
        tables.get_table(eve, NAME)
    with pytest.raises(ResourceDoesNotExist):
        table_rows.append(eve, NAME, ROWS)


def test_grants_end_with_the_person_and_the_group(ada: Caller, bob: Caller, table: Securable) -> None:
    group = members.create_group(ada.workspace, "analysts", [bob.user])
    grants.change(ada, table, {"bob@example.org": ["SELECT"], "analysts": ["MODIFY"], "users": ["SELECT"]}, {})
    changes.change(ada, table, owner="analysts")
    members.delete_group(group)
    members.create_group(ada.workspace, "analysts", [bob.user])
    assert grants.grants_on(ada, table) == {"bob@example.org": ["SELECT"], "users": ["SELECT"]}
    assert tables.get_table(ada, NAME).owner == "ada@example.org"
    members.remove_member(ada.workspace, bob.user)
    assert grants.grants_on(ada, table) == {"users": ["SELECT"]}


def test_who_shares_an_address_shares_no_table(ada: Caller, bob: Caller) -> None:
    schema = containers.get_schema(ada, "main.default")
    grants.change(ada, schema, {"bob@example.org": ["USE_SCHEMA", "CREATE_TABLE"]}, {})
    tables.create_table(bob, "main.default.bobs", COLUMNS, rows=ROWS)
    user = User.objects.create_user("robert", email="bob@example.org")
    members.add_member(ada.workspace, "robert")
    robert = Caller(ada.workspace, user)
    assert (bob.name, robert.name) == ("bob", "robert")
    assert tables.get_table(ada, "main.default.bobs").owner == "bob"
    with pytest.raises(PermissionDenied):
        table_rows.append(robert, "main.default.bobs", ROWS)
    with pytest.raises(PermissionDenied):
        tables.drop_table(robert, "main.default.bobs")
    assert table_rows.append(bob, "main.default.bobs", ROWS).rows == 6
    assert set(grants.grants_on(ada, schema)) == {"bob", "users"}
    assert tables.create_table(robert, "main.default.roberts", COLUMNS).owner == "robert"

    members.remove_member(ada.workspace, bob.user)  # now the address is Robert's alone
    assert robert.name == "bob@example.org"
    with pytest.raises(PermissionDenied):
        tables.drop_table(robert, "main.default.bobs")
    tables.drop_table(robert, "main.default.roberts")


def test_a_user_name_that_is_a_groups_owns_nothing(ada: Caller, table: Securable) -> None:
    changes.change(ada, table, owner="admins")
    user = User.objects.create_user("admins")
    members.add_member(ada.workspace, "admins")
    with pytest.raises(PermissionDenied):
        tables.drop_table(Caller(ada.workspace, user), NAME)
    with pytest.raises(ResourceAlreadyExists, match="choose another name"):
        members.create_group(ada.workspace, "ada@example.org")


def test_manage_does_not_read(ada: Caller, bob: Caller, table: Securable) -> None:
    grants.change(ada, table, {"bob@example.org": ["MANAGE"]}, {})
    with pytest.raises(PermissionDenied):
        table_rows.snapshot(bob, NAME)
    grants.change(bob, table, {"bob@example.org": ["SELECT"]}, {})
    assert table_rows.snapshot(bob, NAME).rows == 3


def test_a_killed_create_leaves_no_table_and_a_second_try_works(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(tables, "_enter", die)
        patch.setattr(tables.shutil, "rmtree", lambda *_, **__: None)  # a killed process tidies nothing
        with pytest.raises(Killed):
            tables.create_table(ada, NAME, COLUMNS, rows=ROWS)
    assert len(list(folders.tables_folder(ada.workspace).glob("__tables/*/_delta_log"))) == 1
    assert list(tables.list_tables(ada, "main.default")) == []
    tables.create_table(ada, NAME, COLUMNS, rows=ROWS)
    assert len(values(ada)) == 3
    assert folders.remove_left_over(timezone.now()) == 0
    assert folders.remove_left_over(timezone.now() + dt.timedelta(hours=3)) == 1
    assert len(values(ada)) == 3


def test_the_copy_in_the_database_is_healed(ada: Caller, table: Securable) -> None:
    table_schema.add_columns(ada, NAME, [Column("age", "int")])
    TableDetail.objects.filter(pk=table.pk).update(columns=table.table.columns)
    table_rows.snapshot(ada, NAME)
    assert [each["name"] for each in tables.get_table(ada, NAME).table.columns] == ["id", "city", "at", "age"]
