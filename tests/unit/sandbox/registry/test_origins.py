"""Lineage of versions: what the client named, what it emits, and tables that exist."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import UC, Rest
from .test_life_of_a_version import upload

NAME = "main.default.churn"


@pytest.fixture
def tables(ada: Rest, redis: Any) -> Rest:
    """The tables main.default.customers and main.default.scored, the function main.default.distance, and the endpoint chat."""
    from sandbox import live
    from sandbox.catalog import securables
    from sandbox.models import Securable

    securables.workspace_catalog(ada.workspace)
    schema = Securable.objects.get(workspace=ada.workspace, full_name="main.default")
    for kind, name in (("TABLE", "customers"), ("TABLE", "scored"), ("FUNCTION", "distance")):
        securables.add(securables.SecurableType(kind), f"main.default.{name}", parent=schema, owner="ada@example.org")
    ada.ok("POST", UC + "registered-models/create", {"name": NAME})
    chat = live.LiveEndpoint(ada.workspace.id, "e-1", "chat", 1, "", (), (), "", may_query=frozenset({str(ada.user.pk)}))
    redis.set(chat.key, chat.to_json())
    return ada


def edges(rest: Rest) -> set[tuple[str, str]]:
    from sandbox.models import LineageEdge

    return set(LineageEdge.objects.filter(workspace=rest.workspace).values_list("source_name", "target_name"))


def test_what_a_client_says_its_model_depends_on_is_lineage(tables: Rest, model_dir: Callable[..., Path]) -> None:
    spec = "input_tables:\n- main.default.Customers: {}\ninput_functions:\n- main.default.distance\n- main.default.nothing: {}\n"
    dependencies = [{"type": "DATABRICKS_MODEL_ENDPOINT", "name": "chat"}, {"type": "DATABRICKS_UC_CONNECTION", "name": "x"}]
    dependencies += [{"type": "DATABRICKS_TABLE", "name": "main.default.not_there"}]
    dependencies += [{"type": "DATABRICKS_MODEL_ENDPOINT", "name": "not-there"}]
    body: dict[str, Any] = {
        "name": NAME, "source": "models:/m-1", "feature_deps": spec, "model_version_dependencies": dependencies, "run_id": "r1"
    }  # fmt: skip
    version = tables.ok("POST", UC + "model-versions/create", body)["model_version"]["version"]
    assert edges(tables) == set()
    upload(tables, version, model_dir())
    tables.ok("POST", UC + "model-versions/finalize", {"name": NAME, "version": version})  # the run cannot be asked now
    made = f"{NAME}/1"
    assert edges(tables) == {("main.default.customers", made), ("main.default.distance", made), ("chat", made), ("r1", made)}


def test_a_member_states_only_what_she_may_know_of(tables: Rest, bob: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.catalog.models import Grant, ModelVersion, Securable

    model = Securable.objects.get(workspace=tables.workspace, full_name=NAME)
    Grant.objects.create(securable=model, principal="bob@example.org", privilege="CREATE_MODEL_VERSION")
    Grant.objects.create(securable=model, principal="bob@example.org", privilege="EXECUTE")
    Grant.objects.create(
        securable=Securable.objects.get(workspace=tables.workspace, full_name="main.default.scored"),
        principal="bob@example.org",
        privilege="SELECT",
    )
    Grant.objects.filter(principal="users").exclude(privilege__startswith="USE_").delete()
    names = ["main.default.customers", "main.default.`Scored`"]
    stated = [{"type": "DATABRICKS_TABLE", "name": name} for name in names]
    stated += [{"type": "DATABRICKS_MODEL_ENDPOINT", "name": "chat"}]
    body = {"name": NAME, "source": "", "model_version_dependencies": stated, "feature_deps": "[main.default.distance]"}
    version = bob.ok("POST", UC + "model-versions/create", body)["model_version"]["version"]
    assert ModelVersion.objects.get(registered_model=model).dependencies == stated
    upload(bob, version, model_dir())
    bob.ok("POST", UC + "model-versions/finalize", {"name": NAME, "version": version})
    for name in names:
        used = {"name": NAME, "version": version, "model_version_lineage_info": {}, "securable": {"table": {"name": name}}}
        bob.ok("POST", UC + "model-versions/emit-lineage", used)
    assert edges(tables) == {("main.default.scored", f"{NAME}/1")}


def test_a_version_names_a_hundred_dependencies_at_most(tables: Rest) -> None:
    many = [{"type": "DATABRICKS_TABLE", "name": f"main.default.t{number}"} for number in range(101)]
    body = {"name": NAME, "source": "", "model_version_dependencies": many}
    assert tables.refused("POST", UC + "model-versions/create", body) == (400, "INVALID_PARAMETER_VALUE")
    spec = " ".join(f"main.default.f{number}" for number in range(10_000))  # more than a database takes in one question
    tables.ok("POST", UC + "model-versions/create", {"name": NAME, "source": "", "feature_deps": spec})


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
