"""REST views of online tables, online stores, publishing, and the pipelines that keep online tables up to date."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import caller_of
from sandbox.catalog.bodies import read
from sandbox.catalog.paging import page_size
from sandbox.catalog.views import member_view
from sandbox.features import online_stores, online_tables
from sandbox.features.bodies import ChangeOnlineStoreBody, OnlineStoreBody, OnlineTableBody, PublishBody
from sandbox.features.models import OnlineStore, OnlineTable
from sandbox.features.representation import online_store_info, online_table_info


@member_view("POST")
def all_online_tables(request: Request) -> Response:
    body = read(OnlineTableBody, request)
    spec = body["spec"]
    made = online_tables.create_online_table(
        caller_of(request),
        body["name"],
        spec["source_table_full_name"],
        mode=_mode(spec),
        primary_key=spec["primary_key_columns"],
        timeseries_key=spec["timeseries_key"],
    )
    return Response(_shown(made))


@member_view("GET", "DELETE")
def online_table(request: Request, name: str) -> Response:
    if request.method == "DELETE":
        online_tables.delete_online_table(caller_of(request), name)
        return Response({})
    return Response(_shown(online_tables.get_online_table(caller_of(request), name)))


@member_view("POST")
def publish(request: Request, source_name: str) -> Response:
    spec = read(PublishBody, request)["publish_spec"]
    made = online_tables.publish_table(
        caller_of(request), source_name, spec["online_store"], spec["online_table_name"], OnlineTable.Mode(spec["publish_mode"])
    )
    return Response({"online_table_name": made.full_name, "pipeline_id": made.pipeline_id})


@member_view("GET", "POST")
def all_online_stores(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "POST":
        body = read(OnlineStoreBody, request)
        return Response(online_store_info(online_stores.create_online_store(caller, **body)))
    size = page_size(request, 100)
    after = request.query_params.get("page_token", "")
    found = list(online_stores.list_online_stores(caller).filter(name__gt=after)[: size + 1])
    answer: dict[str, Any] = {"online_stores": [online_store_info(store) for store in found[:size]]}
    if len(found) > size:
        answer["next_page_token"] = found[size - 1].name
    return Response(answer)


@member_view("GET", "PATCH", "DELETE")
def online_store(request: Request, name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        online_stores.delete_online_store(caller, name)
        return Response({})
    store: OnlineStore = online_tables.find_store(caller, name)
    if request.method == "PATCH":
        store = online_stores.update_online_store(caller, name, **_masked(request))
    return Response(online_store_info(store))


@member_view("GET")
def pipeline(request: Request, pipeline_id: str) -> Response:
    table = online_tables.find_by_pipeline(caller_of(request), pipeline_id)
    updates = [{"update_id": each.pk, "state": each.state} for each in table.syncs.order_by("-created_at")[:20]]
    is_at_work = any(each["state"] in {"QUEUED", "RUNNING"} for each in updates)
    return Response(
        {
            "pipeline_id": pipeline_id,
            "name": f"online table {table.full_name}",
            "state": "RUNNING" if is_at_work else "IDLE",
            "creator_user_name": table.created_by,
            "latest_updates": updates,
        }
    )


@member_view("POST")
def start_update(request: Request, pipeline_id: str) -> Response:
    """How a triggered sync is started [docs: online tables, "trigger an update" by the pipelines API]."""
    caller = caller_of(request)
    table = online_tables.find_by_pipeline(caller, pipeline_id)
    return Response({"update_id": online_tables.sync_now(caller, table.full_name).pk})


def _mode(spec: dict[str, Any]) -> OnlineTable.Mode:
    if "run_continuously" in spec:
        return OnlineTable.Mode.CONTINUOUS
    return OnlineTable.Mode.SNAPSHOT if spec["perform_full_copy"] else OnlineTable.Mode.TRIGGERED


def _shown(table: OnlineTable) -> dict[str, Any]:
    return online_table_info(table, table.syncs.order_by("-created_at").first())


def _masked(request: Request) -> dict[str, Any]:
    """Of the body, what `update_mask` names; all of it with `*` or without a mask."""
    body = read(ChangeOnlineStoreBody, request)
    mask = request.query_params.get("update_mask", "*")
    return body if mask in {"", "*"} else {key: value for key, value in body.items() if key in mask.split(",")}
