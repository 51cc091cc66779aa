"""Features as clients meet them on the running site: look-ups under load, functions, the sync of a table, training sets in time.

    python -m benchmarks.features --quick

Run alone it prints its figures; `benchmarks.run` puts them into the table. Answers are compared with the model's own predictions
for the values that lie in the feature table, and with what a history is known to have.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import driving, forests, ours, point_in_time, report
from benchmarks.ours import Site
from tests.stack import wait_for

TABLE, HISTORY, MODEL = "main.default.bench_features", "main.default.bench_history", "main.default.bench_lookups"
FUNCTION = "main.default.bench_ratio"
BODY = "return None if a is None or b is None or b == 0 else a / b"
CONCURRENCY, MESSAGE_REQUESTS, BATCH_ROWS, BATCHES, ROUNDS = 64, 64, 1_000, 50, 5
_SPEC, _PLAIN = "looks-up", "is-sent-all"
CLIENT = Path(__file__).resolve().parents[1] / "sandbox" / "client" / "src"


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    feature_rows: int = 1_000_000
    history_rows: int = 5_000_000
    training_rows: int = 1_000_000


QUICK = Size(50_000, 500_000, 100_000)
_FILL = """
import pyarrow.parquet as pq
from sandbox.catalog import functions, securables, tables
from sandbox.catalog.column_types import Column
from sandbox.models import User
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import open_workspace

user = User.objects.get(username="learner")
ada = Caller(open_workspace(user), user)
securables.workspace_catalog(ada.workspace)
features, history = (pq.read_table(path) for path in {paths!r})
columns = [Column(name, "bigint" if name == "id" else "double") for name in features.column_names]
tables.create_table(ada, {table!r}, columns, rows=features, primary_key=["id"])
columns = [Column("id", "bigint"), Column("at", "timestamp"), Column("score", "double")]
tables.create_table(ada, {history!r}, columns, rows=history, primary_key=["id", "at"], timeseries=["at"])
"""


def measure(site: Site, timing: driving.Timing, scratch: Path, size: Size = Size()) -> dict[str, Any]:
    """Every figure; a wrong answer ends the benchmark."""
    model = forests.forest(0)
    features = _features(size.feature_rows)
    _fill(site, features, point_in_time.history(size.history_rows), scratch)
    sync_s = _sync_s(site)
    print(f"    {size.feature_rows:,} rows are online after {sync_s} s")
    predictions = _log(site, model, scratch)
    for endpoint, version in ((_PLAIN, "1"), (_SPEC, "2")):
        _deploy(site, endpoint, version)
    return {
        "feature_rows": size.feature_rows,
        "feature_columns": forests.FEATURES,
        "sync_s": sync_s,
        "lookups": _look_ups_against_sending(site, predictions, timing, scratch),
        "questions_per_message": _questions_per_message(site),
        "function_us": _function_us(site),
        "history_rows": size.history_rows,
        "training_rows": size.training_rows,
        "point_in_time": _point_in_time(site, size),
    }


# --- what lies on the site --------------------------------------------------------------------------


def _features(rows: int) -> pa.Table:
    """`rows` rows of `id` and the model's features; the first ones are those that are asked about."""
    asked = forests.table(seed=1)[0].head(forests.ROWS)
    others = np.random.default_rng(0).normal(size=(rows - len(asked), forests.FEATURES))
    values = np.concatenate([asked.to_numpy(), others])
    return pa.table({"id": np.arange(rows)} | {name: values[:, place] for place, name in enumerate(asked.columns)})


def _fill(site: Site, features: pa.Table, history: pa.Table, scratch: Path) -> None:
    paths = [str(scratch / "features.parquet"), str(scratch / "history.parquet")]
    for path, rows in zip(paths, (features, history), strict=True):
        pq.write_table(rows, path)
    program = scratch / "fill.py"
    program.write_text(_FILL.format(paths=paths, table=TABLE, history=HISTORY))
    site.stack.manage("shell", "-c", f"exec(open({str(program)!r}).read())")


