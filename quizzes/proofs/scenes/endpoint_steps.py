"""Steps that change or read the endpoint itself."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from quizzes.proofs.client import ProofCouldNotRun
from quizzes.proofs.facts import answer_facts, churn_config, customer, parsed, row, served_by
from quizzes.proofs.scenes.scene import POLL_S, Scene, Step, endpoint, fill, fill_body, shares_of

SWITCH_TIMEOUT_S = 5
"""How long gateways may take to route by a config that the API already shows as active."""
SETTLING = "settling"
"""The `client_request_id` of calls that only wait for a config to be taken up."""


def deploy(scene: Scene, asked: Mapping[str, Any]) -> None:
    """Create the endpoint as `start` of a scene asks and wait until it is ready."""
    body = {"name": scene.name, "config": _config(asked), **asked.get("more", {})}
    created = scene.client.http("POST", "/api/2.0/serving-endpoints", body)
    if created.status != 200:
        raise ProofCouldNotRun(f"The endpoint of this proof was refused: {created.response_body}")
    scene.client.wait_until_ready(scene.name)


def _config(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    config: Mapping[str, Any] = asked["config"] if "config" in asked else churn_config(asked["shares"])
    return config


def _update(scene: Scene, step: Step) -> None:
    """PUT another config (`shares` or `config`), and unless `wait` is false wait until it answers.

    Facts: status, error_code, message.
    """
    config = fill_body(scene, _config(step))
    answer = scene.client.http("PUT", f"/api/2.0/serving-endpoints/{scene.name}/config", config)
    scene.report(step, **answer_facts(answer))
    if answer.status == 200 and step.get("wait", True):
        _wait(scene, step)


def _wait(scene: Scene, _: Step) -> None:
    """Wait until no update is in progress and invocations are answered by the active config. No facts."""
    scene.client.wait_until_ready(scene.name)
    _wait_for_gateway(scene, shares_of(endpoint(scene).get("config") or {}))


def _wait_for_gateway(scene: Scene, shares: Mapping[str, int]) -> None:
    """Until each entity answers when it is asked for, and the one with all the traffic, if there is one, answers the rest."""
    deadline = time.monotonic() + SWITCH_TIMEOUT_S
    alone = [name for name, share in shares.items() if share == 100]
    body = {"dataframe_records": [customer(scene.client)], "client_request_id": SETTLING}
    with scene.client.unrecorded():
        while time.monotonic() < deadline:
            answers = [scene.client.invoke(scene.name, body)]
            paths = [f"/serving-endpoints/{scene.name}/served-models/{name}/invocations" for name in shares]
            answers += [scene.client.http("POST", path, body) for path in paths]
            scene.logged_calls += sum(answer.status == 200 for answer in answers)
            if all(answer.status == 200 for answer in answers) and (not alone or served_by(answers[0]) in alone):
                return
            time.sleep(POLL_S)


def _request(scene: Scene, step: Step) -> None:
    """Any request of the API, with placeholders in `path` and `body`.

    Facts: status, error_code, message, body, keys, text; of permissions also direct_users (entries of the group users).
    """
    answer = scene.client.http(step["method"], fill(scene, step["path"]), fill_body(scene, step.get("body")))
    body = parsed(answer)
    keys = sorted(body) if isinstance(body, dict) else []
    scene.report(step, **answer_facts(answer), body=body, keys=keys, text=answer.response_body, **_permission_facts(body))
    scene.rows.append(row(answer, step=step.get("as", "request")))


def _permission_facts(body: Any) -> dict[str, int]:
    entries = body.get("access_control_list") if isinstance(body, dict) else None
    return {"direct_users": sum(entry.get("group_name") == "users" for entry in entries)} if isinstance(entries, list) else {}


def _describe(scene: Scene, step: Step) -> None:
    """GET the endpoint and look for `needle` in it.

    Facts: status, error_code, state_keys, ready, update, config_version, entities, versions, shares (name=percent),
    pending_version (0: none), pending_versions, tags (key=value), gateway (names of its parts), permission_level, keys,
    shows_needle.
    """
    answer = scene.client.http("GET", f"/api/2.0/serving-endpoints/{scene.name}")
    body = parsed(answer) or {}
    config, pending = body.get("config") or {}, body.get("pending_config") or {}
    entities = config.get("served_entities") or []
    scene.report(
        step,
        **answer_facts(answer),
        state_keys=sorted(body.get("state", {})),
        ready=body.get("state", {}).get("ready", ""),
        update=body.get("state", {}).get("config_update", ""),
        config_version=config.get("config_version", 0),
        pending_version=pending.get("config_version", 0),
        pending_versions=[entity.get("entity_version", "") for entity in pending.get("served_entities") or []],
        entities=[entity["name"] for entity in entities],
        versions=[entity.get("entity_version", "") for entity in entities],
        shares=[f"{name}={share}" for name, share in shares_of(config).items()],
        tags=sorted(f"{tag['key']}={tag.get('value', '')}" for tag in body.get("tags") or []),
        gateway=sorted(body.get("ai_gateway") or {}),
        permission_level=body.get("permission_level", ""),
        keys=sorted(body),
        shows_needle=step.get("needle", "\0") in answer.response_body,
    )


STEPS: dict[str, Callable[[Scene, Step], None]] = {
    "update": _update,
    "wait": _wait,
    "request": _request,
    "describe": _describe,
}
