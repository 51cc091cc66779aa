"""Feature tables with online copies, a feature spec, and an endpoint that looks features up: all but the replicas is real."""

import datetime as dt
import json
import math
from typing import Any

import pyarrow as pa

from sandbox.catalog import functions, lineage, table_rows, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.lineage import Kind, Node
from sandbox.features import online_stores, online_tables, sync
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.plan import FunctionCall, LookupPlan, TableLookup
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace
from tests.browser.endpoint_rows import custom, make_endpoint

CUSTOMERS, PRICES, SPEC, AVERAGE = ("main.default." + name for name in ("customers", "prices", "churn_spec", "average"))
CUSTOMERS_ONLINE, PRICES_ONLINE, STORE = "main.default.customers_online", "main.default.prices_online", "shop-store"
ENDPOINT, ENTITY = "churn-by-key", "churn_by_key-1"
CHANGE_FEED = {"delta.enableChangeDataFeed": "true"}
SPEC_JSON: dict[str, Any] = {
    "format_version": 1,
    "columns": [
        {"name": "customer", "source": "data", "type": "bigint"},
        {"name": "visits", "source": "data", "type": "int"},
        {"name": "tenure", "source": "lookup", "type": "int"},
        {"name": "spend", "source": "lookup", "type": "double"},
        {"name": "average", "source": "function", "type": "double"},
    ],
    "lookups": [
        {
            "table": CUSTOMERS,
            "keys": {"id": "customer"},
            "features": {"tenure": "tenure", "total": "spend"},
            "defaults": {"tenure": 1},
        }
    ],
    "functions": [{"name": AVERAGE, "bindings": {"total": "spend", "months": "tenure"}, "output": "average"}],
    "exclude_columns": ["customer"],
}


def make_features(user: User) -> Caller:
    """Two feature tables, one of them a time series; both published and synced; a function, a spec, an endpoint."""
    owner = Caller(open_workspace(user), user)
    make_customers(owner)
    make_prices(owner)
    body = "return None if total is None or not months else total / months"
    parameters = (Parameter("total", "double"), Parameter("months", "int"))
    functions.create_function(owner, AVERAGE, Definition("PYTHON", body, parameters, "double"))
    functions.create_function(owner, SPEC, Definition(functions.FEATURE_SPEC, json.dumps(SPEC_JSON), (), "string"))
    online_tables.create_online_table(owner, CUSTOMERS_ONLINE, CUSTOMERS, mode=OnlineTable.Mode.TRIGGERED)
    online_stores.create_online_store(owner, STORE, "CU_1")
    online_tables.publish_table(owner, PRICES, STORE, PRICES_ONLINE, OnlineTable.Mode.SNAPSHOT)
    carry_out_syncs()
    make_endpoint_with_lookups(owner)
    return owner


def make_customers(owner: Caller) -> None:
    columns = [
        Column("id", "bigint", comment="Who"),
        Column("tenure", "int", comment="Months with us"),
        Column("total", "double"),
        Column("contract", "string"),
        Column("tags", "array<string>"),
    ]
    rows = pa.table(
        {
            "id": range(1, 21),
            "tenure": pa.array([*range(1, 20), None], pa.int32()),
            "total": [math.nan, *(10.0 * number for number in range(2, 21))],
            "contract": ["monthly"] * 15 + ["yearly"] * 5,
            "tags": [["a"]] * 20,
        }
    )
    tables.create_table(
        owner, CUSTOMERS, columns, rows=rows, primary_key=["id"], properties=CHANGE_FEED, comment="Customers' features"
    )


def make_prices(owner: Caller) -> None:
    columns = [Column("product", "string"), Column("day", "date"), Column("price", "double")]
    rows = pa.table({"product": ["a", "a"], "day": [dt.date(2026, 1, 5), dt.date(2026, 1, 7)], "price": [1.0, 2.0]})
    tables.create_table(owner, PRICES, columns, rows=rows, primary_key=["product", "day"], timeseries=["day"])


def carry_out_syncs() -> None:
    """As control does."""
    for waiting in Sync.objects.filter(state=Sync.State.QUEUED).order_by("created_at"):
        assert sync.run(waiting.pk)


def customers_plan() -> LookupPlan:
    """What the control plane makes of SPEC_JSON."""
    online = OnlineTable.objects.get(full_name=CUSTOMERS_ONLINE)
    lookup = TableLookup(
        online.pk, CUSTOMERS_ONLINE, CUSTOMERS, {"id": "customer"}, {"tenure": "tenure", "total": "spend"}, {"tenure": 1}
    )
    body = "return None if total is None or not months else total / months"
    call = FunctionCall(AVERAGE, body, {"total": "spend", "months": "tenure"}, "average", "double")
    types = {column["name"]: column["type"] for column in SPEC_JSON["columns"]}
    return LookupPlan(("visits", "tenure", "spend", "average"), types, (lookup,), (call,))


def make_endpoint_with_lookups(owner: Caller) -> Endpoint:
    endpoint = make_endpoint(owner.workspace, ENDPOINT, [custom("churn_by_key", "1")])
    ServedEntity.objects.filter(config__endpoint=endpoint).update(lookups=customers_plan().to_dict())
    version = Node(Kind.MODEL_VERSION, "main.default.churn_by_key/1")
    lineage.record(owner.workspace, Node(Kind.TABLE, CUSTOMERS), version)
    lineage.record(owner.workspace, version, Node(Kind.ENDPOINT, ENDPOINT))
    return endpoint


def append_customer(owner: Caller, number: int = 21) -> None:
    """A commit that the online copy does not know yet."""
    table_rows.append(owner, CUSTOMERS, pa.table({"id": [number], "tenure": pa.array([7], pa.int32()), "total": [70.0]}))
