"""Steps that invoke the endpoint and read what was logged of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from quizzes.proofs.facts import answer_facts, customer, parsed, served_by
from quizzes.proofs.observation import Exchange
from quizzes.proofs.scenes.scene import Scene, Step


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


def run_select(scene: Scene, step: Step) -> None:
    """Run a SELECT once all calls so far are in the table; `{table}` and `{entity:NAME}` are filled in.

    Facts: state, message, columns, rows (texts), row_count, first_column and value (its first cell), numbers where they are such.
    """
    if step.get("wait", True):
        scene.client.wait_for_rows(scene.name, scene.logged_calls)
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
        value=number_of(rows[0][0]) if rows else None,
        first_column=[number_of(cells[0]) for cells in rows],
    )
    scene.rows += [dict(zip(columns, cells, strict=False)) for cells in rows[:20]]


def _run_sql(scene: Scene, statement: str) -> Exchange:
    return scene.client.http("POST", "/api/2.0/sql/statements", {"statement": statement, "warehouse_id": "sandbox"})


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
        scene.client.wait_for_rows(scene.name, scene.logged_calls)
        for name in found:
            asked = f"SELECT served_entity_id FROM {scene.table} WHERE client_request_id = 'who-is-{name}'"  # noqa: S608 - our text
            found[name] = (parsed(_run_sql(scene, asked)) or {})["result"]["data_array"][0][0]
    return found


def number_of(text: Any) -> Any:
    """The number that a text says, an int where it is whole; else the text."""
    try:
        return int(text) if str(text).lstrip("-").isdigit() else round(float(text), 4)
    except (TypeError, ValueError):
        return text


STEPS: dict[str, Callable[[Scene, Step], None]] = {"call": _call, "sql": run_select}
