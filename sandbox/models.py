"""Re-exports the models of the services (one app label, one migrations folder)."""

from sandbox.catalog.models import (
    FunctionDetail,
    Grant,
    LineageEdge,
    ModelAlias,
    ModelDetail,
    ModelVersion,
    Securable,
    TableDetail,
    Tag,
)
from sandbox.features.models import OnlineStore, OnlineTable, Sync
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
    "FunctionDetail",
    "Grant",
    "Group",
    "LineageEdge",
    "Member",
    "ModelAlias",
    "ModelBuild",
    "ModelDetail",
    "ModelVersion",
    "Notification",
    "OnlineStore",
    "OnlineTable",
    "Secret",
    "SecretScope",
    "Securable",
    "ServedEntity",
    "Sync",
    "TableDetail",
    "Tag",
    "Token",
    "User",
    "Workspace",
]
