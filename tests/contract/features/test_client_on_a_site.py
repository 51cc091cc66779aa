"""The feature engineering client against a running site: tables, training sets, models, scoring, publishing."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import mlflow
import pandas as pd
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from proving_ground_client import FeatureEngineeringClient, FeatureFunction, FeatureLookup, SparkSession
from proving_ground_client.site import Site
from sklearn.linear_model import LinearRegression

from tests.stack import Stack

pytestmark = pytest.mark.stack
CUSTOMERS, PRICES = "main.default.fe_customers", "main.default.fe_prices"
MONDAY = datetime(2026, 1, 5)


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    """As the learner; MLflow's client is pointed there too."""
    token = stack.token("learner")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABRICKS_HOST", stack.url)
        patch.setenv("DATABRICKS_TOKEN", token)
        before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
        mlflow.set_tracking_uri("databricks")
        mlflow.set_registry_uri("databricks-uc")
        yield Site(WorkspaceClient(config=Config(host=stack.url, token=token)))
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


@pytest.fixture(scope="module")
def fe(site: Site) -> FeatureEngineeringClient:
    """With a table of customers, one of prices over time, and a function."""
    client = FeatureEngineeringClient(workspace=site.workspace)
    customers = pd.DataFrame({"customer": [1, 2, 3], "tenure": [10, 20, 40], "total": [100.0, 50.0, None]})
    client.create_table(name=CUSTOMERS, primary_keys="customer", df=customers, description="Customers' features")
    prices = pd.DataFrame(
        {"product": ["a"] * 3, "day": [MONDAY + timedelta(days=n) for n in (0, 2, 4)], "price": [1.0, 2.0, 3.0]}
    )
    client.create_table(name=PRICES, primary_keys=["product", "day"], timeseries_column="day", df=prices)
    body = "return None if total is None or tenure is None else total / tenure"
    site.run(
        "CREATE OR REPLACE FUNCTION main.default.fe_average(total DOUBLE, tenure BIGINT) RETURNS DOUBLE LANGUAGE PYTHON "
        f"AS $$\n{body}\n$$"
    )
    return client


def test_tables_are_made_read_and_merged(fe: FeatureEngineeringClient, site: Site) -> None:
    table = fe.get_table(name="fe_customers")
    assert (table.full_name, table.primary_keys, table.comment) == (CUSTOMERS, ("customer",), "Customers' features")
    assert table.columns == {"customer": "bigint", "tenure": "bigint", "total": "double"}
    assert fe.get_table(name=PRICES).timeseries == "day"
    fe.write_table(name=CUSTOMERS, df=pd.DataFrame({"customer": [2, 4], "tenure": [21, 5], "total": [60.0, 5.0]}))
    read = fe.read_table(name=CUSTOMERS).orderBy("customer")
    assert [list(row.values()) for row in read.collect()] == [[1, 10, 100.0], [2, 21, 60.0], [3, 40, None], [4, 5, 5.0]]
    assert list(site.workspace.files.list_directory_contents("/Volumes/main/default/feature_engineering_staging")) == []
    with pytest.raises(ValueError, match="mode 'overwrite' is not offered"):
        fe.write_table(name=CUSTOMERS, df=read, mode="overwrite")
    with pytest.raises(ValueError, match="is no column; there are a"):
        fe.create_table(name="main.default.fe_none", primary_keys="b", df=pd.DataFrame({"a": [1]}))
    with pytest.raises(ValueError, match="does not exist"):
        fe.get_table(name="main.default.fe_none")


