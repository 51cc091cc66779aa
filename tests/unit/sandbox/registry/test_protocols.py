"""Models, versions and aliases over the three protocols: shapes, error codes, and what one protocol sees of another's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import CATALOG, OSS, UC, UNSIGNED, Rest

NAME = "main.default.churn"


def test_a_model_is_created_found_changed_and_deleted(ada: Rest) -> None:
    body = {"name": "Main.Default.Churn", "description": "who leaves", "tags": [{"key": "team", "value": "retention"}]}
    created = ada.ok("POST", UC + "registered-models/create", body)["registered_model"]
    assert (created["name"], created["description"]) == (NAME, "who leaves")
    assert created["tags"] == [{"key": "team", "value": "retention"}]
    assert ada.refused("POST", UC + "registered-models/create", body) == (409, "RESOURCE_ALREADY_EXISTS")
    assert ada.refused("POST", OSS + "registered-models/create", body) == (409, "RESOURCE_ALREADY_EXISTS")
    changed = ada.ok("PATCH", UC + "registered-models/update", {"name": NAME, "new_name": "main.default.leavers"})
    assert changed["registered_model"]["name"] == "main.default.leavers"
    assert changed["registered_model"]["description"] == "who leaves"
    assert ada.refused("GET", UC + "registered-models/get", name=NAME) == (404, "RESOURCE_DOES_NOT_EXIST")
    found = ada.ok("GET", OSS + "registered-models/get", name="main.default.leavers")["registered_model"]
    assert found["tags"] == [{"key": "team", "value": "retention"}]
    assert "latest_versions" not in found
    ada.ok("DELETE", OSS + "registered-models/delete-tag", {"name": "main.default.leavers", "key": "team"})
    info = ada.ok("PATCH", CATALOG + "models/main.default.leavers", {"comment": "now", "new_name": "churn"})
    assert (info["full_name"], info["name"], info["schema_name"], info["comment"]) == (NAME, "churn", "default", "now")
    assert ada.ok("DELETE", CATALOG + f"models/{NAME}") == {}
    assert ada.ok("GET", OSS + "registered-models/search") == {}


def test_a_model_of_the_workspace_registry_keeps_its_case_and_is_not_in_the_catalog(ada: Rest) -> None:
    created = ada.ok("POST", OSS + "registered-models/create", {"name": "My Churn"})["registered_model"]
    assert created["name"] == "My Churn"
    assert ada.refused("GET", OSS + "registered-models/get", name="my churn") == (404, "RESOURCE_DOES_NOT_EXIST")
    status, answer = ada.call("GET", UC + "registered-models/get", name="My Churn")
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "specify all three levels" in answer["message"]
    assert ada.refused("GET", CATALOG + "models/churn") == (404, "RESOURCE_DOES_NOT_EXIST")
    assert ada.ok("GET", CATALOG + "models") == {"registered_models": []}
    renamed = ada.ok("POST", OSS + "registered-models/rename", {"name": "My Churn", "new_name": "Churn 2"})
    assert renamed["registered_model"]["name"] == "Churn 2"


def test_aliases_are_found_in_any_case_and_shown_as_written(churn: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry import store

    store.register_directory(churn.workspace.id, NAME, model_dir(name="second"))
    churn.ok("POST", UC + "registered-models/alias", {"name": NAME, "alias": "Champion", "version": "1"})
    for path, alias in ((OSS, "champion"), (UC, "CHAMPION")):
        found = churn.ok("GET", path + "registered-models/alias", name=NAME, alias=alias)["model_version"]
        assert found["version"] == "1"
    info = churn.ok("PUT", CATALOG + f"models/{NAME}/aliases/champion", {"version_num": 2})
    assert (info["alias_name"], info["version_num"]) == ("champion", 2)
    assert churn.ok("GET", UC + "registered-models/get", name=NAME)["registered_model"]["aliases"] == [
        {"alias": "champion", "version": "2"}
    ]
    assert churn.ok("GET", CATALOG + f"models/{NAME}/aliases/Champion")["version"] == 2
    version = churn.ok("GET", CATALOG + f"models/{NAME}/versions/2", include_aliases="true")
    assert [each["alias_name"] for each in version["aliases"]] == ["champion"]
    churn.ok("DELETE", CATALOG + f"models/{NAME}/aliases/CHAMPION")
    assert churn.refused("DELETE", CATALOG + f"models/{NAME}/aliases/champion") == (404, "RESOURCE_DOES_NOT_EXIST")
    assert churn.refused("GET", OSS + "registered-models/alias", name=NAME, alias="champion") == (404, "RESOURCE_DOES_NOT_EXIST")
    churn.ok("DELETE", OSS + "registered-models/alias", {"name": NAME, "alias": "champion"})  # MLflow minds it not


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "a b", "a/b", "ä", "", "a" * 256, "x;--"])
def test_an_alias_that_mlflow_would_not_take_is_refused(churn: Rest, alias: str) -> None:
    body = {"name": NAME, "alias": alias, "version": "1"}
    assert churn.refused("POST", OSS + "registered-models/alias", body) == (400, "INVALID_PARAMETER_VALUE")


def test_a_version_is_shown_by_all_three(churn: Rest) -> None:
    churn.ok("POST", OSS + "model-versions/set-tag", {"name": NAME, "version": "1", "key": "run.kind", "value": "nightly"})
    churn.ok("PATCH", UC + "model-versions/update", {"name": NAME, "version": "1", "description": "good"})
    of_mlflow = churn.ok("GET", OSS + "model-versions/get", name=NAME, version="1")["model_version"]
    of_uc = churn.ok("GET", UC + "model-versions/get", name=NAME, version="1")["model_version"]
    of_catalog = churn.ok("GET", CATALOG + f"models/{NAME}/versions/1")
    for shown in (of_mlflow, of_uc):
        assert (shown["version"], shown["status"], shown["description"]) == ("1", "READY", "good")
        assert shown["tags"] == [{"key": "run.kind", "value": "nightly"}]
    assert of_mlflow["current_stage"] == "None"
    assert (of_catalog["version"], of_catalog["status"], of_catalog["comment"]) == (1, "READY", "good")
    latest = churn.ok("GET", OSS + "registered-models/get-latest-versions", name=NAME)["model_versions"]
    assert [each["version"] for each in latest] == ["1"]
    model = churn.ok("GET", OSS + "registered-models/search")["registered_models"][0]
    assert [each["version"] for each in model["latest_versions"]] == ["1"]
    uri = churn.ok("GET", UC + "model-versions/get-download-uri", name=NAME, version="1")["artifact_uri"]
    assert uri == "dbfs:/Models/main/default/churn/1"
    churn.ok("DELETE", OSS + "model-versions/delete-tag", {"name": NAME, "version": "1", "key": "run.kind"})
    assert "tags" not in churn.ok("GET", OSS + "model-versions/get", name=NAME, version="1")["model_version"]


def test_stages_are_refused_with_a_way_out(churn: Rest) -> None:
    body = {"name": NAME, "version": "1", "stage": "Production", "archive_existing_versions": False}
    status, answer = churn.call("POST", OSS + "model-versions/transition-stage", body)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "set_registered_model_alias" in answer["message"]
    body = {"name": NAME, "stages": ["Production"]}
    assert churn.refused("POST", OSS + "registered-models/get-latest-versions", body) == (400, "INVALID_PARAMETER_VALUE")


def test_copying_a_version_makes_one_of_its_own(churn: Rest) -> None:
    from sandbox.registry import store

    churn.ok("POST", OSS + "registered-models/create", {"name": "main.default.promoted"})
    body = {"name": "main.default.promoted", "source": f"models:/{NAME}/1", "description": "from churn"}
    copy = churn.ok("POST", OSS + "model-versions/create", body)["model_version"]
    assert (copy["version"], copy["status"], copy["source"]) == ("1", "READY", f"models:/{NAME}/1")
    churn.ok("DELETE", OSS + "model-versions/delete", {"name": NAME, "version": "1"})
    found = store.get_version(churn.workspace.id, "main.default.promoted", "1")
    assert [each["name"] for each in store.describe(churn.workspace.id, found).inputs] == ["tenure"]
    assert churn.refused("POST", OSS + "model-versions/create", body) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_model_without_signature_stays_out_of_the_catalog(ada: Rest, model_dir: Callable[..., Path]) -> None:
    from sandbox.registry import store

    assert store.register_directory(ada.workspace.id, "loose", model_dir(UNSIGNED)) == "1"
    ada.ok("POST", OSS + "registered-models/create", {"name": NAME})
    status, answer = ada.call("POST", OSS + "model-versions/create", {"name": NAME, "source": "models:/loose/1"})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "did not contain any signature metadata" in answer["message"]
    assert "both input and output type specifications" in answer["message"]
    assert ada.ok("GET", CATALOG + f"models/{NAME}/versions") == {"model_versions": []}


def test_lists_are_paged(ada: Rest) -> None:
    for number in range(5):
        ada.ok("POST", UC + "registered-models/create", {"name": f"main.default.m{number}"})
    names: list[str] = []
    token = ""
    while token or not names:
        page = ada.ok("GET", OSS + "registered-models/search", max_results="2", page_token=token)
        names += [each["name"] for each in page["registered_models"]]
        token = page.get("next_page_token", "")
    assert names == [f"main.default.m{number}" for number in range(5)]
    page = ada.ok("GET", CATALOG + "models", catalog_name="main", schema_name="default", max_results="3")
    rest = ada.ok("GET", CATALOG + "models", catalog_name="main", schema_name="default", page_token=page["next_page_token"])
    assert [len(page["registered_models"]), len(rest["registered_models"])] == [3, 2]
    assert "next_page_token" not in rest
    assert ada.refused("GET", CATALOG + "models", catalog_name="main") == (400, "INVALID_PARAMETER_VALUE")
    assert ada.refused("GET", CATALOG + "models", max_results="-1") == (400, "INVALID_PARAMETER_VALUE")
    for bad in ("x", "LTE=", "ä"):
        assert ada.refused("GET", OSS + "registered-models/search", page_token=bad) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    "name",
    ["a.b", "a.b.c.d", "main..x", "main.default.", "main.default.a b", "main.default.a/b", "main.default.\x00", "a/b", "a:b", ".",
     "", " ", "main.default.`x", "x" * 300, "main.default." + "x" * 256, "../../etc", {"a": 1}, ["x"], None],
)  # fmt: skip
def test_a_bad_name_is_refused_with_a_sentence(ada: Rest, name: Any) -> None:
    status, code = ada.refused("POST", OSS + "registered-models/create", {"name": name})
    assert (status, code) in {(400, "INVALID_PARAMETER_VALUE"), (400, "BAD_REQUEST")}
    status, _ = ada.call("GET", OSS + "registered-models/get", name=str(name))
    assert status in {400, 404}


def test_odd_names_of_one_part_are_kept_as_they_are(ada: Rest) -> None:
    for name in ['it\'s "fine"', "100% _done_", "модель", "a`b"]:
        ada.ok("POST", OSS + "registered-models/create", {"name": name})
        quoted = name.replace("'", "''")
        found = ada.ok("GET", OSS + "registered-models/search", filter=f"name = '{quoted}'")["registered_models"]
        assert [each["name"] for each in found] == [name]


def test_a_schema_that_is_not_there_is_named(ada: Rest) -> None:
    for name in ("nowhere.default.m", "main.nowhere.m"):
        status, answer = ada.call("POST", UC + "registered-models/create", {"name": name})
        assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert "does not exist" in answer["message"]
