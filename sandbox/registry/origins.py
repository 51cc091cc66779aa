"""What a version was made from, as lineage: its run, the tables that the run read, and what its client said it depends on."""

import json
import logging
import re
from typing import Any

from sandbox.catalog import lineage
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import ModelVersion, Securable, SecurableType
from sandbox.errors import ApiError
from sandbox.registry import mlflow_store
from sandbox.workspaces.models import Workspace

log = logging.getLogger(__name__)

MAX_FEATURE_TEXT = 200_000
_THREE_LEVELS = re.compile(r"(?<![\w.`-])[\w-]+\.[\w-]+\.[\w-]+(?![\w.-])")
_KINDS = {
    "DATABRICKS_TABLE": Kind.TABLE,
    "DATABRICKS_VECTOR_INDEX": Kind.TABLE,
    "DATABRICKS_UC_FUNCTION": Kind.FUNCTION,
    "DATABRICKS_MODEL_ENDPOINT": Kind.ENDPOINT,
}


def node_of(version: ModelVersion) -> Node:
    return Node(Kind.MODEL_VERSION, f"{version.registered_model.full_name}/{version.version}")


def note_origins(version: ModelVersion) -> None:
    """Record the lineage of a version that has become READY; what cannot be found out is left out."""
    workspace, target = version.registered_model.workspace, node_of(version)
    for dependency in version.dependencies:
        kind = _KINDS.get(dependency.get("type", ""))
        if kind is not None:
            lineage.record(workspace, Node(kind, dependency["name"]), target)
    if version.run_id:
        run = Node(Kind.RUN, version.run_id)
        lineage.record(workspace, run, target)
        for table in _tables_of_run(workspace, version.run_id):
            lineage.record(workspace, Node(Kind.TABLE, table), run)
            lineage.record(workspace, Node(Kind.TABLE, table), target)


def feature_dependencies(workspace: Workspace, feature_deps: str) -> list[dict[str, str]]:
    """The workspace's tables and functions that a feature specification names, as dependencies."""
    names = {name.lower() for name in _THREE_LEVELS.findall(feature_deps[:MAX_FEATURE_TEXT])}
    kinds = {SecurableType.TABLE: "DATABRICKS_TABLE", SecurableType.FUNCTION: "DATABRICKS_UC_FUNCTION"}
    found = Securable.objects.filter(workspace=workspace, securable_type__in=list(kinds), full_name__in=names)
    pairs = found.order_by("full_name").values_list("securable_type", "full_name")
    return [{"type": kinds[SecurableType(kind)], "name": name} for kind, name in pairs]


def note_use(workspace: Workspace, version: ModelVersion, table: str, *, downstream: bool) -> None:
    """Record that a table was made with the version, or the other way round; of a table that is not there nothing is kept."""
    known = Securable.objects.filter(workspace=workspace, securable_type=SecurableType.TABLE, full_name=table.lower())
    if known.exists():
        ends = (node_of(version), Node(Kind.TABLE, table.lower()))
        lineage.record(workspace, *(ends if downstream else reversed(ends)))


def _tables_of_run(workspace: Workspace, run_id: str) -> list[str]:
    """Full names of the tables that were logged as inputs of the run."""
    try:
        inputs = mlflow_store.store().run_inputs(workspace.id, run_id)
    except ApiError as error:
        log.info("no inputs of run %s: %s", run_id, error.message)
        return []
    names = {name for each in inputs if (name := _table_of(each.get("dataset", {})))}
    known = Securable.objects.filter(workspace=workspace, securable_type=SecurableType.TABLE, full_name__in=names)
    return sorted(known.values_list("full_name", flat=True))


def _table_of(dataset: dict[str, Any]) -> str:
    """The table of a Delta dataset (`mlflow.data.load_delta(table_name=…)`); empty for every other source."""
    try:
        source = json.loads(dataset.get("source", ""))
    except ValueError:
        return ""
    name = source.get("delta_table_name") if isinstance(source, dict) else None
    return str(name).replace("`", "").lower() if name else ""