def _sync_s(site: Site) -> float:
    """From the call that creates the online table until all rows are there, as the SDK sees it."""
    from databricks.sdk.service import catalog

    spec = catalog.OnlineTableSpec(
        primary_key_columns=["id"],
        source_table_full_name=TABLE,
        perform_full_copy=True,
        run_triggered=catalog.OnlineTableSpecTriggeredSchedulingPolicy(),
    )
    started_s = time.monotonic()
    site.workspace.online_tables.create(catalog.OnlineTable(name=f"{TABLE}_online", spec=spec))

    def is_active() -> bool:
        state = site.workspace.online_tables.get(f"{TABLE}_online").unity_catalog_provisioning_state.value
        return bool(state == "ACTIVE")

    wait_for(is_active, 600, "the online table did not become ACTIVE", site.stack.log_tails)
    return round(time.monotonic() - started_s, 1)


_LOG = """
import sys
import joblib, mlflow, pyarrow as pa
from proving_ground_client import FeatureEngineeringClient, FeatureLookup

path, rows, table, name = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
model = joblib.load(path)
mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")
mlflow.set_experiment("/Users/learner/lookups")
options = {"registered_model_name": name, "pip_requirements": ["scikit-learn"], "serialization_format": "cloudpickle"}
fe = FeatureEngineeringClient()
lookups = [FeatureLookup(table, "id", feature_names=list(model.feature_names_in_))]
training = fe.create_training_set(df=pa.table({"id": range(rows)}), feature_lookups=lookups, label=None, exclude_columns=["id"])
frame = training.load_df().toPandas()
signature = mlflow.models.infer_signature(frame, model.predict(frame))
mlflow.sklearn.log_model(model, name="model", signature=signature, **options)
fe.log_model(
    model=model, artifact_path="model", flavor=mlflow.sklearn, training_set=training, signature=signature, **options
)
joblib.dump(model.predict(frame).tolist(), path + ".predictions")
"""


def _log(site: Site, model: Any, scratch: Path) -> list[Any]:
    """The model as version 1, and with its look-ups as version 2; its predictions for what a training set has offline."""
    import joblib

    joblib.dump(model, scratch / "forest.joblib")
    (scratch / "log.py").write_text(_LOG)
    _client(site, scratch / "log.py", str(scratch / "forest.joblib"), str(forests.ROWS), TABLE, MODEL)
    predictions: list[Any] = joblib.load(scratch / "forest.joblib.predictions")
    if predictions != model.predict(forests.table(seed=1)[0].head(forests.ROWS)).tolist():
        raise SystemExit("The training set has other features than the table.")
    return predictions


