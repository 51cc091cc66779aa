"""The catalog as clients meet it on the running site: discovery, lists, registration, SQL."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ours import Site

MODELS = 1_000
BIG_ROWS = 10_000_000
FEATURE_ROWS, FEATURE_COLUMNS = 1_000_000, 20
_QUICK, _SLOW = 300, 7

_FILL = f"""
import numpy as np
import pyarrow as pa
from sandbox.catalog import tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.models import ModelDetail, Securable, SecurableType
from sandbox.catalog.securables import find, workspace_catalog
from sandbox.models import User
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import open_workspace

user = User.objects.get(username="learner")
ada = Caller(open_workspace(user), user)
workspace_catalog(ada.workspace)
schema = find(ada.workspace, SecurableType.SCHEMA, "main.default")
made = Securable.objects.bulk_create(
    Securable(
        workspace=ada.workspace, securable_type="MODEL", parent=schema,
        name=f"crowd{{n:04}}", full_name=f"main.default.crowd{{n:04}}",
        owner="learner", created_by="learner", updated_by="learner",
    )
    for n in range({MODELS})
)
ModelDetail.objects.bulk_create(ModelDetail(securable=each) for each in made)
draw = np.random.default_rng(0)
big = pa.table({{"id": np.arange({BIG_ROWS}), "k": draw.integers(0, 1000, {BIG_ROWS}), "x": draw.random({BIG_ROWS})}})
tables.create_table(ada, "main.default.big", [Column("id", "bigint"), Column("k", "bigint"), Column("x", "double")], rows=big)
columns = [Column("id", "bigint"), *(Column(f"f{{n}}", "double") for n in range(1, {FEATURE_COLUMNS}))]
values = {{"id": np.arange({FEATURE_ROWS})}} | {{f"f{{n}}": draw.random({FEATURE_ROWS}) for n in range(1, {FEATURE_COLUMNS})}}
tables.create_table(
    ada, "main.default.customers", columns, rows=pa.table(values), primary_key=["id"]
)
"""

_REGISTER = """
import sys, time
import mlflow, numpy
from mlflow.models import infer_signature
from sklearn.neighbors import KNeighborsClassifier

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
mlflow.set_experiment("/Users/learner/registration")
rows = numpy.random.default_rng(0).random((6_000, 20))
model = KNeighborsClassifier(algorithm="brute").fit(rows, rows[:, 0] > 0.5)
signature = infer_signature(rows[:3], model.predict(rows[:3]))
for _ in range(int(sys.argv[1])):
    started = time.perf_counter()
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="main.default.megabyte", signature=signature,
        pip_requirements=["scikit-learn"], serialization_format="cloudpickle",
    )
    print(f"took {time.perf_counter() - started}")
"""


def measure(site: Site) -> dict[str, Any]:
    """Medians: milliseconds of requests, seconds of the rest. Each answer is checked."""
    _filled(site)
    with httpx.Client(base_url=site.stack.url, headers={"Authorization": f"Bearer {site.token}"}, timeout=120) as client:
        results = {
            "discovery_ms": _median_ms(lambda: _json(client, "/.well-known/databricks-config"), _QUICK),
            "token_ms": _median_ms(lambda: _json(client, "/serving-endpoints/models"), _QUICK),
            "models": MODELS,
            "list_models_ms": _median_ms(lambda: _models(client), _SLOW),
            "point_query_ms": _median_ms(lambda: _point_query(client), _SLOW),
            "big_rows": BIG_ROWS,
            "group_by_ms": _median_ms(lambda: _group_by(client), _SLOW),
        }
    results["register_s"] = _register_s(site)
    return results


def _filled(site: Site) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write(_FILL)
        program.flush()
        site.stack.manage("shell", "-c", f"exec(open({program.name!r}).read())")


def _json(client: httpx.Client, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()


def _models(client: httpx.Client) -> None:
    query = {"catalog_name": "main", "schema_name": "default", "max_results": MODELS}
    found = _json(client, "/api/2.1/unity-catalog/models", **query)
    if len(found["registered_models"]) != MODELS:
        raise SystemExit(f"{len(found['registered_models'])} models were listed instead of {MODELS}.")


def _statement(client: httpx.Client, sql: str) -> list[list[str]]:
    answer = client.post("/api/2.0/sql/statements", json={"statement": sql, "warehouse_id": "sandbox", "wait_timeout": "50s"})
    found = answer.json()
    if found.get("status", {}).get("state") != "SUCCEEDED":
        raise SystemExit(f"{sql} ended so: {found}")
    rows: list[list[str]] = found["result"]["data_array"]
    return rows


def _point_query(client: httpx.Client) -> None:
    if _statement(client, "SELECT id FROM main.default.customers WHERE id = 4711") != [["4711"]]:
        raise SystemExit("The point query gave another row.")


def _group_by(client: httpx.Client) -> None:
    rows = _statement(client, "SELECT k, count(*) AS n, avg(x) FROM main.default.big GROUP BY k")
    if len(rows) != 1_000 or sum(int(row[1]) for row in rows) != BIG_ROWS:
        raise SystemExit("The group-by gave other counts.")


def _register_s(site: Site) -> float:
    """`log_model` with registration of a model of 1 MB, by MLflow with host and token alone; the first call warms up."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DATABRICKS_"))},
        "DATABRICKS_HOST": site.stack.url,
        "DATABRICKS_TOKEN": site.token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "register.py"
        program.write_text(_REGISTER)
        ran = subprocess.run(
            [sys.executable, str(program), str(_SLOW)], env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
    took = [float(line.split()[1]) for line in ran.stdout.splitlines() if line.startswith("took ")]
    if ran.returncode or len(took) != _SLOW:
        raise SystemExit(f"The model was not registered: {ran.stderr[-1000:]}")
    return round(statistics.median(took[1:]), 2)


def _median_ms(call: Callable[[], Any], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(taken), 2)
