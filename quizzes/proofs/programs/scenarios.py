"""One program that plays a list of steps on an endpoint of the example model, and the steps that it knows."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from quizzes.proofs.client import DEPLOY_TIMEOUT_S, ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import CHURN, answer_facts, churn_config, customer, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program

ROWS_TIMEOUT_S = 20
SWITCH_TIMEOUT_S = 5
"""How long gateways may take to route by a config that the API already shows as active."""
POLL_S = 0.1
SETTLING = "settling"
"""The `client_request_id` of calls that only wait for a config to be taken up."""
Step = Mapping[str, Any]


@dataclass
class Scene:
    """What the steps share: the endpoint, the facts so far, and how many rows its inference table must come to have."""

    client: ProofClient
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    logged_calls: int = 0
    left_behind: list[tuple[str, str, Any]] = field(default_factory=list)
    """Requests (method, path, body) that take away what the steps registered."""

    @property
    def table(self) -> str:
        return f"main.default.`{self.name}_payload`"

    def report(self, step: Step, **facts: Any) -> None:
        """Keep the facts of a step as `<as>.<fact>`; a step without `as` reports nothing."""
        if label := step.get("as"):
            self.facts |= {f"{label}.{name}": value for name, value in facts.items()}


def play(client: ProofClient, steps: Sequence[Step], start: Mapping[str, Any] | None = None) -> Observation:
    """Deploy the churn model as `start` says, then take the steps one after the other.

    start: `{shares: {version: percent}}`, or `{config: …}` as the API takes it, with `more: …` for fields beside the config;
    nothing deploys version 1. Each step names what it does in `do` (see STEPS) and its facts in `as`.
    """
    scene = Scene(client, client.endpoint_name())
    try:
        _deploy(scene, start or {"shares": {"1": 100}})
        for step in steps:
            STEPS[step["do"]](scene, step)
    finally:
        _tidy(scene)
    return Observation(scene.facts, client.exchanges, scene.rows)


def query(client: ProofClient, statement: str) -> Observation:
    """Run one SELECT that needs no table; facts as those of the step `sql`, without a prefix."""
    scene = Scene(client, "none")
    _sql(scene, {"as": "q", "statement": statement, "wait": False})
    return Observation({name.removeprefix("q."): value for name, value in scene.facts.items()}, client.exchanges, scene.rows)


# --- steps ----------------------------------------------------------------------------------------


def _deploy(scene: Scene, asked: Mapping[str, Any]) -> None:
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
    config = _fill_body(scene, _config(step))
    answer = scene.client.http("PUT", f"/api/2.0/serving-endpoints/{scene.name}/config", config)
    scene.report(step, **answer_facts(answer))
    if answer.status == 200 and step.get("wait", True):
        _wait(scene, step)


def _wait(scene: Scene, _: Step) -> None:
    """Wait until no update is in progress and invocations are answered by the active config. No facts."""
    scene.client.wait_until_ready(scene.name)
    with scene.client.unrecorded():
        described = parsed(scene.client.http("GET", f"/api/2.0/serving-endpoints/{scene.name}")) or {}
    _wait_for_gateway(scene, _shares(described.get("config") or {}))


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


def _call(scene: Scene, step: Step) -> None:
    """Invoke `count` times, along the routes or past them to the served entity `to`.

    Sent is `body`, or `rows` customers with columns `set` or `drop`ped and `extra` fields beside them; another customer with
    each call, or the same with `same`.

    Facts: status, error_code and message of the last call, failed, churn_1 and churn_2 (answers by each), versions_seen,
    served_by, predictions and body_keys of the last call.
    """
    calls = [_one_call(scene, step, number) for number in range(step.get("count", 1))]
    scene.logged_calls += len(calls)
    counts = Counter((served_by(call), call.status) for call in calls)
    by_entity = Counter(served_by(call) for call in calls if call.status == 200)
    body = parsed(calls[-1])
    scene.report(
        step,
        **answer_facts(calls[-1]),
        failed=sum(call.status != 200 for call in calls),
        churn_1=by_entity["churn-1"],
        churn_2=by_entity["churn-2"],
        predictions=body.get("predictions") if isinstance(body, dict) else None,
        body_keys=sorted(body) if isinstance(body, dict) else [],
        served_by=served_by(calls[-1]),
        versions_seen=len([name for name in by_entity if name]),
    )
    scene.rows += [
        {"step": step.get("as", "call"), "answered by": who or "—", "status": status, "calls": count}
        for (who, status), count in counts.items()
    ]


def _one_call(scene: Scene, step: Step, number: int) -> Exchange:
    path = f"/served-models/{step['to']}" if "to" in step else ""
    target = f"/serving-endpoints/{scene.name}{path}/invocations"
    exchange = scene.client.http("POST", target, _body(scene, step, number), headers=step.get("headers"))
    if number > 1:  # the first calls of a series show what the others look like
        scene.client.exchanges.remove(exchange)
    return exchange


def _body(scene: Scene, step: Step, number: int) -> Any:
    """`body` as it stands, or `rows` customers with columns set or dropped in the input form `form`."""
    if "body" in step:
        return step["body"]
    first = step.get("first", 0) + (0 if step.get("same") else number)
    records = [_record(scene, step, first + offset) for offset in range(step.get("rows", 1))]
    extra = dict(step.get("extra", {}))
    if "client_request_id" in step:
        extra["client_request_id"] = f"{step['client_request_id']}-{number + 1}"
    if step.get("form") == "dataframe_split":
        columns = list(records[0])
        return {"dataframe_split": {"columns": columns, "data": [list(record.values()) for record in records]}, **extra}
    return {step.get("form", "dataframe_records"): records, **extra}


def _record(scene: Scene, step: Step, position: int) -> dict[str, Any]:
    record = {**customer(scene.client, position % max(1, len(scene.client.customers))), **step.get("set", {})}
    return {column: value for column, value in record.items() if column not in step.get("drop", ())}


def _request(scene: Scene, step: Step) -> None:
    """Any request of the API; `{name}` and `{id}` stand for the endpoint's. Facts: status, error_code, message, body, keys,
    text; of permissions also direct_users (entries of the group users)."""
    answer = scene.client.http(step["method"], _fill(scene, step["path"]), _fill_body(scene, step.get("body")))
    body = parsed(answer)
    keys = sorted(body) if isinstance(body, dict) else []
    scene.report(step, **answer_facts(answer), body=body, keys=keys, text=answer.response_body, **_permission_facts(body))
    scene.rows.append(row(answer, step=step.get("as", "request")))


def _permission_facts(body: Any) -> dict[str, int]:
    entries = body.get("access_control_list") if isinstance(body, dict) else None
    return {"direct_users": sum(entry.get("group_name") == "users" for entry in entries)} if isinstance(entries, list) else {}


def _fill(scene: Scene, text: str) -> str:
    filled = text.replace("{name}", scene.name).replace("{other}", scene.client.endpoint_name("other"))
    return filled.replace("{id}", _endpoint_id(scene)) if "{id}" in filled else filled


def _fill_body(scene: Scene, body: Any) -> Any:
    """The body with `{name}` and `{other}` (a second endpoint of this run) filled in."""
    if body is None:
        return None
    return json.loads(json.dumps(body).replace("{name}", scene.name).replace("{other}", scene.client.endpoint_name("other")))


def _endpoint_id(scene: Scene) -> str:
    with scene.client.unrecorded():
        return str((parsed(scene.client.http("GET", f"/api/2.0/serving-endpoints/{scene.name}")) or {}).get("id", ""))


def _alias(scene: Scene, step: Step) -> None:
    """Point an alias of the example model, named for this run, to `version`. Facts: status, version (where it now points)."""
    alias = {"name": CHURN, "alias": f"{scene.client.prefix}-{step['alias']}"}
    path = "/api/2.0/mlflow/registered-models/alias"
    scene.left_behind.append(("DELETE", f"{path}?{urlencode(alias)}", None))
    answer = scene.client.http("POST", path, {**alias, "version": step["version"]})
    found = parsed(scene.client.http("GET", f"{path}?{urlencode(alias)}")) or {}
    scene.report(step, **answer_facts(answer), version=(found.get("model_version") or {}).get("version", ""))


def _update_to_unbuildable(scene: Scene, step: Step) -> None:
    """Register a version that names a loader nobody has, update to it, and wait until that has failed.

    Facts: status of the update call.
    """
    model = f"main.default.{scene.client.prefix}-unbuildable"
    with scene.client.unrecorded():
        _register(scene, model, UNBUILDABLE)
    entity = {"name": "unbuildable", "entity_name": model, "entity_version": "1", "workload_size": "Small"}
    path = f"/api/2.0/serving-endpoints/{scene.name}"
    answer = scene.client.http("PUT", f"{path}/config", {"served_entities": [{**entity, "scale_to_zero_enabled": False}]})
    scene.report(step, **answer_facts(answer))
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    with scene.client.unrecorded():
        while (parsed(scene.client.http("GET", path)) or {}).get("state", {}).get("config_update") == "IN_PROGRESS":
            if time.monotonic() > deadline:
                raise ProofCouldNotRun(f"The update of {scene.name} did not end within {DEPLOY_TIMEOUT_S} s.")
            time.sleep(POLL_S)


def _register(scene: Scene, model: str, mlmodel: Mapping[str, Any]) -> None:
    """Version 1 of `model` with nothing but an MLmodel file (JSON is YAML too)."""
    experiment = _mlflow(scene, "experiments/create", {"name": model})["experiment_id"]
    run = _mlflow(scene, "runs/create", {"experiment_id": experiment})["run"]["info"]
    folder = f"{run['artifact_uri']}/model"
    artifacts = f"/api/2.0/mlflow-artifacts/artifacts/{folder.removeprefix('mlflow-artifacts:/')}"
    scene.client.http("PUT", f"{artifacts}/MLmodel", mlmodel)
    _mlflow(scene, "registered-models/create", {"name": model})
    _mlflow(scene, "model-versions/create", {"name": model, "source": folder, "run_id": run["run_id"]})
    scene.left_behind.append(("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": model}))
    scene.left_behind.append(("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment}))


def _mlflow(scene: Scene, call: str, body: Mapping[str, Any]) -> Any:
    answer = scene.client.http("POST", f"/api/2.0/mlflow/{call}", body)
    if answer.status != 200:
        raise ProofCouldNotRun(f"The registry refused {call}: {answer.response_body}")
    return parsed(answer)


def _tidy(scene: Scene) -> None:
    """Take away what the steps registered; endpoints are removed by the client's own `clean_up`."""
    with scene.client.unrecorded():
        for method, path, body in reversed(scene.left_behind):
            scene.client.http(method, path, body)


