"""The one SQL warehouse of a workspace [SDK 0.156: WarehousesAPI]: it is always there, so starting and stopping change what is
shown and nothing else.
"""

from typing import Any

from sandbox.connections import redis_client
from sandbox.errors import ResourceDoesNotExist
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

WAREHOUSE_ID = "sandbox"
NAME = "Starter warehouse"


def require(warehouse_id: str) -> None:
    """Raises ResourceDoesNotExist for every id but that of the one warehouse."""
    if warehouse_id != WAREHOUSE_ID:
        raise ResourceDoesNotExist(
            f"SQL warehouse {warehouse_id[:100]} does not exist. This workspace has one: '{WAREHOUSE_ID}' ({NAME})."
        )


def describe(workspace: Workspace, hostname: str) -> dict[str, Any]:
    """The warehouse as the API shows it."""
    state = "STOPPED" if redis_client().exists(_key(workspace)) else "RUNNING"
    return {
        "id": WAREHOUSE_ID,
        "name": NAME,
        "cluster_size": "2X-Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "auto_stop_mins": 10,
        "auto_resume": True,
        "creator_name": person(workspace.owner) if workspace.owner is not None else "system",
        "warehouse_type": "PRO",
        "enable_serverless_compute": True,
        "enable_photon": False,
        "spot_instance_policy": "COST_OPTIMIZED",
        "channel": {"name": "CHANNEL_NAME_CURRENT"},
        "tags": {},
        "state": state,
        "num_clusters": 1 if state == "RUNNING" else 0,
        "num_active_sessions": 0,
        "jdbc_url": "",
        "odbc_params": {"hostname": hostname, "path": f"/sql/1.0/warehouses/{WAREHOUSE_ID}", "protocol": "https", "port": 443},
        "health": {"status": "HEALTHY"},
    }


def start(workspace: Workspace) -> None:
    redis_client().delete(_key(workspace))


def stop(workspace: Workspace) -> None:
    """Shown as stopped until it is started, or a statement starts it."""
    redis_client().set(_key(workspace), b"1")


def _key(workspace: Workspace) -> str:
    return f"sql:warehouse:stopped:{workspace.id}"
