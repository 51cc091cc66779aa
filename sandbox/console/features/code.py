"""What the pages of features do, as a learner would write it: the client, SQL, Python (databricks-sdk) and curl."""

from typing import Any

from sandbox.catalog.models import Securable
from sandbox.console.catalog.code import python, sql_name, three
from sandbox.console.samples import TOKEN_PLACE, Sample
from sandbox.console.sdk_code import rest
from sandbox.features.models import OnlineTable

Json = dict[str, Any]
PUBLISH = "/api/2.0/feature-store/tables/{name}/publish"
_FE = """\
import os

os.environ["DATABRICKS_HOST"] = "{host}"
os.environ["DATABRICKS_TOKEN"] = "{token}"

import proving_ground_client

proving_ground_client.activate()
from databricks.feature_engineering import FeatureEngineeringClient

fe = FeatureEngineeringClient()
{lines}"""


def with_client(site_url: str, lines: str) -> Sample:
    """A program with the feature engineering client `fe`."""
    return Sample("Client", _FE.format(host=site_url, token=TOKEN_PLACE, lines=lines))


def make_feature_table(site_url: str) -> list[Sample]:
    """A first feature table, in SQL and with the client."""
    statement = (
        "CREATE TABLE main.default.customer_features (\n  customer_id BIGINT NOT NULL PRIMARY KEY,\n  tenure INT,\n"
        "  monthly_charges DOUBLE\n) TBLPROPERTIES (delta.enableChangeDataFeed = true);\n\n"
        "INSERT INTO main.default.customer_features VALUES (1, 3, 90.0), (2, 40, 25.5);"
    )
    lines = (
        "import pandas as pd\n\n"
        'df = pd.DataFrame({"customer_id": [1, 2], "tenure": [3, 40], "monthly_charges": [90.0, 25.5]})\n'
        'fe.create_table(name="main.default.customer_features", primary_keys="customer_id", df=df)'
    )
    return [Sample("SQL", statement), with_client(site_url, lines)]


def read_features(site_url: str, row: Securable) -> list[Sample]:
    lines = f"table = fe.get_table(name={row.full_name!r})\nprint(table.primary_keys, table.columns)\n"
    return [
        Sample("SQL", f"DESCRIBE TABLE EXTENDED {sql_name(row.full_name)};"),
        with_client(site_url, f"{lines}print(fe.read_table(name={row.full_name!r}).toPandas().describe())"),
    ]


def create_online_table(site_url: str, name: str, source: Securable, key: list[str], series: str, mode: str) -> list[Sample]:
    spec: Json = {"source_table_full_name": source.full_name, "primary_key_columns": key}
    if series:
        spec["timeseries_key"] = series
    if mode == OnlineTable.Mode.SNAPSHOT:
        spec["perform_full_copy"] = True
    policy = "run_continuously" if mode == OnlineTable.Mode.CONTINUOUS else "run_triggered"
    policy_class = "Continuous" if mode == OnlineTable.Mode.CONTINUOUS else "Triggered"
    arguments = "".join(f"        {field}={value!r},\n" for field, value in spec.items())
    lines = (
        f"table = OnlineTable(\n    name={name!r},\n    spec=OnlineTableSpec(\n{arguments}"
        f"        {policy}=OnlineTableSpec{policy_class}SchedulingPolicy(),\n    ),\n)\n"
        "print(w.online_tables.create_and_wait(table).status)"
    )
    imports = (
        f"from databricks.sdk.service.catalog import OnlineTable, OnlineTableSpec, OnlineTableSpec{policy_class}SchedulingPolicy"
    )
    body = {"name": name, "spec": spec | {policy: {}}}
    return three("", python(site_url, lines, imports), rest(site_url, "POST", "/api/2.0/online-tables", body))


def publish(site_url: str, name: str, source: Securable, store: str, mode: str) -> list[Sample]:
    lines = (
        f"store = fe.get_online_store(name={store!r})\n"
        f"fe.publish_table(\n    online_store=store,\n    source_table_name={source.full_name!r},\n"
        f"    online_table_name={name!r},\n    publish_mode={mode!r},\n)"
    )
    body = {"publish_spec": {"online_store": store, "online_table_name": name, "publish_mode": mode}}
    return [
        with_client(site_url, lines),
        Sample("curl", rest(site_url, "POST", PUBLISH.format(name=source.full_name), body)),
    ]


def online_table(site_url: str, table: OnlineTable) -> list[Sample]:
    """Read its state, start a sync, delete it."""
    lines = (
        f"table = w.online_tables.get({table.full_name!r})\nprint(table.status)\n\n"
        "w.pipelines.start_update(table.spec.pipeline_id)\n\n"
        f"# w.online_tables.delete({table.full_name!r})"
    )
    path = f"/api/2.0/online-tables/{table.full_name}"
    return three("", python(site_url, lines), rest(site_url, "GET", path))


def score_batch(site_url: str, model: str, version: str, inputs: list[Json]) -> list[Sample]:
    """The same rows on the learner's own machine."""
    lines = (
        "import pandas as pd\n\n"
        f"rows = pd.DataFrame({inputs!r})\n"
        f'print(fe.score_batch(model_uri="models:/{model}/{version}", df=rows).toPandas())'
    )
    return [with_client(site_url, lines)]
