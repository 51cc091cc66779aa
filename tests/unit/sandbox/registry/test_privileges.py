"""Who may see and change models: owner, member with and without grants, owner of another workspace."""

from typing import Any

import pytest

from .conftest import CATALOG, OSS, UC, Rest, grant

NAME = "main.default.churn"
ONE = {"name": NAME, "version": "1"}
READS: list[tuple[str, str, Any]] = [
    ("GET", OSS + f"registered-models/get?name={NAME}", None),
    ("GET", OSS + f"model-versions/get?name={NAME}&version=1", None),
    ("GET", OSS + f"model-versions/get-download-uri?name={NAME}&version=1", None),
    ("GET", UC + f"registered-models/get?name={NAME}", None),
    ("GET", UC + f"model-versions/get?name={NAME}&version=1", None),
    ("GET", UC + f"registered-models/alias?name={NAME}&alias=champion", None),
    ("POST", UC + "model-versions/generate-temporary-credentials", ONE),
    ("GET", CATALOG + f"models/{NAME}", None),
    ("GET", CATALOG + f"models/{NAME}/versions", None),
    ("GET", CATALOG + f"models/{NAME}/versions/1", None),
    ("GET", CATALOG + f"models/{NAME}/aliases/champion", None),
]
WRITES: list[tuple[str, str, Any]] = [
    ("POST", OSS + "registered-models/alias", {**ONE, "alias": "champion"}),
    ("POST", OSS + "registered-models/rename", {"name": NAME, "new_name": "main.default.other"}),
    ("POST", OSS + "registered-models/set-tag", {"name": NAME, "key": "k", "value": "v"}),
    ("POST", OSS + "model-versions/set-tag", {**ONE, "key": "k", "value": "v"}),
    ("POST", OSS + "model-versions/create", {"name": NAME, "source": f"models:/{NAME}/1"}),
    ("PATCH", UC + "registered-models/update", {"name": NAME, "description": "mine"}),
    ("PATCH", UC + "model-versions/update", {**ONE, "description": "mine"}),
    ("POST", UC + "model-versions/create", {"name": NAME, "source": "x"}),
    ("POST", UC + "model-versions/finalize", ONE),
    ("PUT", CATALOG + f"models/{NAME}/aliases/x", {"version_num": 1}),
    ("PATCH", CATALOG + f"models/{NAME}", {"comment": "mine"}),
    ("PATCH", CATALOG + f"models/{NAME}", {"owner": "bob@example.org"}),
    ("PATCH", CATALOG + f"models/{NAME}/versions/1", {"comment": "mine"}),
    ("DELETE", CATALOG + f"models/{NAME}/aliases/champion", None),
    ("DELETE", CATALOG + f"models/{NAME}/versions/1", None),
    ("DELETE", OSS + "model-versions/delete", ONE),
    ("DELETE", OSS + "registered-models/delete", {"name": NAME}),
]


@pytest.fixture
def aliased(churn: Rest) -> Rest:
    churn.ok("POST", OSS + "registered-models/alias", {**ONE, "alias": "champion"})
    return churn


def test_somebody_elses_model_is_missing_like_one_that_never_was(aliased: Rest, eve: Rest) -> None:
    for method, path, body in [*READS, *WRITES]:
        status, answer = eve.call(method, path, body)
        never = eve.call(method, path.replace("churn", "never"), _renamed(body))
        assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), path
        assert (status, answer["message"]) == (never[0], never[1]["message"].replace("never", "churn")), path
    for path in (OSS + "registered-models/search", OSS + "model-versions/search"):
        assert eve.ok("GET", path) == {}
    assert eve.ok("GET", UC + "registered-models/search")["registered_models"] == []
    assert eve.ok("GET", CATALOG + "models", include_browse="true")["registered_models"] == []


def _renamed(body: Any) -> Any:
    return body and {key: value.replace("churn", "never") if isinstance(value, str) else value for key, value in body.items()}


def test_a_member_without_grants_may_only_know_that_it_is_there(aliased: Rest, bob: Rest) -> None:
    for method, path, body in [*READS, *WRITES]:
        assert bob.refused(method, path, body) == (403, "PERMISSION_DENIED"), path
    assert bob.ok("GET", OSS + "registered-models/search") == {}
    assert bob.ok("GET", OSS + "model-versions/search") == {}
    assert bob.ok("GET", CATALOG + "models")["registered_models"] == []
    known = bob.ok("GET", CATALOG + "models", include_browse="true")["registered_models"]
    assert [(each["full_name"], each["browse_only"]) for each in known] == [(NAME, True)]
    assert bob.ok("GET", CATALOG + f"models/{NAME}", include_browse="true")["browse_only"] is True


def test_a_member_with_execute_reads_and_changes_nothing(aliased: Rest, bob: Rest) -> None:
    grant(bob, "EXECUTE", NAME)
    for method, path, body in READS:
        assert bob.call(method, path, body)[0] == 200, path
    for method, path, body in WRITES:
        assert bob.refused(method, path, body) == (403, "PERMISSION_DENIED"), path
    assert [each["name"] for each in bob.ok("GET", OSS + "registered-models/search")["registered_models"]] == [NAME]
    assert len(bob.ok("GET", UC + "model-versions/search", filter=f"name='{NAME}'")["model_versions"]) == 1