def _secret(scene: Scene, step: Step) -> None:
    """Keep `value` as secret `key` in a scope named like the endpoint. Facts: status."""
    scene.client.http("POST", "/api/2.0/secrets/scopes/create", {"scope": scene.name})
    scene.left_behind.append(("POST", "/api/2.0/secrets/scopes/delete", {"scope": scene.name}))
    body = {"scope": scene.name, "key": step["key"], "string_value": step["value"]}
    scene.report(step, **answer_facts(scene.client.http("POST", "/api/2.0/secrets/put", body)))


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
        shares=[f"{name}={share}" for name, share in _shares(config).items()],
        tags=sorted(f"{tag['key']}={tag.get('value', '')}" for tag in body.get("tags") or []),
        gateway=sorted(body.get("ai_gateway") or {}),
        permission_level=body.get("permission_level", ""),
        keys=sorted(body),
        shows_needle=step.get("needle", "\0") in answer.response_body,
    )


def _shares(config: Mapping[str, Any]) -> dict[str, int]:
    routes = (config.get("traffic_config") or {}).get("routes") or []
    return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}


def _sql(scene: Scene, step: Step) -> None:
    """Run a SELECT once all calls so far are in the table; `{table}` and `{entity:NAME}` are filled in.

    Facts: state, message, columns, rows (texts), row_count, first_column and value (its first cell), numbers where they are such.
    """
    if step.get("wait", True):
        _wait_for_rows(scene)
    answer = _run_sql(scene, _fill_statement(scene, step["statement"]))
    body = parsed(answer) or {}
    rows = (body.get("result") or {}).get("data_array") or []
    columns = [column["name"] for column in ((body.get("manifest") or {}).get("schema") or {}).get("columns") or []]
    status = body.get("status") or {}
    scene.report(
        step,
        state=status.get("state", ""),
        message=(status.get("error") or {}).get("message", ""),
        columns=columns,
        rows=rows,
        row_count=len(rows),
        value=_number(rows[0][0]) if rows else None,
        first_column=[_number(cells[0]) for cells in rows],
    )
    scene.rows += [dict(zip(columns, cells, strict=False)) for cells in rows[:20]]


