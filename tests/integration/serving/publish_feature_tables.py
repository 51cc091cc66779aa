"""Runs in the site's own shell: feature tables from Parquet files and their online copies, and the plans of specs."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sandbox.catalog import table_rows, tables
from sandbox.catalog.column_types import Column
from sandbox.features import online_tables, sync
from sandbox.features.models import OnlineTable, Sync
from sandbox.models import User
from sandbox.registry import store
from sandbox.serving import lookup_plans
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import open_workspace
from tests.stack import wait_for

CHANGE_FEED = {"delta.enableChangeDataFeed": "true"}


def publish(folder: str) -> None:
    """Make what `tables.json` lists: [{name, columns, keys, timeseries, parts}]; the parts are files.

    Those without times are copied after the first part already, so the others come over as changes.
    """
    ada = _learner()
    for each in json.loads((Path(folder) / "tables.json").read_text()):
        first, *others = [pq.read_table(Path(folder) / part) for part in each["parts"]]
        columns = [Column(name, kind) for name, kind in each["columns"].items()]
        keys = {"primary_key": [*each["keys"], *each["timeseries"]], "timeseries": each["timeseries"]}
        tables.create_table(ada, each["name"], columns, rows=first, properties=CHANGE_FEED, **keys)
        online = f"{each['name']}_online"
        if not each["timeseries"]:
            _wait_for_sync(online_tables.create_online_table(ada, online, each["name"], mode=OnlineTable.Mode.TRIGGERED), "FULL")
        for part in others:
            table_rows.append(ada, each["name"], part)
        if each["timeseries"]:
            _wait_for_sync(online_tables.create_online_table(ada, online, each["name"], mode=OnlineTable.Mode.SNAPSHOT), "FULL")
        else:
            _wait_for_sync(online_tables.sync_now(ada, online).table, "INCREMENTAL")


def _wait_for_sync(table: OnlineTable, kind: str) -> None:
    """This process or the site's own carries it out, whoever is first."""
    newest = table.syncs.latest("created_at")
    wait_for(lambda: sync.run(newest.pk), 90, f"{table} was not filled")
    newest.refresh_from_db()
    assert (newest.state, newest.kind) == (Sync.State.COMPLETED, kind), newest.message


def plans(folder: str) -> None:
    """Register each `spec*/` as a model of its name and print, as one line of JSON, what replicas would look up for each."""
    ada = _learner()
    found: dict[str, Any] = {}
    for each in sorted(Path(folder).glob("spec*")):
        name = f"main.default.{each.name}"
        plan = lookup_plans.find(ada.workspace, name, store.register_directory(ada.workspace.id, name, each))
        assert plan is not None
        found[each.name] = plan.to_dict()
    print("PLANS", json.dumps(found))


def _learner() -> Caller:
    user = User.objects.get(username="learner")
    return Caller(open_workspace(user), user)
