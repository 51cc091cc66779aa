"""Texts that are too long, hold a zero byte or half a character, wherever the REST API takes a name: a sentence, never a 5xx."""

import copy
import json
from typing import Any

import pytest
from django.test import Client

from sandbox.workspaces.operations import issue_token

UC, OSS = "/api/2.1/unity-catalog", "/api/2.0/mlflow"
X = "\x00here"
"""Stands for the text."""
TEXTS = {"long": "a" * 300, "longer": "main.default." + "a" * 1200, "zero byte": "a\x00b", "half a character": "a\ud800b"}
ENTITY = {"entity_name": "main.default.churn", "entity_version": "1", "workload_size": "Small"}
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/2.0/serving-endpoints", {"name": X, "config": {"served_entities": [ENTITY]}}),
    ("POST", "/api/2.0/serving-endpoints", {"name": "e", "config": {"served_entities": [{**ENTITY, "entity_name": X}]}}),
    ("POST", "/api/2.0/serving-endpoints", {"name": "e", "config": {"served_entities": [{**ENTITY, "entity_version": X}]}}),
    ("POST", "/api/2.0/serving-endpoints", {"name": "e", "config": {"served_entities": [{**ENTITY, "name": X}]}}),
    ("POST", "/api/2.0/serving-endpoints", {"name": "e", "description": X, "config": {"served_entities": [ENTITY]}}),
    (
        "POST",
        "/api/2.0/serving-endpoints",
        {"name": "e", "tags": [{"key": "k", "value": X}], "config": {"served_entities": [ENTITY]}},
    ),
    (
        "POST",
        "/api/2.0/serving-endpoints",
        {"name": "e", "config": {"served_entities": [{**ENTITY, "environment_vars": {"A": X}}]}},
    ),
    (
        "POST",
        "/api/2.0/serving-endpoints",
        {"name": "e", "config": {"served_entities": [{"name": "e", "external_model": {"name": X, "provider": "openai"}}]}},
    ),
    ("POST", f"{UC}/catalogs", {"name": X}),
    ("POST", f"{UC}/catalogs", {"name": "new", "comment": X, "properties": {"a": X}}),
    ("POST", f"{UC}/schemas", {"name": X, "catalog_name": "main"}),
    ("POST", f"{UC}/schemas", {"name": "s", "catalog_name": X}),
    ("POST", f"{UC}/volumes", {"name": X, "catalog_name": "main", "schema_name": "default", "volume_type": "MANAGED"}),
    ("POST", f"{UC}/models", {"name": X, "catalog_name": "main", "schema_name": "default"}),
    ("PATCH", f"{UC}/models/main.default.churn", {"owner": X}),
    ("PATCH", f"{UC}/models/main.default.churn", {"new_name": X}),
    ("PUT", f"{UC}/models/main.default.churn/aliases/{X}", {"version_num": 1}),
    ("PATCH", f"{UC}/schemas/main.default", {"new_name": X}),
    ("PATCH", f"{UC}/schemas/main.default", {"comment": X, "owner": X}),
    ("PATCH", f"{UC}/permissions/schema/main.default", {"changes": [{"principal": X, "add": ["USE_SCHEMA"]}]}),
    ("PATCH", f"{UC}/permissions/schema/main.default", {"changes": [{"principal": "users", "add": [X]}]}),
    (
        "POST",
        f"{UC}/entity-tag-assignments",
        {"entity_type": "schemas", "entity_name": "main.default", "tag_key": X, "tag_value": X},
    ),
    ("GET", f"{UC}/tables/{X}", {}),
    ("GET", f"{UC}/functions/main.default.{X}", {}),
    ("POST", f"{UC}/functions", {"function_info": {"name": X, "catalog_name": "main", "schema_name": "default"}}),
    ("GET", f"/api/2.0/serving-endpoints/{X}", {}),
    ("GET", f"/api/2.0/serving-endpoints/{X}/metrics", {}),
    ("GET", f"/api/2.0/online-tables/{X}", {}),
    ("POST", "/api/2.0/online-tables", {"name": X, "spec": {"source_table_full_name": X, "primary_key_columns": [X]}}),
    ("POST", "/api/2.0/feature-store/online-stores", {"name": X, "capacity": "CU_1"}),
    ("GET", f"/api/2.0/pipelines/{X}", {}),
    ("POST", f"{OSS}/registered-models/create", {"name": X}),
    ("POST", f"{OSS}/registered-models/create", {"name": "one", "tags": [{"key": X, "value": X}]}),
    ("POST", f"{OSS}/model-versions/create", {"name": "one", "source": X, "run_id": X}),
    ("POST", f"{OSS}/unity-catalog/registered-models/create", {"name": X}),
    ("POST", f"{OSS}/unity-catalog/model-versions/create", {"name": "main.default.churn", "source": X}),
    ("POST", f"{OSS}/unity-catalog/model-versions/create", {"name": "main.default.churn", "source": "", "run_id": X}),
    (
        "POST",
        f"{OSS}/unity-catalog/model-versions/create",
        {"name": "main.default.churn", "source": "", "model_version_dependencies": [{"type": "DATABRICKS_TABLE", "name": X}]},
    ),
    ("GET", f"{OSS}/unity-catalog/model-versions/search?filter=name%3D%27{X}%27", {}),
    ("POST", f"{OSS}/unity-catalog/registered-models/alias", {"name": "main.default.churn", "alias": X, "version": "1"}),
    ("POST", f"{OSS}/unity-catalog/registered-models/set-tag", {"name": "main.default.churn", "key": X, "value": X}),
    ("POST", "/api/2.0/secrets/scopes/create", {"scope": X}),
    ("POST", "/api/2.0/secrets/put", {"scope": "s", "key": X, "string_value": X}),
    ("POST", "/api/2.0/token/create", {"comment": X}),
    ("POST", "/api/2.0/preview/scim/v2/Users", {"userName": X}),
    ("POST", "/api/2.0/preview/scim/v2/Groups", {"displayName": X}),
    ("GET", f"/api/2.0/preview/scim/v2/Users?filter=userName+eq+%22{X}%22", {}),
    ("GET", f"/api/2.0/sql/statements/{X}", {}),
    ("GET", f"/api/2.0/sql/history/queries?page_token={X}", {}),
]


