"""Setup, reference solution and cleanup of labs by name; the solution uses the same API as a learner."""

from collections.abc import Callable

from quizzes.labs.specification import LabSpec
from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from sandbox import public

SOLUTION_REQUESTS = 160


def install_example_models(workspace_id: str) -> None:
    """Register the example models, each version once."""
    public.install_example_models(workspace_id)


def deploy_and_send(client: ProofClient, spec: LabSpec, workspace_id: str) -> None:
    """The reference solution: champion and challenger at 80/20, then requests."""
    versions = {
        "champion": public.resolve_alias(workspace_id, spec.model, spec.champion_alias),
        "challenger": public.resolve_alias(workspace_id, spec.model, spec.challenger_alias),
    }
    entities = [
        {
            "name": name,
            "entity_name": spec.model,
            "entity_version": version,
            "workload_size": "Small",
            "scale_to_zero_enabled": False,
        }
        for name, version in versions.items()
    ]
    routes = [
        {"served_entity_name": "champion", "traffic_percentage": 80},
        {"served_entity_name": "challenger", "traffic_percentage": 20},
    ]
    config = {"served_entities": entities, "traffic_config": {"routes": routes}}
    remove_endpoint(client, spec)
    client.deploy(spec.endpoint, config)
    send_requests(client, spec.endpoint, SOLUTION_REQUESTS)


def send_requests(client: ProofClient, endpoint: str, count: int) -> None:
    """`count` single-row requests, one after the other."""
    with client.unrecorded():
        for number in range(count):
            row = client.customers[number % len(client.customers)]
            answer = client.invoke(endpoint, {"dataframe_records": [dict(row)]})
            if answer.status != 200:
                raise ProofCouldNotRun(f"A request of the solution was answered {answer.status}: {answer.response_body[:300]}")


def remove_endpoint(client: ProofClient, spec: LabSpec) -> None:
    """Delete the lab's endpoint; a missing one is fine."""
    with client.unrecorded():
        client.http("DELETE", f"/api/2.0/serving-endpoints/{spec.endpoint}")


SETUPS: dict[str, Callable[[str], None]] = {"install_example_models": install_example_models}
SOLUTIONS: dict[str, Callable[[ProofClient, LabSpec, str], None]] = {"deploy_and_send": deploy_and_send}
CLEANUPS: dict[str, Callable[[ProofClient, LabSpec], None]] = {"remove_endpoint": remove_endpoint}