def _client(site: Site, program: Path, *arguments: str) -> str:
    """Run a program as a learner's, with host, token and the feature client; returns what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DATABRICKS_"))},
        "DATABRICKS_HOST": site.stack.url,
        "DATABRICKS_TOKEN": site.token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": str(CLIENT),
    }
    ran = subprocess.run(
        [sys.executable, str(program), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if ran.returncode:
        raise SystemExit(f"{program.name} failed: {ran.stderr[-2000:]}")
    return ran.stdout


def _deploy(site: Site, endpoint: str, version: str) -> None:
    from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

    entity = ServedEntityInput(entity_name=MODEL, entity_version=version, workload_size="Small", scale_to_zero_enabled=False)
    site.workspace.serving_endpoints.create(
        name=endpoint, config=EndpointCoreConfigInput(name=endpoint, served_entities=[entity])
    )

    def is_ready() -> bool:
        state = site.workspace.serving_endpoints.get(endpoint).state
        if state.config_update.value == "UPDATE_FAILED":
            raise SystemExit(f"{endpoint} could not be deployed.\n{site.stack.log_tails()}")
        return bool(state.ready.value == "READY")

    wait_for(is_ready, 120, f"{endpoint} did not become READY", site.stack.log_tails)


# --- look-ups under load ----------------------------------------------------------------------------


def _look_ups_against_sending(site: Site, predictions: list[Any], timing: driving.Timing, scratch: Path) -> dict[str, Any]:
    """Requests per second and processor time of the same model for the same rows, in turns; every answer is checked.

    `share` is the median over the turns: what else the machine does changes more slowly than they do.
    """
    rows = forests.table(seed=1)[0].head(forests.ROWS).to_dict(orient="records")
    bodies = {_PLAIN: rows, _SPEC: [{"id": number} for number in range(len(rows))]}
    rates: dict[str, list[float]] = {_PLAIN: [], _SPEC: []}
    cpu_us: dict[str, list[float]] = {_PLAIN: [], _SPEC: []}
    for endpoint, records in bodies.items():
        entries = [
            {"body": {"dataframe_records": [row]}, "predictions": [[one]]} for row, one in zip(records, predictions, strict=True)
        ]
        (scratch / f"{endpoint}.json").write_text(json.dumps(entries))
    for _ in range(ROUNDS):
        for endpoint in bodies:
            before = _cpu_s(_processes(site))
            found = driving.drive(
                ours.url(site, endpoint), scratch / f"{endpoint}.json", timing, token=site.token, concurrencies=(CONCURRENCY,)
            )
            rates[endpoint].append(found[str(CONCURRENCY)]["requests_per_s"])
            requests = rates[endpoint][-1] * (timing.duration_s + timing.warm_up_s)  # the warm-up takes processor time too
            cpu_us[endpoint].append(_since_s(before, _processes(site)) / requests * 1e6)
    return {
        "share": round(statistics.median(b / a for a, b in zip(rates[_PLAIN], rates[_SPEC], strict=True)), 3),
        "sent_per_s": statistics.median(rates[_PLAIN]),
        "looked_up_per_s": statistics.median(rates[_SPEC]),
        "sent_cpu_us": round(statistics.median(cpu_us[_PLAIN]), 1),
        "looked_up_cpu_us": round(statistics.median(cpu_us[_SPEC]), 1),
    }


def _processes(site: Site) -> list[int]:
    """Every process of the site."""
    return list(site.stack.running_processes())


def _cpu_s(processes: Sequence[int]) -> dict[int, float]:
    """Processor time that each has taken so far: the kernel's clock of it, for the ticks in /proc are a sample."""
    found = {}
    for process in processes:
        with suppress(OSError):  # it has ended
            found[process] = time.clock_gettime((~process << 3) | 2)  # as clock_getcpuclockid(3) makes it
    return found


def _since_s(before: dict[int, float], processes: Sequence[int]) -> float:
    """What they have taken since then; of those that ended meanwhile nothing is known."""
    return sum(taken_s - before.get(process, 0.0) for process, taken_s in _cpu_s(processes).items())


# --- one message ------------------------------------------------------------------------------------


def _questions_per_message(site: Site) -> float:
    """HMGETs for a message of MESSAGE_REQUESTS requests, by Redis' own count; the look-ups are a replica's."""
    lookups = _lookups(site)
    _complete(lookups, [1] * MESSAGE_REQUESTS)
    before, rounds = _asked(site), 20
    for _ in range(rounds):
        _complete(lookups, [1] * MESSAGE_REQUESTS)
    return (_asked(site) - before) / rounds


def _asked(site: Site) -> int:
    return int(site.redis.info("commandstats")["cmdstat_hmget"]["calls"])


