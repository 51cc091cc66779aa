"""What clients send to an entity that looks features up, and what a feature spec answers: for the query schema and panel."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.features.plan import LookupPlan
from sandbox.serving.models import ServedEntity

Json = dict[str, Any]
_LOGGED_TYPES = {"tinyint": "integer", "smallint": "integer", "int": "integer", "bigint": "long", "decimal": "double"}
_LOGGED_TYPES |= {name: name for name in ("float", "double", "boolean", "string", "binary")}
_LOGGED_TYPES |= dict.fromkeys(("date", "timestamp", "timestamp_ntz"), "datetime")


def plan_of(entity: ServedEntity) -> LookupPlan | None:
    """None before it was deployed, and for an entity that looks nothing up."""
    return LookupPlan.from_dict(entity.lookups) if entity.lookups else None


def sent_columns(plan: LookupPlan, logged: Sequence[Mapping[str, Any]] = ()) -> list[Json]:
    """The columns of a request as inputs of a signature: those that the model was logged with as they are there."""
    known = {each.get("name"): dict(each) for each in logged}
    return [known.get(name) or {**_described(plan, name), "required": True} for name in plan.sent]


def answered_columns(plan: LookupPlan) -> list[Json]:
    """The columns of each object in `outputs`."""
    return [_described(plan, name) for name in plan.inputs]


def _described(plan: LookupPlan, name: str) -> Json:
    return {"name": name, "type": _logged_type(plan.types.get(name, ""))}


def _logged_type(kind: str) -> str:
    """MLflow's name of a SQL type; empty for nested ones."""
    return _LOGGED_TYPES.get(kind.partition("(")[0], "")