def put_in(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: put_in(inner, text) for key, inner in value.items()}
    if isinstance(value, list):
        return [put_in(inner, text) for inner in value]
    return text if value == X else value


@pytest.fixture
def token(workspace: Any, learner: Any, settings: Any, data_dir: Any) -> str:
    from tests.browser.endpoint_rows import register_model

    settings.DELTA_DIR, settings.VOLUMES_DIR = data_dir / "delta", data_dir / "volumes"
    register_model(workspace, "main.default.churn", 1)
    return issue_token(workspace, learner)[1]


def test_names_that_are_made_of_others_fit(token: str, workspace: Any, learner: Any) -> None:
    from sandbox.serving.models import Endpoint, ServedEntity
    from tests.browser.endpoint_rows import register_model

    learner.email = f"{'a' * 200}@example.org"
    learner.save()
    register_model(workspace, f"main.default.{'m' * 240}", 1)
    body = {"name": "e", "config": {"served_entities": [{**ENTITY, "entity_name": f"main.default.{'m' * 240}"}]}}
    client = Client(headers={"authorization": f"Bearer {token}"})
    assert client.post("/api/2.0/serving-endpoints", json.dumps(body), content_type="application/json").status_code == 200
    for made in (Endpoint.objects.get(), ServedEntity.objects.get()):
        made.clean_fields(exclude=[field.name for field in made._meta.concrete_fields if not getattr(field, "max_length", None)])
    assert Endpoint.objects.get().creator == learner.email


@pytest.mark.parametrize("text", list(TEXTS))
def test_every_name_is_refused_by_a_sentence_or_kept(token: str, text: str) -> None:
    wrong = []
    for method, path, body in CALLS:
        client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {token}"})
        encoded = path.replace(X, "".join(f"%{byte:02x}" for byte in TEXTS[text].encode("utf-8", "surrogatepass")))
        content = json.dumps(put_in(copy.deepcopy(body), TEXTS[text]))
        answer = client.generic(method, encoded, content, content_type="application/json")
        sentence = answer.json().get("message") if answer.status_code >= 400 and "json" in answer.headers["content-type"] else "-"
        if answer.status_code >= 500 or not sentence:
            wrong.append((method, path, body, answer.status_code, answer.content[:200]))
    assert wrong == []
