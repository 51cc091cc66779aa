"""The learner's path from her own machine, with nothing but databricks-sdk, mlflow and requests.

    python tests/integration/learner_path.py --host http://localhost:8000 --token dapi…

Logs and registers two versions of a model, serves them 80/20, sends 200 queries, compares every prediction with the
model's own, checks the split against the binomial distribution and finds the 200 calls in the inference table; then it
calls the two other endpoint types. Every step prints a line; a wrong value stops it.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any

QUERIES = 200
FIVE_SIGMA = 28
"""Five standard deviations of 200 draws at 80 %: sqrt(200 · 0.8 · 0.2) = 5.66."""


@dataclass
class Deployed:
    """What the later steps compare with."""

    endpoint: str
    models: dict[str, Any]
    rows: Any


def log_two_versions(name: str) -> tuple[list[Any], Any]:
    """Train a pipeline and a tree on the same rows, log and register both; returns the models and 200 rows to ask."""
    import mlflow
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rng = np.random.default_rng(20261122)
    frame = pd.DataFrame(
        {
            "Contract": rng.choice(["Month-to-month", "One year", "Two year"], 1500),
            "tenure": rng.integers(1, 73, 1500),
            "MonthlyCharges": rng.uniform(18, 118, 1500).round(2),
        }
    )
    risk = (frame["Contract"] == "Month-to-month") * 1.2 - frame["tenure"] / 40 + frame["MonthlyCharges"] / 90
    labels = np.where(risk + rng.normal(0, 0.4, 1500) > 0.6, "Yes", "No")

    def pipeline(estimator: Any) -> Any:
        encode = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["Contract"]), (StandardScaler(), ["tenure", "MonthlyCharges"])
        )
        return make_pipeline(encode, estimator).fit(frame, labels)

    models = [pipeline(LogisticRegression()), pipeline(RandomForestClassifier(60, max_depth=8, random_state=7))]
    mlflow.set_experiment("learner-path")
    for model in models:
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name=name,
                input_example=frame.head(3),
                serialization_format="cloudpickle",
            )
    return models, frame.sample(QUERIES, random_state=1)


def deploy(workspace: Any, endpoint: str, model_name: str) -> list[str]:
    """Create the endpoint with two versions at 80/20 and wait until it is ready; returns the served names."""
    from databricks.sdk.service.serving import EndpointCoreConfigInput, Route, ServedEntityInput, TrafficConfig

    leaf = model_name.rpartition(".")[2]
    served = [f"{leaf}-1", f"{leaf}-2"]
    started = time.monotonic()
    details = workspace.serving_endpoints.create_and_wait(
        name=endpoint,
        config=EndpointCoreConfigInput(
            name=endpoint,
            served_entities=[
                ServedEntityInput(entity_name=model_name, entity_version=v, workload_size="Small", scale_to_zero_enabled=True)
                for v in ("1", "2")
            ],
            traffic_config=TrafficConfig(
                routes=[
                    Route(served_model_name=served[0], traffic_percentage=80),
                    Route(served_model_name=served[1], traffic_percentage=20),
                ]
            ),
        ),
    )
    assert details.state.ready.value == "READY", details.state
    print(f"endpoint {endpoint} READY after {time.monotonic() - started:.1f} s")
    return served


def query(workspace: Any, deployed: Deployed) -> dict[str, int]:
    """Ask row by row; every prediction must be the one of the model that says it answered."""
    counts = dict.fromkeys(deployed.models, 0)
    expected = {name: model.predict(deployed.rows).tolist() for name, model in deployed.models.items()}
    for place, record in enumerate(deployed.rows.to_dict(orient="records")):
        answer = workspace.serving_endpoints.query(name=deployed.endpoint, dataframe_records=[record])
        name = answer.served_model_name
        counts[name] += 1
        assert answer.predictions == [expected[name][place]], (name, place, answer.predictions, expected[name][place])
    return counts


def logged_rows(workspace: Any, endpoint: str, wanted: int, timeout_s: float = 5.0) -> list[list[str]]:
    """(served_entity_id, count) from the inference table, once all rows are there."""
    sql = f"SELECT served_entity_id, count(*) FROM `main`.`default`.`{endpoint}_payload` WHERE status_code = 200 GROUP BY 1"
    deadline = time.monotonic() + timeout_s
    while True:
        found = workspace.statement_execution.execute_statement(statement=sql, warehouse_id="sandbox")
        rows = (found.result.data_array or []) if found.result else []
        if sum(int(row[1]) for row in rows) >= wanted or time.monotonic() > deadline:
            return rows
        time.sleep(0.3)


def check_catalog(workspace: Any, endpoint: str, counts: dict[str, int]) -> None:
    """The inference table is a table of the catalog, made from the endpoint, and system tables count the same calls."""
    table = workspace.tables.get(f"main.default.{endpoint}_payload")
    assert (table.table_type.value, table.columns[0].name) == ("MANAGED", "databricks_request_id")

    def rows(statement: str) -> list[list[str]]:
        found = workspace.statement_execution.execute_statement(statement=statement, warehouse_id="sandbox")
        assert found.result, found.status
        return found.result.data_array or []

    lineage = "SELECT entity_type, entity_id FROM system.access.table_lineage WHERE target_table_full_name = "
    assert rows(f"{lineage}'{table.full_name}'") == [["ENDPOINT", endpoint]]
    usage = (
        "SELECT e.served_entity_name, count(*) FROM system.serving.endpoint_usage u JOIN system.serving.served_entities e "
        f"ON u.served_entity_id = e.served_entity_id WHERE e.endpoint_name = '{endpoint}' GROUP BY 1"
    )
    assert {name: int(count) for name, count in rows(usage)} == counts


def neighbours(workspace: Any, suffix: str) -> None:
    """A foundation model and an external one, by the same call."""
    from databricks.sdk.service.serving import (
        ChatMessage,
        ChatMessageRole,
        EndpointCoreConfigInput,
        ExternalModel,
        ExternalModelProvider,
        OpenAiConfig,
        ServedEntityInput,
    )

    found = workspace.serving_endpoints.query(name="databricks-bge-large-en", input=["cold start", "scale to zero"])
    assert [len(item.embedding) for item in found.data] == [384, 384]
    assert found.usage.prompt_tokens > 0
    print(f"foundation endpoint: two embeddings of 384 numbers, {found.usage.prompt_tokens} tokens")

    name = f"chat-{suffix}"
    workspace.serving_endpoints.create_and_wait(
        name=name,
        config=EndpointCoreConfigInput(
            name=name,
            served_entities=[
                ServedEntityInput(
                    name="chat",
                    external_model=ExternalModel(
                        name="gpt-4o-mini",
                        provider=ExternalModelProvider.OPENAI,
                        task="llm/v1/chat",
                        openai_config=OpenAiConfig(openai_api_key_plaintext="sk-learner-path-0123456789"),
                    ),
                )
            ],
        ),
    )
    chat = workspace.serving_endpoints.query(
        name=name, messages=[ChatMessage(role=ChatMessageRole.USER, content="What is a canary?")]
    )
    assert chat.choices[0].message.content
    print(f"external endpoint: {chat.choices[0].message.content[:60]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="http://localhost:8000")
    parser.add_argument("--token", required=True)
    arguments = parser.parse_args()
    os.environ |= {
        "MLFLOW_TRACKING_URI": arguments.host,
        "MLFLOW_TRACKING_TOKEN": arguments.token,
        "DATABRICKS_HOST": arguments.host,
        "DATABRICKS_TOKEN": arguments.token,
    }
    os.chdir(tempfile.mkdtemp())
    from databricks.sdk import WorkspaceClient

    suffix = f"{time.time_ns() % 10**8:08d}"
    model_name, endpoint = f"main.default.path_{suffix}", f"path-{suffix}"
    models, rows = log_two_versions(model_name)
    print(f"logged and registered two versions of {model_name}")
    workspace = WorkspaceClient()
    served = deploy(workspace, endpoint, model_name)
    counts = query(workspace, Deployed(endpoint, dict(zip(served, models, strict=True)), rows))
    assert abs(counts[served[0]] - 160) <= FIVE_SIGMA, counts
    print(f"{QUERIES} queries, every prediction equal to the model's own, split {counts}")
    logged = logged_rows(workspace, endpoint, QUERIES)
    assert sorted(int(row[1]) for row in logged) == sorted(counts.values()), (logged, counts)
    print(f"inference table: {sum(int(row[1]) for row in logged)} rows, split as answered")
    check_catalog(workspace, endpoint, counts)
    print("catalog: the inference table, its lineage, and system tables with the same calls")
    neighbours(workspace, suffix)
    workspace.serving_endpoints.delete(endpoint)
    workspace.serving_endpoints.delete(f"chat-{suffix}")
    print("the learner's path is complete")


if __name__ == "__main__":
    main()
