"""What a checked request asks for: plain values between the REST bodies and the operations."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.serving.models import EndpointKind


@dataclass(frozen=True)
class EntityInput:
    """One served entity as asked for, with its default name filled in."""

    name: str
    entity_name: str = ""
    entity_version: str = ""
    workload_size: str = ""
    workload_type: str = "CPU"
    scale_to_zero_enabled: bool = False
    min_provisioned_concurrency: int | None = None
    max_provisioned_concurrency: int | None = None
    environment_vars: dict[str, str] = field(default_factory=dict)
    instance_profile_arn: str = ""
    external_model: dict[str, Any] = field(default_factory=dict)
    """Without any `…_plaintext` field."""
    plain_secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Field name -> what came as `<field>_plaintext`."""

    @property
    def task(self) -> str:
        """`llm/v1/…` of an external model; empty for a custom model."""
        return str(self.external_model.get("task", ""))


@dataclass(frozen=True)
class ConfigInput:
    """A config that keeps every rule that can be checked without looking anything up."""

    entities: tuple[EntityInput, ...]
    routes: tuple[dict[str, Any], ...]
    """`{"served_entity_name": …, "traffic_percentage": …}`, adding up to 100."""
    auto_capture_config: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> EndpointKind:
        return EndpointKind.EXTERNAL if self.entities[0].external_model else EndpointKind.CUSTOM

    @property
    def task(self) -> str:
        return self.entities[0].task


@dataclass(frozen=True)
class EndpointInput:
    """A new endpoint."""

    name: str
    config: ConfigInput
    description: str = ""
    tags: tuple[dict[str, str], ...] = ()
    ai_gateway: dict[str, Any] = field(default_factory=dict)
    email_notifications: dict[str, Any] = field(default_factory=dict)
    telemetry_config: dict[str, Any] = field(default_factory=dict)
    """As sent: with `table_names`."""
    budget_policy_id: str = ""
    route_optimized: bool = False
