"""The operations of the serving-endpoints API: what they keep, whom they refuse, what they publish."""

import threading
from typing import Any

import pytest
from django.db import connection

from sandbox import live
from sandbox.errors import (
    ApiError,
    InvalidParameterValue,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
    ResourceDoesNotExist,
)
from sandbox.serving import attributes, operations
from sandbox.serving.foundation import ensure_foundation_endpoints
from sandbox.serving.models import Endpoint, ModelBuild, ServedEntity
from sandbox.serving.representation import detailed, summary
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces import encryption, secret_store
from sandbox.workspaces.operations import open_workspace
from tests.browser.endpoint_rows import register_model

CONFIG = {"served_entities": [{"entity_name": "main.default.churn", "entity_version": "1", "workload_size": "Small"}]}
OPENAI = {
    "provider": "openai",
    "name": "gpt-4o-mini",
    "task": "llm/v1/chat",
    "openai_config": {"openai_api_key": "{{secrets/llm/openai}}"},
}


def create(workspace: Any, name: str = "churn", config: Any = CONFIG, **more: Any) -> Endpoint:
    return operations.create_endpoint(workspace, "ada@example.org", read_endpoint({"name": name, "config": config, **more}))


def published(redis: Any, workspace: Any, name: str) -> live.LiveEndpoint:
    return live.LiveEndpoint.from_json(redis.get(live.endpoint_key(workspace.id, name)))


def test_it_works(workspace: Any) -> None:
    create(workspace, tags=[{"key": "team", "value": "ml"}], description="Who leaves?")
    body = detailed(operations.get_endpoint(workspace, "churn"), workspace)

    assert (body["name"], body["creator"], body["permission_level"]) == ("churn", "ada@example.org", "CAN_MANAGE")
    assert body["state"] == {"ready": "NOT_READY", "config_update": "IN_PROGRESS", "suspend": "NOT_SUSPENDED"}
    assert (body["tags"], body["description"]) == ([{"key": "team", "value": "ml"}], "Who leaves?")
    assert "config" not in body
    pending = body["pending_config"]
    assert pending["config_version"] == 1
    assert pending["traffic_config"]["routes"] == [
        {"served_entity_name": "churn-1", "served_model_name": "churn-1", "traffic_percentage": 100}
    ]
    entity = pending["served_entities"][0]
    assert (entity["entity_name"], entity["entity_version"], entity["workload_size"]) == ("main.default.churn", "1", "Small")
    assert entity["state"]["deployment"] == "DEPLOYMENT_CREATING"
    model = pending["served_models"][0]
    assert (model["name"], model["model_name"], model["model_version"]) == ("churn-1", "main.default.churn", "1")
    assert body["creation_timestamp"] > 1_700_000_000_000
    assert len(body["id"]) == 32


def test_a_name_is_given_once(workspace: Any, stranger: Any) -> None:
    create(workspace)
    with pytest.raises(ResourceAlreadyExists) as refusal:
        create(workspace)
    assert refusal.value.message == "Serving endpoint with name churn already exists."
    theirs = open_workspace(stranger)
    register_model(theirs, "main.default.churn", 1)
    assert create(theirs).name == "churn"


