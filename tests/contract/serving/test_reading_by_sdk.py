"""Logs, metrics and the query schema, as databricks-sdk and Prometheus read them."""

import json
from datetime import datetime
from typing import Any

import httpx
import jsonschema_rs
import pytest
from databricks.sdk import errors
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.contract.serving.endpoints import activate, config, entity

ROOT = "/api/2.0/serving-endpoints"
COLUMNS = {
    "kind": "columns", "layout": "per_column", "dtype": "",
    "inputs": [{"name": "tenure", "type": "long", "required": True}, {"name": "plan", "type": "string", "required": False}],
    "output": {"name": "label", "type": "string", "form": "scalar"},
    "params": [{"name": "top", "type": "integer", "default": 3, "shape": None}],
}  # fmt: skip
TENSOR = {
    "kind": "tensor", "layout": "tensors", "dtype": "",
    "inputs": [{"name": "", "type": "float64", "required": True, "shape": [-1, 3]}],
    "output": {"name": "out", "type": "double", "form": "vector"},
}  # fmt: skip


def give_signatures(**signatures: dict[str, Any]) -> None:
    """As builds do."""
    from sandbox.serving.models import ModelBuild, ServedEntity

    for name, signature in signatures.items():
        served = ServedEntity.objects.select_related("config__endpoint").get(name=name.replace("_", "-"))
        build = ModelBuild.objects.create(
            workspace_id=served.config.endpoint.workspace_id, entity_name="m", entity_version=served.entity_version, source=name,
            status="ready", signature=signature,
        )  # fmt: skip
        ServedEntity.objects.filter(id=served.id).update(build=build)


def entity_id(name: str) -> str:
    from sandbox.serving.models import ServedEntity

    return ServedEntity.objects.get(name=name).id


def test_the_query_schema(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1, 2, churn_1=50, churn_2=50))
    with pytest.raises(errors.InvalidState, match="Endpoint churn is not ready"):
        w.serving_endpoints.get_open_api("churn")
    activate("churn")
    with pytest.raises(errors.ResourceDoesNotExist, match="Served entity churn-1 has no logged signature"):
        w.serving_endpoints.get_open_api("churn")
    give_signatures(churn_1=COLUMNS, churn_2=TENSOR)

    document = json.loads(w.serving_endpoints.get_open_api("churn").contents.read())
    assert (document["openapi"], document["info"]) == ("3.1.0", {"title": "churn", "version": "1"})
    assert document["servers"][0]["url"].endswith("/serving-endpoints/churn")
    assert list(document["paths"]) == ["/served-models/churn-1/invocations", "/served-models/churn-2/invocations"]
    posts = [path["post"] for path in document["paths"].values()]
    columns, tensor = (post["requestBody"]["content"]["application/json"]["schema"] for post in posts)
    assert [next(iter(form["properties"])) for form in columns["oneOf"]] == ["dataframe_split", "dataframe_records"]
    assert [next(iter(form["properties"])) for form in tensor["oneOf"]] == ["instances", "inputs"]
    split = columns["oneOf"][0]["properties"]["dataframe_split"]["properties"]
    assert split["columns"] == {
        "description": "required fields: tenure", "type": "array", "items": {"type": "string", "enum": ["tenure", "plan"]}
    }  # fmt: skip
    assert split["data"]["items"]["prefixItems"] == [{"type": "integer", "format": "int64"}, {"type": "string"}]
    answers = [post["responses"]["200"]["content"]["application/json"]["schema"] for post in posts]
    assert [a["properties"]["predictions"]["items"]["type"] for a in answers] == ["string", "array"]


