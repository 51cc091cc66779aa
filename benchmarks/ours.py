"""The same model behind this site: logged, registered and deployed by the official clients, then driven."""

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis

from tests.stack import Stack, wait_for

MODEL = "main.default.bench_forest"
SPLIT = 80
COLD_STARTS = 9
NEIGHBOURS = 200
CLOCK_FACTOR = 3600.0
"""The workspace's clock during the cold starts: half an hour without a call passes in half a second."""


@dataclass
class Site:
    """The running site and its clients, signed in as the learner."""

    stack: Stack
    token: str
    workspace: Any
    redis: Any


@contextmanager
def site() -> Iterator[Site]:
    with Stack() as stack:
        token = stack.token("learner")
        os.environ |= {
            "MLFLOW_TRACKING_URI": stack.url,
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
        from databricks.sdk import WorkspaceClient

        workspace = WorkspaceClient(host=stack.url, token=token, auth_type="pat")
        yield Site(stack, token, workspace, redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock")))


def register(models: list[Any]) -> None:
    """Log each model as the next version of MODEL."""
    import mlflow

    from benchmarks.forests import table

    mlflow.set_experiment("bench")
    for model in models:
        with mlflow.start_run():
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name=MODEL,
                input_example=table()[0].head(3),
                serialization_format="cloudpickle",
            )


def deploy(at: Site, endpoint: str, versions: list[str], *, scale_to_zero: bool = False, size: str = "Small") -> float:
    """Create the endpoint, the first version with SPLIT percent; returns seconds until it was READY."""
    started = time.monotonic()
    create(at, endpoint, versions, scale_to_zero=scale_to_zero, size=size)
    wait_for(lambda: _is_ready(at, endpoint), 120, f"{endpoint} did not become READY", at.stack.log_tails)
    return time.monotonic() - started


def create(at: Site, endpoint: str, versions: list[str], *, scale_to_zero: bool, size: str = "Small") -> None:
    """Send the create call; do not wait."""
    from databricks.sdk.service.serving import EndpointCoreConfigInput, Route, ServedEntityInput, TrafficConfig

    shares = [100] if len(versions) == 1 else [SPLIT, 100 - SPLIT]
    served = [f"v{version}" for version in versions]
    at.workspace.serving_endpoints.create(
        name=endpoint,
        config=EndpointCoreConfigInput(
            name=endpoint,
            served_entities=[
                ServedEntityInput(
                    name=name,
                    entity_name=MODEL,
                    entity_version=version,
                    workload_size=size,
                    scale_to_zero_enabled=scale_to_zero,
                )
                for name, version in zip(served, versions, strict=True)
            ],
            traffic_config=TrafficConfig(
                routes=[
                    Route(served_model_name=name, traffic_percentage=share) for name, share in zip(served, shares, strict=True)
                ]
            ),
        ),
    )


def _is_ready(at: Site, endpoint: str) -> bool:
    """The SDK's own waiter looks every ten seconds; we look all the time."""
    state = at.workspace.serving_endpoints.get(endpoint).state
    if state.config_update and state.config_update.value == "UPDATE_FAILED":
        raise SystemExit(f"{endpoint} could not be deployed.\n{at.stack.log_tails()}")
    return bool(state.ready and state.ready.value == "READY")


def url(at: Site, endpoint: str) -> str:
    return f"{at.stack.url}/serving-endpoints/{endpoint}/invocations"


def create_to_ready_s(at: Site, versions: list[str]) -> list[float]:
    """Each version has never been built: conversion, validation and start of a replica are in the time."""
    return [round(deploy(at, f"fresh-{version}", [version]), 2) for version in versions]


def cold_starts_ms(at: Site, endpoint: str, body: dict[str, Any], expected: list[Any]) -> list[float]:
    """From sending the request to an endpoint at zero until its right answer is there."""
    at.stack.manage("shell", "-c", _SET_CLOCK.format(factor=CLOCK_FACTOR))
    times = []
    with httpx.Client(headers={"Authorization": f"Bearer {at.token}"}, timeout=60) as client:
        client.get(f"{at.stack.url}/healthz")  # the connection is made beforehand
        for _ in range(COLD_STARTS):
            wait_for(lambda: _is_at_zero(at, endpoint), 60, "it did not scale to zero", at.stack.log_tails)
            started = time.perf_counter()
            answer = client.post(url(at, endpoint), json=body)
            times.append(round((time.perf_counter() - started) * 1000, 1))
            if answer.status_code != 200 or answer.json()["predictions"] != expected:
                raise SystemExit(f"A cold start was answered {answer.status_code}: {answer.text}")
    at.stack.manage("shell", "-c", _SET_CLOCK.format(factor=1.0))
    return times


def deploy_neighbours(at: Site) -> None:
    """NEIGHBOURS more endpoints of the first version, each READY once and then at zero."""
    names = [f"neighbour-{number}" for number in range(NEIGHBOURS)]
    for name in names:
        create(at, name, ["1"], scale_to_zero=True)
    at.stack.manage("shell", "-c", _SET_CLOCK.format(factor=CLOCK_FACTOR))
    wait_for(lambda: _all_at_zero(at, names), 600, "the neighbours did not all come up and go to zero", at.stack.log_tails)
    at.stack.manage("shell", "-c", _SET_CLOCK.format(factor=1.0))


def _all_at_zero(at: Site, names: list[str]) -> bool:
    found = [each for each in at.workspace.serving_endpoints.list() if each.name in names]
    ready = all(each.state and each.state.ready and each.state.ready.value == "READY" for each in found)
    return len(found) == len(names) and ready and not any(at.redis.hlen(key) for key in _neighbour_replicas(at))


def _neighbour_replicas(at: Site) -> list[str]:
    from orjson import loads

    keys = list(at.redis.scan_iter("live:endpoint:*:neighbour-*", count=1000))
    entities = [loads(value)["entities"][0]["entity_id"] for value in at.redis.mget(keys)] if keys else []
    return [f"live:replicas:{entity}" for entity in entities]


_SET_CLOCK = (
    "from sandbox.models import User; from sandbox.workspaces.operations import open_workspace; "
    "from sandbox.workspaces.clock import set_factor; "
    "set_factor(open_workspace(User.objects.get(username='learner')), {factor})"
)


def _is_at_zero(at: Site, endpoint: str) -> bool:
    """The state says so and the replica's process has gone."""
    entity = at.workspace.serving_endpoints.get(endpoint).config.served_entities[0]
    said = (entity.state.deployment_state_message or "") if entity.state else ""
    return "zero" in said.lower() and not _replica_pids(at, [_entity_id(at, endpoint)])


def _entity_id(at: Site, endpoint: str) -> str:
    """The served entity's id: the key of its replicas."""
    from orjson import loads

    keys = list(at.redis.scan_iter(f"live:endpoint:*:{endpoint}"))
    return str(loads(at.redis.get(keys[0]))["entities"][0]["entity_id"])


def _replica_pids(at: Site, entity_ids: list[str]) -> list[int]:
    from orjson import loads

    return [loads(value)["pid"] for entity in entity_ids for value in at.redis.hvals(f"live:replicas:{entity}")]


def memory_mb(at: Site, endpoints: list[str]) -> dict[str, Any]:
    """Private memory of idle replicas: worker and jailed runner together, median over the endpoints' replicas."""
    workers = _replica_pids(at, [_entity_id(at, endpoint) for endpoint in endpoints])
    each = [(private_mb(pid), sum(private_mb(child) for child in descendants(pid))) for pid in workers]
    return {
        "replicas": len(each),
        "worker_mb": round(statistics.median(worker for worker, _ in each), 1),
        "runner_mb": round(statistics.median(runner for _, runner in each), 1),
        "together_mb": round(statistics.median(worker + runner for worker, runner in each), 1),
    }


def private_mb(pid: int) -> float:
    """Memory that ending the process would free (USS), from the kernel's account."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:"))) / 1024


def descendants(pid: int) -> list[int]:
    """Its children, their children, and so on."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found