def _function_us(site: Site) -> dict[str, float]:
    """What a feature function adds for each row of BATCH_ROWS: elapsed time, and processor time, the interpreter's too.

    The least of many batches, with and without it: more than that is what else the machine does.
    """
    plain, computing = _lookups(site), _lookups(site, with_function=True)
    _complete(computing, [BATCH_ROWS])  # the interpreter's process starts
    without, with_it = zip(*((_timed(plain), _timed(computing)) for _ in range(BATCHES)), strict=True)
    least = [[min(each) for each in zip(*times, strict=True)] for times in (without, with_it)]
    elapsed_s, cpu_s = (more - less for less, more in zip(*least, strict=True))
    return {"elapsed": round(elapsed_s / BATCH_ROWS * 1e6, 2), "cpu": round(cpu_s / BATCH_ROWS * 1e6, 2)}


def _timed(lookups: Any) -> tuple[float, float]:
    """Elapsed and processor seconds of one batch."""
    before, started_s = _cpu_s([os.getpid(), *ours.descendants(os.getpid())]), time.perf_counter()
    _complete(lookups, [BATCH_ROWS])
    return time.perf_counter() - started_s, _since_s(before, [os.getpid(), *ours.descendants(os.getpid())])


def _lookups(site: Site, *, with_function: bool = False) -> Any:
    """Those of a replica, of all features of the table, by its key."""
    from sandbox.features.plan import FunctionCall, LookupPlan, TableLookup
    from sandbox.replicas.lookups import Lookups

    [pointer] = site.redis.keys("feat:table:*")
    names = [f"f{number}" for number in range(forests.FEATURES)]
    table = TableLookup(
        pointer.decode().rpartition(":")[2], f"{TABLE}_online", TABLE, {"id": "id"}, {name: name for name in names}
    )
    types = {"id": "bigint", "ratio": "double"} | dict.fromkeys(names, "double")
    arguments, kinds = {"a": "f0", "b": "f1"}, {"a": "double", "b": "double"}
    functions = (FunctionCall(FUNCTION, BODY, arguments, "ratio", "double", kinds),) if with_function else ()
    inputs = (*names, "ratio") if with_function else tuple(names)
    return Lookups(LookupPlan(inputs, types, (table,), functions), site.redis)


def _complete(lookups: Any, rows: Sequence[int]) -> None:
    """One message: a request of so many rows each. The values are compared with the table's."""
    from sandbox.replicas.requests import Pending

    asked = forests.table(seed=1)[0].head(forests.ROWS)
    requests = []
    for count in rows:
        body = json.dumps({"dataframe_records": [{"id": number % forests.ROWS} for number in range(count)]})
        requests.append(Pending("id", body, "w", "", "learner", 0.0, time.time() + 60))
    lookups.complete(requests)
    for request, count in zip(requests, rows, strict=True):
        found = np.array(request.payload["dataframe_split"]["data"])[:, : forests.FEATURES]
        if not (found == asked.to_numpy()[np.arange(count) % forests.ROWS]).all():
            raise SystemExit("A look-up gave other values than the table has.")


# --- training sets ----------------------------------------------------------------------------------


def _point_in_time(site: Site, size: Size) -> dict[str, Any]:
    hours = size.history_rows // point_in_time.KEYS
    arguments = ["--rows", str(size.training_rows), "--hours", str(hours), "--table", HISTORY]
    found: dict[str, Any] = json.loads(_client(site, Path(point_in_time.__file__), *arguments).splitlines()[-1])
    if found["wrong"]:
        raise SystemExit(f"{found['wrong']} rows of the training set have other values than the history had at their times.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, in under a minute")
    options = parser.parse_args()
    timing = driving.Timing(1, 1) if options.quick else driving.Timing(4, 1)
    with tempfile.TemporaryDirectory(prefix="pg-bench-") as scratch, ours.site() as site:
        results = measure(site, timing, Path(scratch), QUICK if options.quick else Size())
    print(json.dumps(results, indent=2))
    for what, measured, reached in report.features(results):
        print(f"{what}: {measured} {'' if reached else 'NOT REACHED'}")


if __name__ == "__main__":
    main()
