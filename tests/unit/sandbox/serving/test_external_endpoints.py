"""What does not need a registry: tables of one endpoint each, the task of a config, and how long events are kept."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox import live
from sandbox.errors import InvalidParameterValue
from sandbox.serving import attributes, events, operations
from sandbox.serving.models import DeploymentEvent, Endpoint
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces import members
from sandbox.workspaces.models import User


def config(task: str = "llm/v1/chat", **more: Any) -> dict[str, Any]:
    openai = {"openai_api_key_plaintext": "sk-1"}
    model = {"provider": "openai", "name": "gpt-4o-mini", "task": task, "openai_config": openai}
    return {"served_entities": [{"name": "chat", "external_model": model}], **more}


def create(workspace: Any, name: str, **more: Any) -> Endpoint:
    return operations.create_endpoint(workspace, "ada@example.org", read_endpoint({"name": name, "config": config(**more)}))


def table(prefix: str, **more: Any) -> dict[str, Any]:
    return {"catalog_name": "main", "schema_name": "default", "table_name_prefix": prefix, "enabled": True, **more}


def test_a_table_belongs_to_one_endpoint(workspace: Any, control: Any) -> None:
    create(workspace, "one")
    sentence = "Endpoint one logs to the inference table main.default.one_payload already"
    with pytest.raises(InvalidParameterValue, match=sentence):
        create(workspace, "two", auto_capture_config=table("one"))
    assert not Endpoint.objects.filter(name="two").exists()

    create(workspace, "two", auto_capture_config=table("one", schema_name="ops"))
    control.run()
    with pytest.raises(InvalidParameterValue, match=sentence):
        attributes.put_ai_gateway(workspace, "two", {"inference_table_config": table("one")})
    attributes.put_ai_gateway(workspace, "two", {"inference_table_config": table("one", enabled=False)})
    attributes.put_ai_gateway(workspace, "two", {})
    with pytest.raises(InvalidParameterValue, match=r"Endpoint two logs to the inference table main.ops.one_payload"):
        create(workspace, "three", auto_capture_config=table("one", schema_name="ops"))


def test_an_update_cannot_move_to_a_table_of_another_endpoint(workspace: Any, control: Any) -> None:
    create(workspace, "one")
    create(workspace, "two", auto_capture_config={"enabled": False})
    control.run()
    with pytest.raises(InvalidParameterValue, match="Endpoint one logs to"):
        operations.update_config(workspace, "two", read_config(config(auto_capture_config=table("one"))))
    two = Endpoint.objects.get(name="two")
    assert (two.config_update, two.latest_version) == ("NOT_UPDATING", 1)


def test_an_endpoint_made_anew_goes_on_with_its_table(workspace: Any, control: Any) -> None:
    create(workspace, "one")
    control.run()
    operations.delete_endpoint(workspace, "one")
    assert create(workspace, "one").name == "one"


def test_the_task_is_that_of_the_active_config(workspace: Any, control: Any, redis: Any) -> None:
    create(workspace, "llm")
    control.run()

    def shown() -> tuple[str, str]:
        published = live.LiveEndpoint.from_json(redis.get(live.endpoint_key(workspace.id, "llm")))
        return published.task, detailed(operations.get_endpoint(workspace, "llm"), workspace)["task"]

    operations.update_config(workspace, "llm", read_config(config("llm/v1/completions")))
    attributes.put_ai_gateway(workspace, "llm", {"usage_tracking_config": {"enabled": True}})  # publishes it anew
    assert shown() == ("llm/v1/chat", "llm/v1/chat")
    control.run()
    assert shown() == ("llm/v1/completions", "llm/v1/completions")


def test_events_are_kept_for_ninety_days(workspace: Any) -> None:
    endpoint = create(workspace, "one")
    for days in (89, 91):
        at = timezone.now() - timedelta(days=days)
        DeploymentEvent.objects.create(endpoint=endpoint, config_version=1, type=f"D{days}", at=at)
    events.prune()
    assert set(DeploymentEvent.objects.values_list("type", flat=True)) == {"D89", "ENDPOINT_CREATED"}


def test_two_people_of_one_address_are_told_apart(workspace: Any, learner: Any) -> None:
    others = [User.objects.create_user(name, email="pair@example.org", password="a long pass phrase") for name in ("bo", "cy")]
    for other in others:
        members.add_member(workspace, other.username)
    asked = read_endpoint({"name": "one", "config": config()})
    endpoint = operations.create_endpoint(workspace, "pair@example.org", asked, others[1])
    assert list(endpoint.permissions.values_list("user__username", "level")) == [("cy", "CAN_MANAGE")]
    assert members.find_person(workspace, "pair@example.org") is None
    assert members.find_person(workspace, "bo") == others[0]
    assert members.find_person(workspace, "ada@example.org") == learner