@pytest.mark.parametrize(("kind", "full_name"), [("SCHEMA", "main.default"), ("CATALOG", "main")])
def test_a_grant_above_the_model_is_inherited_in_lists_too(aliased: Rest, bob: Rest, kind: str, full_name: str) -> None:
    grant(bob, "ALL_PRIVILEGES", full_name, kind)
    assert bob.ok("GET", CATALOG + f"models/{NAME}")["full_name"] == NAME
    assert [each["full_name"] for each in bob.ok("GET", CATALOG + "models")["registered_models"]] == [NAME]


def test_without_the_use_of_the_catalog_nothing_is_reached(aliased: Rest, bob: Rest) -> None:
    from sandbox.models import Grant

    grant(bob, "EXECUTE", NAME)
    Grant.objects.filter(privilege="USE_CATALOG").delete()
    assert bob.refused("GET", UC + "registered-models/get", name=NAME) == (403, "PERMISSION_DENIED")
    assert bob.ok("GET", CATALOG + "models")["registered_models"] == []


def test_tagging_and_registering_have_privileges_of_their_own(aliased: Rest, bob: Rest) -> None:
    grant(bob, "APPLY_TAG", NAME)
    bob.ok("POST", OSS + "registered-models/set-tag", {"name": NAME, "key": "k", "value": "v"})
    assert bob.refused("POST", UC + "model-versions/create", {"name": NAME, "source": "x"}) == (403, "PERMISSION_DENIED")
    grant(bob, "CREATE_MODEL_VERSION", NAME)
    assert bob.ok("POST", UC + "model-versions/create", {"name": NAME, "source": "x"})["model_version"]["version"] == "2"
    assert bob.refused("POST", OSS + "registered-models/alias", {**ONE, "alias": "x"}) == (403, "PERMISSION_DENIED")


def test_members_create_models_of_their_own_until_that_is_taken_away(aliased: Rest, bob: Rest) -> None:
    from sandbox.models import Grant

    created = bob.ok("POST", UC + "registered-models/create", {"name": "main.default.bobs"})
    assert created["registered_model"]["user_id"] == "bob@example.org"
    bob.ok("PATCH", CATALOG + "models/main.default.bobs", {"owner": "ada@example.org"})
    assert bob.refused("DELETE", CATALOG + "models/main.default.bobs") == (403, "PERMISSION_DENIED")
    Grant.objects.filter(privilege__in=["CREATE_MODEL", "CREATE_FUNCTION"]).delete()
    assert bob.refused("POST", UC + "registered-models/create", {"name": "main.default.more"}) == (403, "PERMISSION_DENIED")


def test_an_owner_is_somebody_of_the_workspace(aliased: Rest, eve: Rest) -> None:
    path = CATALOG + f"models/{NAME}"
    assert aliased.refused("PATCH", path, {"owner": "eve@example.org"}) == (400, "INVALID_PARAMETER_VALUE")
    assert aliased.ok("PATCH", path, {"owner": "users"})["owner"] == "users"


def test_in_the_workspace_registry_everybody_reads_and_the_owner_changes(ada: Rest, bob: Rest, eve: Rest) -> None:
    ada.ok("POST", OSS + "registered-models/create", {"name": "Shared"})
    assert bob.ok("GET", OSS + "registered-models/get", name="Shared")["registered_model"]["name"] == "Shared"
    for method, call, body in [
        ("DELETE", "registered-models/delete", {"name": "Shared"}),
        ("POST", "registered-models/set-tag", {"name": "Shared", "key": "k", "value": "v"}),
        ("POST", "model-versions/create", {"name": "Shared", "source": "models:/x/1"}),
    ]:
        assert bob.refused(method, OSS + call, body) == (403, "PERMISSION_DENIED")
    assert eve.refused("GET", OSS + "registered-models/get", name="Shared") == (404, "RESOURCE_DOES_NOT_EXIST")


def test_nobody_gets_in_without_a_token(ada: Rest) -> None:
    nobody = Rest(ada.workspace, ada.user, "dapi-wrong")
    assert nobody.refused("GET", OSS + "registered-models/search") == (401, "UNAUTHENTICATED")


def test_only_who_may_load_a_model_may_serve_it(aliased: Rest, bob: Rest) -> None:
    entity = {"entity_name": NAME, "entity_version": "1", "workload_size": "Small", "scale_to_zero_enabled": True}
    body = {"name": "bobs", "config": {"served_entities": [entity]}}
    status, answer = bob.call("POST", "/api/2.0/serving-endpoints", body)
    assert (status, answer["error_code"]) == (403, "PERMISSION_DENIED")
    assert "EXECUTE" in answer["message"]
    grant(bob, "EXECUTE", NAME)
    assert bob.ok("POST", "/api/2.0/serving-endpoints", body)["name"] == "bobs"