def test_a_training_set_at_points_in_time(fe: FeatureEngineeringClient) -> None:
    asked = [MONDAY - timedelta(1), MONDAY, MONDAY + timedelta(3), MONDAY + timedelta(30)]
    data = pd.DataFrame({"item": ["a", "a", "a", "a"], "at": asked, "sold": [0, 1, 2, 3]})
    lookup = FeatureLookup(
        PRICES,
        "item",
        feature_names="price",
        rename_outputs={"price": "price_then"},
        timestamp_lookup_key="at",
        lookback_window=timedelta(days=7),
        default_values={"price_then": -1.0},
    )
    training = fe.create_training_set(df=data, feature_lookups=[lookup], label="sold", exclude_columns=["at"])
    rows = training.load_df()
    assert rows.columns == ["item", "price_then", "sold"]
    assert rows.toPandas()["price_then"].tolist() == [-1.0, 1.0, 2.0, -1.0]
    made = fe.create_feature_spec(name="main.default.fe_prices_spec", features=[lookup], exclude_columns=["at"])
    sources = {each["name"]: (each["source"], each["type"]) for each in json.loads(str(made.routine_definition))["columns"]}
    assert sources == {"item": ("data", "string"), "at": ("data", "timestamp"), "price_then": ("lookup", "double")}


def test_what_does_not_fit_together_is_named(fe: FeatureEngineeringClient) -> None:
    data = pd.DataFrame({"customer": [1], "tenure": [5], "label": [0]})
    cases: list[tuple[Any, str]] = [
        (FeatureLookup(CUSTOMERS, "primary_key"), "has no column 'primary_key'"),
        (FeatureLookup(CUSTOMERS, ["customer", "tenure"]), "The number of lookup keys"),
        (FeatureLookup(CUSTOMERS, "customer"), "'tenure' would be there twice"),
        (FeatureLookup(CUSTOMERS, "customer", feature_names=["age"]), "has no feature 'age'"),
        (FeatureLookup(CUSTOMERS, "customer", timestamp_lookup_key="label"), "has no time-series column"),
        (FeatureLookup(PRICES, "customer"), "is its time-series column"),
        (FeatureLookup("main.default.nothing", "customer"), "does not exist"),
        (FeatureFunction(udf_name="nothing"), "Function 'main.default.nothing' does not exist"),
        (
            FeatureFunction(udf_name="fe_average", input_bindings={"total": "tenure"}),
            r"must name its parameters \(total, tenure\)",
        ),
        (
            FeatureFunction(udf_name="fe_average", input_bindings={"total": "sum", "tenure": "tenure"}),
            "takes 'sum' for total, which is no column before it",
        ),
    ]
    for feature, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            fe.create_training_set(df=data, feature_lookups=[feature], label="label")
    with pytest.raises(ValueError, match="The label 'churn' is no column"):
        fe.create_training_set(df=data, feature_lookups=[], label="churn")


def test_a_model_is_logged_with_its_features_and_scored(fe: FeatureEngineeringClient, site: Site) -> None:
    fe.write_table(name=CUSTOMERS, df=pd.DataFrame({"customer": [1, 2], "tenure": [10, 20], "total": [100.0, 60.0]}))
    features: list[Any] = [
        FeatureLookup(CUSTOMERS, "customer", default_values={"tenure": 1, "total": 0.0}),
        FeatureFunction(udf_name="fe_average", input_bindings={"total": "total", "tenure": "tenure"}, output_name="average"),
    ]
    data = pd.DataFrame({"customer": [1, 2, 9], "visits": [3.0, 4.0, 5.0], "spend": [10.0, 3.0, 0.0]})
    training = fe.create_training_set(df=data, feature_lookups=features, label="spend", exclude_columns=["customer"])
    frame = training.load_df().toPandas()
    assert frame["average"].tolist() == [10.0, 3.0, 0.0]
    inputs = ["visits", "tenure", "total", "average"]
    assert list(frame.columns) == [*inputs, "spend"]
    model = LinearRegression().fit(frame[inputs], frame["spend"])
    mlflow.set_experiment("/Users/learner/features")
    with mlflow.start_run():
        logged = fe.log_model(
            model=model,
            artifact_path="model",
            flavor=mlflow.sklearn,
            training_set=training,
            registered_model_name="main.default.fe_model",
            pip_requirements=["scikit-learn"],
        )
    assert (logged.registered_model_version, logged.metadata) == ("1", {"feature_spec": "feature_spec.json"})
    assert [column.name for column in logged.signature.inputs] == inputs
    uri = "models:/main.default.fe_model/1"
    scored = fe.score_batch(model_uri=uri, df=data[["customer", "visits"]]).toPandas()
    assert list(scored.columns) == ["customer", "visits", "tenure", "total", "average", "prediction"]
    assert scored["prediction"].tolist() == pytest.approx(model.predict(frame[inputs]).tolist())
    override = fe.score_batch(model_uri=uri, df=pd.DataFrame({"customer": [1], "visits": [3.0], "total": [50.0]})).toPandas()
    assert override["average"].tolist() == [5.0]
    assert mlflow.pyfunc.load_model(uri).predict(frame[inputs]).tolist() == pytest.approx(model.predict(frame[inputs]).tolist())
    with pytest.raises(ValueError, match="missing: visits"):
        fe.score_batch(model_uri=uri, df=data[["customer"]])
    spec = training.spec
    assert (spec.needed, [column.source for column in spec.columns]) == (
        ["customer", "visits"],
        ["data", "data", "lookup", "lookup", "function", "data"],
    )


