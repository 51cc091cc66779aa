"""The preconfigured pay-per-token endpoints: there from the start, at zero until somebody calls them."""

import logging
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sandbox.builds import store
from sandbox.serving import afterwards
from sandbox.serving.models import (
    ConfigUpdate,
    Deployment,
    Endpoint,
    EndpointConfig,
    EndpointKind,
    ServedEntity,
)
from sandbox.serving.rollout import SCALED_TO_ZERO_MESSAGE
from sandbox.workspaces.operations import system_workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundationModel:
    """A name of the Foundation Model APIs and the miniature that answers behind it."""

    endpoint: str
    task: str
    files: str
    """Pattern of the model file in fixtures/models."""
    served_name: str
    entity_name: str
    display_name: str
    description: str
    docs: str


FOUNDATION_MODELS = (
    FoundationModel(
        endpoint="databricks-bge-large-en",
        task="llm/v1/embeddings",
        files="*[Mm]ini[Ll][Mm]*.onnx",
        served_name="bge-large-en",
        entity_name="system.ai.bge_large_en_v1_5",
        display_name="BGE Large (En)",
        description=(
            "In this sandbox a miniature answers behind this name: all-MiniLM-L6-v2, which gives 384 numbers for a text. "
            "The real model gives 1024."
        ),
        docs="https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/supported-models",
    ),
)


def ensure_foundation_endpoints() -> list[str]:
    """Make what is missing and renew what has a newer model file; returns the names that can be called. Idempotent."""
    return [model.endpoint for model in FOUNDATION_MODELS if _ensure(model)]


def _ensure(model: FoundationModel) -> bool:
    file = next(iter(sorted(Path(settings.FIXTURES_DIR / "models").glob(model.files))), None)
    if file is None:
        log.warning("no model file %s in fixtures/models: the endpoint %s is not offered", model.files, model.endpoint)
        return False
    sha256, _ = store.put(settings.MODEL_DIR, file.read_bytes())
    with transaction.atomic():
        endpoint = _endpoint(model)
        served = ServedEntity.objects.filter(
            config__endpoint=endpoint, config__config_version=endpoint.active_version or 0, model_sha256=sha256
        )
        if not served.exists():
            _activate(endpoint, model, sha256)
    return True


def _endpoint(model: FoundationModel) -> Endpoint:
    endpoint, _ = Endpoint.objects.get_or_create(
        workspace=system_workspace(),
        name=model.endpoint,
        defaults={
            "kind": EndpointKind.FOUNDATION,
            "task": model.task,
            "creator": "system",
            "description": model.description,
            "config_update": ConfigUpdate.NOT_UPDATING,
        },
    )
    return endpoint


def _activate(endpoint: Endpoint, model: FoundationModel, sha256: str) -> None:
    """A config whose one entity needs no build and no replica until it is called."""
    version = endpoint.latest_version + 1
    config = EndpointConfig.objects.create(
        endpoint=endpoint,
        config_version=version,
        routes=[{"served_entity_name": model.served_name, "traffic_percentage": 100}],
    )
    ServedEntity.objects.create(
        config=config,
        position=0,
        name=model.served_name,
        entity_name=model.entity_name,
        entity_version="1",
        scale_to_zero_enabled=True,
        foundation_model={
            "name": model.entity_name,
            "display_name": model.display_name,
            "description": model.description,
            "docs": model.docs,
        },
        model_sha256=sha256,
        deployment=Deployment.READY,
        deployment_state_message=SCALED_TO_ZERO_MESSAGE,
        is_at_zero=True,
    )
    Endpoint.objects.filter(id=endpoint.id).update(
        active_version=version, latest_version=version, published_version=None, updated_at=timezone.now()
    )
    endpoint.published_version = None
    afterwards.reconcile(endpoint)