@pytest.mark.parametrize(
    ("signature", "body", "fits"),
    [
        (COLUMNS, {"dataframe_records": [{"tenure": 1}]}, True),
        (COLUMNS, {"dataframe_records": [{"tenure": 1, "plan": "a"}], "params": {"top": 2}}, True),
        (COLUMNS, {"dataframe_split": {"columns": ["tenure", "plan"], "data": [[1, "a"]]}}, True),
        (COLUMNS, {"dataframe_records": [{"plan": "a"}]}, False),
        (COLUMNS, {"dataframe_records": [{"tenure": "x"}]}, False),
        (COLUMNS, {"dataframe_split": {"columns": ["nothing"], "data": []}}, False),
        (COLUMNS, {"rows": []}, False),
        (TENSOR, {"instances": [[1.0, 2.0, 3.0]]}, True),
        (TENSOR, {"inputs": [[1, 2, 3], [4, 5, 6]]}, True),
        (TENSOR, {"inputs": [[1, 2]]}, False),
    ],
)
def test_the_schema_fits_what_the_model_takes(signature: dict[str, Any], body: dict[str, Any], fits: bool) -> None:
    from sandbox.serving.openapi import request_schema

    schema = request_schema(signature)
    assert jsonschema_rs.Draft202012Validator(schema).is_valid(body) is fits


def count(endpoint: str, entity: str, status: int, latency_ms: float, times: int, at_s: float) -> None:
    """What a gateway writes of `times` requests."""
    from sandbox import measures, metrics
    from sandbox.connections import redis_client
    from sandbox.serving.models import Endpoint

    classes = [0] * (len(measures.LATENCY_BOUNDS_MS) + 1)
    classes[measures.latency_class(latency_ms)] = times
    counts = measures.Counts(
        requests=times, ok=times * (status < 400), client_errors=times * (400 <= status < 500),
        server_errors=times * (status >= 500), latency_sum_ms=latency_ms * times, latency_counts=tuple(classes),
    )  # fmt: skip
    pipe = redis_client().pipeline()
    start = metrics.bucket_start(at_s, 60)
    metrics.write_counts(pipe, Endpoint.objects.get(name=endpoint).id, entity_id(entity), f"gateway-{status}", 60, start, counts)
    metrics.write_totals(pipe, entity_id(entity), counts)
    pipe.execute()


def test_metrics_are_openmetrics_under_the_documented_names(w: Any) -> None:
    from sandbox import live, measures, metrics
    from sandbox.connections import redis_client
    from sandbox.serving.metrics_export import CONTENT_TYPE, export
    from sandbox.serving.models import Endpoint
    from sandbox.serving.operations import get_endpoint

    w.serving_endpoints.create(name="churn", config=config(1, 2, churn_1=50, churn_2=50))
    activate("churn")
    now_s = 1_800_000_030.0
    for status, latency_ms, times in ((200, 3.0, 8), (429, 0.5, 2), (500, 70.0, 1)):
        count("churn", "churn-1", status, latency_ms, times, now_s - 60)
    count("churn", "churn-1", 200, 1.0, 99, now_s - 180)  # not of the last minute
    pipe = redis_client().pipeline()
    endpoint_id = Endpoint.objects.get().id
    for replica_id, cpu in (("r-1", 40.0), ("r-2", 60.0)):
        replica = live.LiveReplica(replica_id, f"replica.{replica_id}", "node-1", 1)
        pipe.hset(live.replicas_key(entity_id("churn-1")), replica_id, replica.to_json())
        metrics.write_usage(pipe, endpoint_id, entity_id("churn-1"), replica_id, measures.Usage(cpu, 40_000_000), now_s - 60)
    pipe.execute()

    workspace = Endpoint.objects.get().workspace
    text = export(get_endpoint(workspace, "churn"), now_s)
    families = {family.name: family for family in openmetrics(text)}
    labels = {"endpoint_name": "churn", "served_entity_name": "churn-1", "workload_type": "CPU"}

    def value(name: str, **more: str) -> float:
        family = next(f for f in families.values() if any(s.name == name for s in f.samples))
        return next(s.value for s in family.samples if s.name == name and s.labels == {**labels, **more})

    assert value("request_count_total") == 11
    assert value("request_4xx_count_total") == 2
    assert value("request_5xx_count_total") == 1
    assert value("provisioned_concurrent_requests_total") == 8
    assert value("cpu_usage_percentage") == 50
    assert value("mem_usage_percentage") == 1
    assert value("request_latency_ms_count") == 110
    assert value("request_latency_ms_sum") == 8 * 3.0 + 2 * 0.5 + 70.0 + 99.0
    assert [value("request_latency_ms_bucket", le=le) for le in ("1.0", "5.0", "100.0", "+Inf")] == [101, 109, 110, 110]
    assert families["request_latency_ms"].type == "histogram"
    assert {f.name: f.type for f in prometheus(text.replace("# EOF\n", ""))}["cpu_usage_percentage"] == "gauge"

    exported = w.serving_endpoints.export_metrics("churn").contents.read().decode()
    assert exported.endswith("# EOF\n")
    assert len(list(openmetrics(exported))) == 7
    scraped = httpx.get(
        f"{w.config.host}{ROOT}/churn/metrics",
        headers={"Authorization": f"Bearer {w.config.token}", "Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"},
    )
    assert (scraped.status_code, scraped.headers["content-type"]) == (200, CONTENT_TYPE)


