"""Online tables and stores as the REST API shows them [SDK 0.156: catalog.OnlineTable, ml.OnlineStore]."""

from typing import Any

from sandbox.features.models import OnlineStore, OnlineTable, Sync

State = OnlineTable.State
_PROVISIONING = {
    State.PROVISIONING: "PROVISIONING",
    State.INITIAL_SNAPSHOT: "PROVISIONING",
    State.NO_PENDING_UPDATE: "ACTIVE",
    State.TRIGGERED_UPDATE: "ACTIVE",
    State.CONTINUOUS_UPDATE: "ACTIVE",
    State.PIPELINE_FAILED: "DEGRADED",
    State.FAILED: "FAILED",
}


def online_table_info(table: OnlineTable, latest: Sync | None) -> dict[str, Any]:
    """`latest` is the newest sync, whatever came of it."""
    spec: dict[str, Any] = {
        "source_table_full_name": table.source_name,
        "primary_key_columns": [*table.primary_key, *filter(None, [table.timeseries_key])],
        "perform_full_copy": table.mode == OnlineTable.Mode.SNAPSHOT,
        "pipeline_id": table.pipeline_id,
    }
    if table.timeseries_key:
        spec["timeseries_key"] = table.timeseries_key
    if table.mode == OnlineTable.Mode.CONTINUOUS:
        spec["run_continuously"] = {}
    else:
        spec["run_triggered"] = {}
    return {
        "name": table.full_name,
        "spec": spec,
        "status": {"detailed_state": table.state, "message": table.message or _words(table), **_progress(table, latest)},
        "unity_catalog_provisioning_state": _PROVISIONING[State(table.state)],
    }


def online_store_info(store: OnlineStore) -> dict[str, Any]:
    return {
        "name": store.name,
        "capacity": store.capacity,
        "read_replica_count": store.read_replica_count,
        "creator": store.creator,
        "creation_time": store.created_at.isoformat().replace("+00:00", "Z"),
        "state": "AVAILABLE",
    }


def sync_progress(sync: Sync) -> dict[str, Any]:
    """A PipelineProgress."""
    done = 1.0 if sync.state == Sync.State.COMPLETED else (sync.done_rows / sync.total_rows if sync.total_rows else 0.0)
    progress = {
        "synced_row_count": sync.done_rows,
        "total_row_count": sync.total_rows,
        "sync_progress_completion": round(min(done, 1.0), 4),
    }
    return progress if sync.to_version is None else {**progress, "latest_version_currently_processing": sync.to_version}


def _words(table: OnlineTable) -> str:
    if table.synced_version is None:
        return "The first copy of the source is being made."
    return f"{table.synced_rows} rows of version {table.synced_version} of {table.source_name}."


def _progress(table: OnlineTable, latest: Sync | None) -> dict[str, Any]:
    if table.state == State.FAILED:
        return {"failed_status": {}}
    if table.synced_version is None:
        return {"provisioning_status": {"initial_pipeline_sync_progress": sync_progress(latest)} if latest else {}}
    status: dict[str, Any] = {"last_processed_commit_version": table.synced_version}
    if table.synced_at is not None:
        status["timestamp"] = table.synced_at.isoformat().replace("+00:00", "Z")
    if table.mode == OnlineTable.Mode.CONTINUOUS:
        return {"continuous_update_status": status}
    if latest is not None and latest.state == Sync.State.RUNNING:
        status["triggered_update_progress"] = sync_progress(latest)
    return {"triggered_update_status": status}
