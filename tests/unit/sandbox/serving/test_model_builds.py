"""Builds: once, counted before they begin, given up after the third death, with the jail's own verdict on the model."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from sandbox.serving import model_builds, operations, tick
from sandbox.serving.earlier_builds import SAME_FILES
from sandbox.serving.models import BuildStatus, DeploymentEvent, ModelBuild, ServedEntity
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_endpoint

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "models"
CONFIG = {"served_entities": [{"entity_name": "main.default.churn", "entity_version": "1", "workload_size": "Small"}]}


def create(workspace: Any, name: str = "churn") -> Any:
    return operations.create_endpoint(workspace, "ada", read_endpoint({"name": name, "config": CONFIG}))


def test_it_works(workspace: Any, registry: Any, control: Any, node: Any, data_dir: Path) -> None:
    registry.add("main.default.churn", "1", FIXTURES / "churn_champion" / "model")
    endpoint = create(workspace)
    assert control.run() == ["serving.reconcile", "serving.build"]

    build = ModelBuild.objects.get(workspace=workspace)
    assert (build.status, build.deliveries, build.message) == (BuildStatus.READY, 1, "")
    assert (data_dir / "models" / build.model_sha256).stat().st_size > 0
    assert "Stored" in build.log
    assert build.signature["inputs"]
    entity = ServedEntity.objects.get()
    assert entity.model_sha256 == build.model_sha256
    assert node.started() == [entity.id]
    assert list((data_dir / "building").iterdir()) == []
    messages = DeploymentEvent.objects.filter(endpoint=endpoint, type="SERVED_ENTITY_CONTAINER_EVENT").values_list(
        "message", flat=True
    )
    assert list(messages) == [
        "Building main.default.churn version 1 (try 1).",
        "Container image creation finished successfully.",
    ]

    second = create(workspace, "churn-2")
    assert control.run() == ["serving.reconcile"]
    assert node.started() == [ServedEntity.objects.get(config__endpoint=second).id]

    registry.add("main.default.churn", "2", FIXTURES / "churn_champion" / "model")
    same = model_builds.find_or_open(workspace, "main.default.churn", "2")
    model_builds.run(same.id)
    same.refresh_from_db()
    assert (same.status, same.model_sha256, same.signature) == (BuildStatus.READY, build.model_sha256, build.signature)
    assert same.log == f"{SAME_FILES}\n{build.log}"


def test_a_model_that_cannot_be_built_fails_with_its_reason(
    workspace: Any, registry: Any, control: Any, node: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: nowhere\n")
    registry.add("main.default.churn", "1", broken)
    create(workspace)
    control.run()

    build = ModelBuild.objects.get()
    assert build.status == BuildStatus.FAILED
    assert "An error occurred while loading the model. No module named 'nowhere'." in build.message
    body = detailed(operations.get_endpoint(workspace, "churn"), workspace)
    assert body["state"] == {"ready": "NOT_READY", "config_update": "UPDATE_FAILED", "suspend": "NOT_SUSPENDED"}
    state = body["pending_config"]["served_entities"][0]["state"]
    assert state == {"deployment": "DEPLOYMENT_FAILED", "deployment_state_message": build.message}
    assert node.orders() == []


def test_only_one_builds_at_a_time(workspace: Any, registry: Any, control: Any) -> None:
    registry.add("main.default.churn", "1")
    create(workspace)
    build = ModelBuild.objects.get()
    assert model_builds._claim(build.id) is not None
    assert model_builds._claim(build.id) is None
    assert model_builds.run(build.id) == []


def test_a_class_that_deploys_at_once_is_built_two_by_two(workspace: Any, registry: Any, control: Any) -> None:
    for number in range(5):
        registry.add(f"main.default.churn_{number}", "1")
        entity = {"entity_name": f"main.default.churn_{number}", "entity_version": "1", "workload_size": "Small"}
        body = {"name": f"churn-{number}", "config": {"served_entities": [entity]}}
        operations.create_endpoint(workspace, "ada", read_endpoint(body))
    tick.tick()
    queued = ModelBuild.objects.filter(lease_until__gt=timezone.now())
    assert (ModelBuild.objects.count(), queued.count()) == (5, model_builds.BUILDS_AT_ONCE)

    first = queued.order_by("created_at").first()
    assert first is not None
    ModelBuild.objects.filter(id=first.id).update(status=BuildStatus.FAILED, lease_until=None, message="broken")
    tick.tick()
    assert queued.count() == model_builds.BUILDS_AT_ONCE
    assert not queued.filter(id=first.id).exists()


def test_a_build_whose_process_died_is_tried_again_and_then_given_up(
    workspace: Any, registry: Any, control: Any, node: Any
) -> None:
    registry.add("main.default.churn", "1")
    create(workspace)
    build = ModelBuild.objects.get()
    for deliveries in (1, 2, 3):
        claimed = model_builds._claim(build.id)  # and the process is killed
        assert claimed is not None
        assert claimed.deliveries == deliveries
        assert model_builds._claim(build.id) is None
        ModelBuild.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    control.redis.delete("control")
    tick.tick()

    build.refresh_from_db()
    assert build.status == BuildStatus.FAILED
    assert build.message.startswith("Building the model was given up: 3 times")
    assert ServedEntity.objects.get().deployment == "DEPLOYMENT_FAILED"


def test_who_lost_the_lease_does_not_write_the_outcome(workspace: Any, registry: Any) -> None:
    registry.add("main.default.churn", "1")
    create(workspace)
    slow = model_builds._claim(ModelBuild.objects.get().id)
    ModelBuild.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    quick = model_builds._claim(ModelBuild.objects.get().id)
    assert slow is not None
    assert quick is not None
    model_builds._finish(slow, status=BuildStatus.FAILED, message="too late")
    assert ModelBuild.objects.get().status == BuildStatus.BUILDING
    model_builds._finish(quick, status=BuildStatus.READY, model_sha256="b" * 64)
    assert ModelBuild.objects.get().model_sha256 == "b" * 64


def test_a_bug_in_the_builder_is_not_for_ever(workspace: Any, registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add("main.default.churn", "1")
    create(workspace)
    build = ModelBuild.objects.get()
    monkeypatch.setattr(model_builds, "_build", lambda *_: 1 // 0)
    for status in (BuildStatus.WAITING, BuildStatus.WAITING, BuildStatus.FAILED):
        with pytest.raises(ZeroDivisionError):
            model_builds.run(build.id)
        build.refresh_from_db()
        assert build.status == status
    assert build.message == "Build could not be finished due to an internal error."