def test_metrics_before_anything_is_active(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    families = list(openmetrics(w.serving_endpoints.export_metrics("churn").contents.read().decode()))
    assert (len(families), [sample for family in families for sample in family.samples]) == (7, [])


def test_the_service_log_has_what_the_model_printed(w: Any) -> None:
    import time

    from sandbox import service_logs
    from sandbox.connections import redis_client

    w.serving_endpoints.create(name="churn", config=config(1))
    line = service_logs.LogLine(time.time() + 1, "r-1", "loading <b>weights</b>")
    service_logs.append(redis_client(), entity_id("churn-1"), [line])
    from sandbox.serving import events
    from sandbox.serving.models import ServedEntity

    events.of_entity(ServedEntity.objects.select_related("config").get(), "DEPLOYMENT_READY", "A replica answers.")
    logged = w.serving_endpoints.logs("churn", "churn-1").logs.splitlines()
    assert [each.split(" ", 1)[1] for each in logged] == ["DEPLOYMENT_READY A replica answers.", "[r-1] loading <b>weights</b>"]
    moments = [datetime.fromisoformat(each.split(" ", 1)[0]) for each in logged]
    assert moments == sorted(moments)


def test_a_long_service_log_is_cut_at_its_beginning(w: Any) -> None:
    import time

    from sandbox import service_logs
    from sandbox.connections import redis_client
    from sandbox.serving.logs import MAX_LOG_CHARACTERS

    w.serving_endpoints.create(name="churn", config=config(1))
    printed = [service_logs.LogLine(time.time() + i, "r", f"{i} " + "x" * 5_000) for i in range(300)]
    service_logs.append(redis_client(), entity_id("churn-1"), printed)
    logged = w.serving_endpoints.logs("churn", "churn-1").logs
    assert len(logged) == MAX_LOG_CHARACTERS
    assert logged.splitlines()[-1].split("[r] ")[1].startswith("299 x")


def test_the_logs_of_an_older_config(w: Any) -> None:
    from sandbox.serving.models import ModelBuild, ServedEntity

    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    w.serving_endpoints.update_config("churn", served_entities=[entity(1)])
    for version in (1, 2):
        served = ServedEntity.objects.select_related("config__endpoint").get(config__config_version=version)
        build = ModelBuild.objects.create(
            workspace_id=served.config.endpoint.workspace_id, entity_name="m", entity_version="1", source=str(version),
            log=f"build {version}",
        )  # fmt: skip
        ServedEntity.objects.filter(id=served.id).update(build=build)
    assert w.serving_endpoints.build_logs("churn", "churn-1").logs == "build 2"
    path = f"{ROOT}/churn/served-models/churn-1/build-logs"
    assert [w.api_client.do("GET", path, query={"config_version": v})["logs"] for v in (1, 2)] == ["build 1", "build 2"]
    with pytest.raises(errors.ResourceDoesNotExist, match="churn-1 not found in config version 3 of endpoint churn"):
        w.api_client.do("GET", path, query={"config_version": 3})
    with pytest.raises(errors.InvalidParameterValue, match="config_version must be a whole number, not 'x'"):
        w.api_client.do("GET", path, query={"config_version": "x"})
    with pytest.raises(errors.ResourceDoesNotExist, match="Served entity with name other not found in endpoint churn"):
        w.serving_endpoints.logs("churn", "other")
