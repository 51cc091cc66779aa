"""Re-exports the models of the services (one app label, one migrations folder)."""

from sandbox.serving.models import (
    DeploymentEvent,
    Endpoint,
    EndpointConfig,
    EndpointPermission,
    ModelBuild,
    Notification,
    ServedEntity,
)
from sandbox.workspaces.models import Group, Member, Secret, SecretScope, Token, User, Workspace

__all__ = [
    "DeploymentEvent",
    "Endpoint",
    "EndpointConfig",
    "EndpointPermission",
    "Group",
    "Member",
    "ModelBuild",
    "Notification",
    "Secret",
    "SecretScope",
    "ServedEntity",
    "Token",
    "User",
    "Workspace",
]
