"""Programs about experiments: logging to runs and finding the best one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, parsed
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

MLFLOW = "/api/2.0/mlflow"
START_MS = 1_700_000_000_000
TRIED: Mapping[str, tuple[str, float, float]] = {
    "shallow": ("3", 0.71, 41.5),
    "middle": ("5", 0.83, 36.2),
    "deep": ("9", 0.88, 52.0),
}
"""Example runs: name -> max_depth, f1, rmse. The best by f1 is not the best by rmse."""


def _post(client: ProofClient, call: str, body: Mapping[str, Any]) -> Exchange:
    return client.http("POST", f"{MLFLOW}/{call}", body)


@contextmanager
def own_experiment(client: ProofClient) -> Iterator[str]:
    """The id of an experiment of this run's own; deleted at the end."""
    with client.unrecorded():
        made = parsed(_post(client, "experiments/create", {"name": client.prefix})) or {}
    if "experiment_id" not in made:
        raise ProofCouldNotRun(f"The experiment of this proof was refused: {made}")
    try:
        yield str(made["experiment_id"])
    finally:
        with client.unrecorded():
            _post(client, "experiments/delete", {"experiment_id": made["experiment_id"]})


def _new_run(client: ProofClient, experiment_id: str, name: str, position: int = 0) -> str:
    body = {"experiment_id": experiment_id, "run_name": name, "start_time": START_MS + position}
    made = parsed(_post(client, "runs/create", body)) or {}
    return str(made["run"]["info"]["run_id"])


def _log_metric(client: ProofClient, run_id: str, key: str, value: float, step: int = 0) -> Exchange:
    body = {"run_id": run_id, "key": key, "value": value, "timestamp": START_MS + step, "step": step}
    return _post(client, "runs/log-metric", body)


def _log_param(client: ProofClient, run_id: str, key: str, value: str) -> Exchange:
    return _post(client, "runs/log-parameter", {"run_id": run_id, "key": key, "value": value})


def _log_examples(client: ProofClient, experiment_id: str) -> None:
    with client.unrecorded():
        for position, (name, (depth, f1, rmse)) in enumerate(TRIED.items()):
            run_id = _new_run(client, experiment_id, name, position)
            _log_param(client, run_id, "max_depth", depth)
            _log_metric(client, run_id, "f1", f1)
            _log_metric(client, run_id, "rmse", rmse)


def search_runs(
    client: ProofClient, filter_string: str = "", order_by: Sequence[str] = (), max_results: int = 100
) -> Observation:
    """Three runs with max_depth, f1 and rmse; search them as MlflowClient.search_runs does."""
    with own_experiment(client) as experiment_id:
        _log_examples(client, experiment_id)
        query = {
            "experiment_ids": [experiment_id],
            "filter": filter_string,
            "order_by": list(order_by),
            "max_results": max_results,
        }
        asked = _post(client, "runs/search", query)
    runs = (parsed(asked) or {}).get("runs", []) if asked.status == 200 else []
    names = [str(run["info"]["run_name"]) for run in runs]
    facts = {**answer_facts(asked), "runs": names, "first": names[0] if names else "", "count": len(names)}
    rows = [{"run": run["info"]["run_name"], **{m["key"]: m["value"] for m in run["data"].get("metrics", [])}} for run in runs]
    return Observation(facts, client.exchanges, rows)


def log_metric_again(client: ProofClient) -> Observation:
    """Log one metric at three steps; read the run and the metric's history."""
    with own_experiment(client) as experiment_id:
        with client.unrecorded():
            run_id = _new_run(client, experiment_id, "curve")
        logged = [_log_metric(client, run_id, "val_loss", value, step) for step, value in enumerate((0.9, 0.4, 0.6))]
        run = parsed(client.http("GET", f"{MLFLOW}/runs/get?{urlencode({'run_id': run_id})}")) or {}
        query = urlencode({"run_id": run_id, "metric_key": "val_loss"})
        history = parsed(client.http("GET", f"{MLFLOW}/metrics/get-history?{query}")) or {}
    shown = {metric["key"]: metric["value"] for metric in run["run"]["data"].get("metrics", [])}
    facts = {
        "status": logged[-1].status,
        "shown_value": shown.get("val_loss"),
        "history": [metric["value"] for metric in history.get("metrics", [])],
    }
    return Observation(facts, client.exchanges)


def log_param_again(client: ProofClient) -> Observation:
    """Log a parameter, then the same key with another value."""
    with own_experiment(client) as experiment_id:
        with client.unrecorded():
            run_id = _new_run(client, experiment_id, "trial")
        _log_param(client, run_id, "learning_rate", "0.1")
        again = _log_param(client, run_id, "learning_rate", "0.01")
        run = parsed(client.http("GET", f"{MLFLOW}/runs/get?{urlencode({'run_id': run_id})}")) or {}
    params = {param["key"]: param["value"] for param in run["run"]["data"].get("params", [])}
    return Observation({**answer_facts(again), "kept_value": params.get("learning_rate", "")}, client.exchanges)


PROGRAMS: dict[str, Program] = {
    "search_runs": Program(search_runs, needs_models=False),
    "log_metric_again": Program(log_metric_again, needs_models=False),
    "log_param_again": Program(log_param_again, needs_models=False),
}