def test_of_two_creates_at_once_one_wins(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look before the insert is not what decides."""
    create(workspace)
    with monkeypatch.context() as patch:
        answers = iter([False, True])
        patch.setattr("django.db.models.query.QuerySet.exists", lambda _: next(answers))
        with pytest.raises(ResourceAlreadyExists):
            create(workspace)
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("who", ["stranger", "instructor"])
def test_others_see_nothing_of_it(workspace: Any, request: pytest.FixtureRequest, who: str) -> None:
    create(workspace)
    theirs = open_workspace(request.getfixturevalue(who))
    attempts: list[Any] = [
        lambda name: operations.get_endpoint(theirs, name),
        lambda name: operations.delete_endpoint(theirs, name),
        lambda name: operations.update_config(theirs, name, read_config(CONFIG)),
        lambda name: attributes.patch_tags(theirs, name, [{"key": "a", "value": "b"}], []),
        lambda name: attributes.put_ai_gateway(theirs, name, {}),
        lambda name: operations.served_entity(theirs, name, "churn-1"),
    ]
    for attempt in attempts:
        messages = []
        for name in ("churn", "missing"):
            with pytest.raises(ResourceDoesNotExist) as refusal:
                attempt(name)
            messages.append(refusal.value.message)
        assert messages == [f"Serving endpoint with name {name} not found." for name in ("churn", "missing")]
    assert list(operations.list_endpoints(theirs)) == []
    assert operations.get_endpoint(workspace, "churn").tags == []


def test_a_second_update_meanwhile_is_refused(workspace: Any) -> None:
    create(workspace)
    with pytest.raises(ResourceConflict) as refusal:
        operations.update_config(workspace, "churn", read_config(CONFIG))
    assert "Endpoint churn is currently updating." in refusal.value.message
    assert Endpoint.objects.get().latest_version == 1


def test_of_many_updates_at_once_one_wins(workspace: Any) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("an in-memory SQLite has one connection; this runs on PostgreSQL")
    create(workspace)
    Endpoint.objects.update(config_update="NOT_UPDATING")
    outcomes: list[str] = []

    def update() -> None:
        try:
            operations.update_config(workspace, "churn", read_config(CONFIG))
            outcomes.append("won")
        except ApiError as error:
            outcomes.append(error.error_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=update) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["RESOURCE_CONFLICT"] * 5 + ["won"]
    assert Endpoint.objects.get().latest_version == 2


def test_tags_are_added_replaced_and_deleted(workspace: Any) -> None:
    create(workspace, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    tags = attributes.patch_tags(workspace, "churn", [{"key": "b", "value": "3"}, {"key": "c", "value": ""}], ["a", "z"])
    assert tags == [{"key": "b", "value": "3"}, {"key": "c", "value": ""}]
    assert operations.get_endpoint(workspace, "churn").tags == tags


def test_the_inference_table_follows_the_gateways_config(workspace: Any, redis: Any) -> None:
    create(workspace)
    assert published(redis, workspace, "churn").inference_table == "main.default.churn_payload"

    chosen = {
        "inference_table_config": {"enabled": True, "catalog_name": "main", "schema_name": "logs", "table_name_prefix": "c"}
    }
    attributes.put_ai_gateway(workspace, "churn", chosen)
    assert published(redis, workspace, "churn").inference_table == "main.logs.c_payload"
    assert summary(operations.get_endpoint(workspace, "churn"))["ai_gateway"] == chosen

    moved = {"inference_table_config": {**chosen["inference_table_config"], "schema_name": "other"}}
    with pytest.raises(InvalidParameterValue, match="schema_name cannot change from 'logs' to 'other'"):
        attributes.put_ai_gateway(workspace, "churn", moved)

    attributes.put_ai_gateway(workspace, "churn", {"inference_table_config": {"enabled": False}})
    assert published(redis, workspace, "churn").inference_table == ""
    attributes.put_ai_gateway(workspace, "churn", {})
    assert published(redis, workspace, "churn").inference_table == "main.default.churn_payload"


def test_an_external_endpoint_is_ready_without_a_replica(workspace: Any, control: Any, node: Any, redis: Any) -> None:
    secret_store.create_scope(workspace, "llm")
    secret_store.put_secret(workspace, "llm", "openai", "sk-real")
    create(workspace, "chat", {"served_entities": [{"external_model": OPENAI}]})
    control.run()

    body = detailed(operations.get_endpoint(workspace, "chat"), workspace)
    assert body["state"] == {"ready": "READY", "config_update": "NOT_UPDATING", "suspend": "NOT_SUSPENDED"}
    assert body["task"] == "llm/v1/chat"
    assert body["config"]["served_entities"][0]["external_model"] == OPENAI
    assert "served_models" not in body["config"]
    external = published(redis, workspace, "chat").entities[0].external
    assert encryption.decrypt(external["api_key_ciphertext"]) == "sk-real"
    assert (external["provider"], external["model"], external["task"]) == ("openai", "gpt-4o-mini", "llm/v1/chat")
    assert external["base_url"].endswith("/v1")
    assert node.orders() == []


def test_a_pasted_key_is_nowhere_in_plain_text(workspace: Any, control: Any, redis: Any, node: Any) -> None:
    pasted = {**OPENAI, "openai_config": {"openai_api_key_plaintext": "sk-pasted-key"}}
    create(workspace, "chat", {"served_entities": [{"external_model": pasted}]})
    control.run()

    body = detailed(operations.get_endpoint(workspace, "chat"), workspace)
    assert body["state"]["ready"] == "READY"
    assert "sk-pasted-key" not in str(body)
    assert "plaintext" not in str(body)
    assert "sk-pasted-key" not in str(list(ServedEntity.objects.values()))
    raw = redis.get(live.endpoint_key(workspace.id, "chat"))
    assert b"sk-pasted-key" not in raw
    external = live.LiveEndpoint.from_json(raw).entities[0].external
    assert encryption.decrypt(external["api_key_ciphertext"]) == "sk-pasted-key"


def test_a_secret_must_be_there(workspace: Any, stranger: Any) -> None:
    theirs = open_workspace(stranger)
    secret_store.create_scope(theirs, "llm")
    secret_store.put_secret(theirs, "llm", "openai", "sk-not-yours")
    with pytest.raises(InvalidParameterValue) as refusal:
        create(workspace, "chat", {"served_entities": [{"external_model": OPENAI}]})
    assert refusal.value.message == ("openai_config.openai_api_key refers to {{secrets/llm/openai}}. Scope llm does not exist!")
    assert Endpoint.objects.count() == 0


def test_a_kind_cannot_be_changed(workspace: Any) -> None:
    create(workspace)
    Endpoint.objects.update(config_update="NOT_UPDATING")
    pasted = {**OPENAI, "openai_config": {"openai_api_key_plaintext": "k"}}
    with pytest.raises(InvalidParameterValue, match="serves custom models and cannot be updated to a config with external_model"):
        operations.update_config(workspace, "churn", read_config({"served_entities": [{"external_model": pasted}]}))


def test_the_foundation_endpoint_is_everybodys_and_nobodys(
    workspace: Any, stranger: Any, data_dir: Any, settings: Any, redis: Any, control: Any, node: Any
) -> None:
    settings.FIXTURES_DIR = data_dir / "fixtures"
    (settings.FIXTURES_DIR / "models").mkdir(parents=True)
    assert ensure_foundation_endpoints() == []
    (settings.FIXTURES_DIR / "models" / "all-minilm-l6-v2.onnx").write_bytes(b"first weights")

    assert ensure_foundation_endpoints() == ["databricks-bge-large-en"]
    assert ensure_foundation_endpoints() == ["databricks-bge-large-en"]
    control.run()
    for viewer in (workspace, open_workspace(stranger)):
        body = detailed(operations.get_endpoint(viewer, "databricks-bge-large-en"), viewer)
        assert body["permission_level"] == "CAN_QUERY"
        assert body["state"] == {"ready": "READY", "config_update": "NOT_UPDATING", "suspend": "NOT_SUSPENDED"}
        assert (body["task"], body["config"]["config_version"]) == ("llm/v1/embeddings", 1)
        assert "all-MiniLM-L6-v2" in body["config"]["served_entities"][0]["foundation_model"]["description"]
        for attempt in (
            lambda v=viewer: operations.delete_endpoint(v, "databricks-bge-large-en"),
            lambda v=viewer: operations.update_config(v, "databricks-bge-large-en", read_config(CONFIG)),
        ):
            with pytest.raises(PermissionDenied, match="preconfigured"):
                attempt()
    entity = live.LiveEndpoint.from_json(redis.get(live.endpoint_key("system", "databricks-bge-large-en"))).entities[0]
    assert (entity.runtime, entity.scale_to_zero) == ("embedding", True)
    assert (settings.MODEL_DIR / entity.model_sha256).read_bytes() == b"first weights"
    assert node.orders() == []

    control.redis.delete("control")
    from sandbox.serving import rollout

    rollout.wake(entity.entity_id)
    assert node.started() == [entity.entity_id]

    (settings.FIXTURES_DIR / "models" / "all-minilm-l6-v2.onnx").write_bytes(b"better weights")
    ensure_foundation_endpoints()
    assert detailed(operations.get_endpoint(workspace, "databricks-bge-large-en"), workspace)["config"]["config_version"] == 2
    control.run()
    assert node.stopped() == [entity.entity_id]


def test_an_unknown_version_is_refused_at_once(workspace: Any, registry: Any) -> None:
    registry.add("main.default.churn", "1")
    config = {"served_entities": [{**CONFIG["served_entities"][0], "entity_version": "7"}]}
    with pytest.raises(ResourceDoesNotExist, match="version 7 does not exist in this workspace"):
        create(workspace, config=config)
    assert (Endpoint.objects.count(), ModelBuild.objects.count()) == (0, 0)


def test_a_version_is_built_once(workspace: Any, registry: Any) -> None:
    registry.add("main.default.churn", "1")
    create(workspace, "one")
    create(workspace, "two")
    assert ModelBuild.objects.count() == 1
    assert ServedEntity.objects.exclude(build=None).count() == 2

    registry.add("main.default.churn", "1")  # deleted, and given again to other files
    create(workspace, "three")
    assert ModelBuild.objects.count() == 2


def test_a_failed_build_may_try_again(workspace: Any, registry: Any) -> None:
    registry.add("main.default.churn", "1")
    create(workspace, "one")
    ModelBuild.objects.update(status="failed", deliveries=3, message="No memory left.")
    create(workspace, "two")
    build = ModelBuild.objects.get()
    assert (build.status, build.deliveries, build.message) == ("waiting", 0, "")