def _run_sql(scene: Scene, statement: str) -> Exchange:
    return scene.client.http("POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": "any"})


def _fill_statement(scene: Scene, statement: str) -> str:
    filled = statement.replace("{table}", scene.table)
    if "{entity:" in filled:
        for name, entity_id in _entity_ids(scene).items():
            filled = filled.replace(f"{{entity:{name}}}", entity_id)
    return filled


def _entity_ids(scene: Scene) -> dict[str, str]:
    """The `served_entity_id` of each served entity, read from the table: the answers of each were logged with it."""
    with scene.client.unrecorded():
        found = {}
        for name in ("churn-1", "churn-2"):
            sent = scene.client.http(
                "POST", f"/serving-endpoints/{scene.name}/served-models/{name}/invocations",
                {"dataframe_records": [customer(scene.client)], "client_request_id": f"who-is-{name}"},
            )  # fmt: skip
            if sent.status == 200:
                scene.logged_calls += 1
                found[name] = ""
        _wait_for_rows(scene)
        for name in found:
            asked = f"SELECT served_entity_id FROM {scene.table} WHERE client_request_id = 'who-is-{name}'"  # noqa: S608 - our text
            found[name] = (parsed(_run_sql(scene, asked)) or {})["result"]["data_array"][0][0]
    return found


