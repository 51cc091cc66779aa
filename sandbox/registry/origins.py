"""What a version was made from, as lineage: its run, the tables that the run read, and what its client said it depends on."""

import json
import logging
import re
from typing import Any

from redis.exceptions import RedisError

from sandbox import live
from sandbox.catalog import access, lineage
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import ModelVersion, Securable, SecurableType
from sandbox.connections import redis_client
from sandbox.errors import ApiError, InvalidParameterValue
from sandbox.registry import mlflow_store
from sandbox.workspaces.members import Caller

log = logging.getLogger(__name__)

MAX_FEATURE_TEXT = 200_000
MAX_DEPENDENCIES = 100
_THREE_LEVELS = re.compile(r"(?<![\w.`-])[\w-]+\.[\w-]+\.[\w-]+(?![\w.-])")
_KINDS = {
    "DATABRICKS_TABLE": Kind.TABLE,
    "DATABRICKS_VECTOR_INDEX": Kind.TABLE,
    "DATABRICKS_UC_FUNCTION": Kind.FUNCTION,
    "DATABRICKS_MODEL_ENDPOINT": Kind.ENDPOINT,
}


def node_of(version: ModelVersion) -> Node:
    return Node(Kind.MODEL_VERSION, f"{version.registered_model.full_name}/{version.version}")


def checked_dependencies(caller: Caller, stated: list[dict[str, str]], feature_deps: str) -> list[dict[str, str]]:
    """What a client says that its version depends on, with the tables and functions that its feature specification names.

    Raises InvalidParameterValue for more than `MAX_DEPENDENCIES`.
    """
    found = stated + _feature_dependencies(caller, feature_deps)
    if len(found) > MAX_DEPENDENCIES:
        raise InvalidParameterValue(f"A model version names at most {MAX_DEPENDENCIES} dependencies, not {len(found)}.")
    return found


def note_origins(caller: Caller, version: ModelVersion) -> None:
    """Record the lineage of a version that has become READY, as far as the caller may know of what it was made from.

    Whatever else a client states is kept with the version and shown there; what cannot be found out is left out.
    """
    workspace, target = version.registered_model.workspace, node_of(version)
    for source in _known(caller, [Node(_KINDS[each["type"]], each["name"]) for each in version.dependencies if _is_kept(each)]):
        lineage.record(workspace, source, target)
    if version.run_id:
        run = Node(Kind.RUN, version.run_id)
        lineage.record(workspace, run, target)
        for table in _tables_of_run(caller, version.run_id):
            lineage.record(workspace, table, run)
            lineage.record(workspace, table, target)


def note_use(caller: Caller, version: ModelVersion, table: str, *, downstream: bool) -> None:
    """Record that a table was made with the version, or the other way round, if the caller may know of the table."""
    for known in _known(caller, [Node(Kind.TABLE, table)]):
        ends = (node_of(version), known)
        lineage.record(caller.workspace, *(ends if downstream else reversed(ends)))


def _is_kept(dependency: dict[str, str]) -> bool:
    return dependency.get("type", "") in _KINDS


def _known(caller: Caller, nodes: list[Node]) -> list[Node]:
    """Those of the nodes that are in the workspace and that the caller may know of; names in the form that is kept."""
    found = [node for node in nodes if node.kind == Kind.ENDPOINT and _may_call(caller, node.name)]
    for kind, securable_type in ((Kind.TABLE, SecurableType.TABLE), (Kind.FUNCTION, SecurableType.FUNCTION)):
        names = {node.name.replace("`", "").lower() for node in nodes if node.kind == kind}
        if names:
            there = Securable.objects.filter(workspace=caller.workspace, securable_type=securable_type, full_name__in=names)
            found += [Node(kind, each) for each in sorted(access.visible(caller, there).values_list("full_name", flat=True))]
    return found


def _may_call(caller: Caller, endpoint: str) -> bool:
    """Gateways know who may; while they cannot be asked nobody may."""
    keys = [live.endpoint_key(owner, endpoint) for owner in (caller.workspace.id, live.SYSTEM_WORKSPACE)]
    try:
        snapshot = next((each for each in redis_client().mget(keys) if each), None)
    except RedisError as error:
        log.info("whether endpoint %s is there is not known: %s", endpoint, error)
        return False
    return snapshot is not None and live.LiveEndpoint.from_json(snapshot).allows(str(caller.user.pk))


def _feature_dependencies(caller: Caller, feature_deps: str) -> list[dict[str, str]]:
    """The tables and functions that a feature specification names, as far as the caller may know of them."""
    names = sorted({name.lower() for name in _THREE_LEVELS.findall(feature_deps[:MAX_FEATURE_TEXT])})[:MAX_DEPENDENCIES]
    nodes = _known(caller, [Node(kind, name) for name in names for kind in (Kind.TABLE, Kind.FUNCTION)])
    types = {Kind.TABLE: "DATABRICKS_TABLE", Kind.FUNCTION: "DATABRICKS_UC_FUNCTION"}
    return [{"type": types[Kind(node.kind)], "name": node.name} for node in nodes]


def _tables_of_run(caller: Caller, run_id: str) -> list[Node]:
    """The tables that were logged as inputs of the run."""
    try:
        inputs = mlflow_store.store().run_inputs(caller.workspace.id, run_id)
    except ApiError as error:
        log.info("no inputs of run %s: %s", run_id, error.message)
        return []
    names = sorted({name for each in inputs if (name := _table_of(each.get("dataset", {})))})
    return _known(caller, [Node(Kind.TABLE, name) for name in names[:MAX_DEPENDENCIES]])


def _table_of(dataset: dict[str, Any]) -> str:
    """The table of a Delta dataset (`mlflow.data.load_delta(table_name=…)`); empty for every other source."""
    try:
        source = json.loads(dataset.get("source", ""))
    except ValueError:
        return ""
    name = source.get("delta_table_name") if isinstance(source, dict) else None
    return str(name) if name else ""
