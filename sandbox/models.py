"""Re-exports the models of the services (one app label, one migrations folder)."""

from sandbox.serving.models import DeploymentEvent, Endpoint, EndpointConfig, ModelBuild, ServedEntity
from sandbox.workspaces.models import Secret, SecretScope, Token, User, Workspace

__all__ = [
    "DeploymentEvent",
    "Endpoint",
    "EndpointConfig",
    "ModelBuild",
    "Secret",
    "SecretScope",
    "ServedEntity",
    "Token",
    "User",
    "Workspace",
]