def _wait_for_rows(scene: Scene) -> None:
    """Until the inference table holds every call of this scene."""
    deadline = time.monotonic() + ROWS_TIMEOUT_S
    with scene.client.unrecorded():
        while time.monotonic() < deadline:
            body = parsed(_run_sql(scene, f"SELECT count(*) FROM {scene.table}")) or {}  # noqa: S608 - our own text
            rows = (body.get("result") or {}).get("data_array") or [["0"]]
            if int(rows[0][0]) >= scene.logged_calls:
                return
            time.sleep(POLL_S)
    raise ProofCouldNotRun(f"The inference table did not get its {scene.logged_calls} rows within {ROWS_TIMEOUT_S} s.")


def _number(text: Any) -> Any:
    """The number that a text says, an int where it is whole; else the text."""
    try:
        return int(text) if str(text).lstrip("-").isdigit() else round(float(text), 4)
    except (TypeError, ValueError):
        return text


UNBUILDABLE = {
    "flavors": {"python_function": {"loader_module": "a_module_that_nobody_has", "python_version": "3.11.7"}},
    "signature": {"inputs": '[{"type": "double", "name": "a"}]', "outputs": '[{"type": "double"}]'},
}
"""An MLmodel file whose model no build can load."""

STEPS: dict[str, Callable[[Scene, Step], None]] = {
    "update": _update,
    "wait": _wait,
    "call": _call,
    "request": _request,
    "alias": _alias,
    "update_to_unbuildable": _update_to_unbuildable,
    "secret": _secret,
    "describe": _describe,
    "sql": _sql,
}

PROGRAMS: dict[str, Program] = {
    "play": Program(play, needs_models=True),
    "query": Program(query, needs_models=False),
}
