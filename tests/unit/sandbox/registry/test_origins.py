"""Lineage of versions: what the client named, what it emits, and tables that exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import UC, Rest
from .test_life_of_a_version import upload

NAME = "main.default.churn"


@pytest.fixture
def tables(ada: Rest) -> Rest:
    """The tables main.default.customers and main.default.scored, and the function main.default.distance."""
    from sandbox.catalog import securables
    from sandbox.models import Securable

    securables.workspace_catalog(ada.workspace)
    schema = Securable.objects.get(workspace=ada.workspace, full_name="main.default")
    for kind, name in (("TABLE", "customers"), ("TABLE", "scored"), ("FUNCTION", "distance")):
        securables.add(securables.SecurableType(kind), f"main.default.{name}", parent=schema, owner="ada@example.org")
    ada.ok("POST", UC + "registered-models/create", {"name": NAME})
    return ada


def edges(rest: Rest) -> set[tuple[str, str]]:
    from sandbox.models import LineageEdge

    return set(LineageEdge.objects.filter(workspace=rest.workspace).values_list("source_name", "target_name"))


def test_what_a_client_says_its_model_depends_on_is_lineage(tables: Rest, model_dir: Callable[..., Path]) -> None:
    spec = "input_tables:\n- main.default.Customers: {}\ninput_functions:\n- main.default.distance\n- main.default.nothing: {}\n"
    dependencies = [{"type": "DATABRICKS_MODEL_ENDPOINT", "name": "chat"}, {"type": "DATABRICKS_UC_CONNECTION", "name": "x"}]
    body: dict[str, Any] = {
        "name": NAME, "source": "models:/m-1", "feature_deps": spec, "model_version_dependencies": dependencies, "run_id": "r1"
    }  # fmt: skip
    version = tables.ok("POST", UC + "model-versions/create", body)["model_version"]["version"]
    assert edges(tables) == set()
    upload(tables, version, model_dir())
    tables.ok("POST", UC + "model-versions/finalize", {"name": NAME, "version": version})  # the run cannot be asked now
    made = f"{NAME}/1"
    assert edges(tables) == {("main.default.customers", made), ("main.default.distance", made), ("chat", made), ("r1", made)}


def test_emitted_lineage_of_tables_is_kept(tables: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry import store

    store.register_directory(tables.workspace.id, NAME, model_dir())

    def emit(direction: str, table: Any) -> None:
        info = {"entities": [{"job": {"id": "1"}}], "direction": direction}
        body = {"name": NAME, "version": "1", "model_version_lineage_info": info, "securable": {"table": {"name": table}}}
        tables.ok("POST", UC + "model-versions/emit-lineage", body)

    emit("DOWNSTREAM", "main.default.Scored")
    emit("UPSTREAM", "main.default.customers")
    emit("DOWNSTREAM", "main.default.nothing")
    emit("DOWNSTREAM", 7)
    assert edges(tables) == {(f"{NAME}/1", "main.default.scored"), ("main.default.customers", f"{NAME}/1")}
    bad = {"name": NAME, "version": "1", "model_version_lineage_info": [], "securable": "x"}
    assert tables.refused("POST", UC + "model-versions/emit-lineage", bad) == (400, "INVALID_PARAMETER_VALUE")