def test_a_table_is_published(fe: FeatureEngineeringClient, site: Site) -> None:
    site.run(f"ALTER TABLE {CUSTOMERS} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    fe.create_online_store(name="fe-store", capacity="CU_1")
    store = fe.get_online_store(name="fe-store")
    fe.publish_table(online_store=store, source_table_name=CUSTOMERS, online_table_name="main.default.fe_customers_online")
    assert site.workspace.online_tables.get("main.default.fe_customers_online").spec is not None


def test_spark_as_notebooks_use_it(site: Site) -> None:
    spark = SparkSession(site)
    frame = spark.createDataFrame(pd.DataFrame({"customerID": ["x", "y"], "Churn": ["Yes", None]}))
    frame.write.mode("overwrite").saveAsTable("fe_response")
    frame.limit(1).write.mode("append").saveAsTable("main.default.fe_response")
    assert spark.read.table("fe_response").drop("customerID").toPandas()["Churn"].tolist()[0] == "Yes"
    assert spark.sql("SELECT count(*) AS n FROM fe_response").collect() == [{"n": 3}]
    with pytest.raises(ValueError, match="already exists"):
        frame.write.saveAsTable("fe_response")
    spark.sql("CREATE SCHEMA IF NOT EXISTS main.fe_other")
    spark.sql("USE SCHEMA main.fe_other")
    assert spark.sql("SELECT current_schema() AS s").collect() == [{"s": "fe_other"}]
    spark.sql("USE main.default")


def test_a_training_set_from_a_feature_spec(fe: FeatureEngineeringClient) -> None:
    fe.write_table(name=CUSTOMERS, df=pd.DataFrame({"customer": [1, 2], "tenure": [10, 20], "total": [100.0, 60.0]}))
    features: list[Any] = [
        FeatureLookup(CUSTOMERS, "customer", feature_names=["tenure", "total"]),
        FeatureFunction(udf_name="fe_average", input_bindings={"total": "total", "tenure": "tenure"}, output_name="average"),
    ]
    made = fe.create_feature_spec(name="main.default.fe_spec", features=features)
    assert (made.full_name, made.external_language) == ("main.default.fe_spec", "FEATURE_SPEC")
    data = pd.DataFrame({"customer": [2, 1], "spend": [3.0, 10.0]})
    frame = fe.create_training_set(df=data, feature_spec="main.default.fe_spec", label="spend").load_df().toPandas()
    assert frame[["customer", "tenure", "average", "spend"]].values.tolist() == [[2, 20, 3.0, 3.0], [1, 10, 10.0, 10.0]]
