"""Endpoints of feature specs on the pages: the spec is offered and kept, and the query panel asks with a key that is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.test import Client

from sandbox.catalog import functions, tables
from sandbox.catalog.column_types import Column
from sandbox.console.query_examples import LOOKUP_NOTE
from sandbox.features import online_tables, sync
from sandbox.features import spec as specs
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.spec import FeatureSpec, Lookup
from sandbox.serving import lookup_plans
from sandbox.serving.models import Endpoint, ServedEntity
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace
from tests.embedded_redis import point_at, running_redis

pytestmark = pytest.mark.django_db
TABLE, SPEC = "main.default.customers", "main.default.customer_features"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def ada(learner: User, redis_url: str, settings: Any, tmp_path: Path) -> Caller:
    """With a published feature table of one row and a feature spec."""
    point_at(redis_url, settings)
    settings.DELTA_DIR = tmp_path / "delta"
    caller = Caller(open_workspace(learner), learner)
    rows = pa.table({"id": ["c-7"], "spend": [2.5]})
    tables.create_table(caller, TABLE, [Column("id", "string"), Column("spend", "double")], rows=rows, primary_key=["id"])
    spec = FeatureSpec(
        (specs.Column("customer", "data", "string"), specs.Column("spend", "lookup", "double")),
        (Lookup(TABLE, {"id": "customer"}, {"spend": "spend"}),),
    )
    definition = functions.Definition(functions.FEATURE_SPEC, spec.to_json(), (), "string")
    functions.create_function(caller, SPEC, definition)
    online_tables.create_online_table(caller, f"{TABLE}_online", TABLE, mode=OnlineTable.Mode.SNAPSHOT)
    assert sync.run(Sync.objects.get().pk)
    return caller


@pytest.fixture
def client(learner: User, ada: Caller) -> Client:
    signed = Client()
    signed.force_login(learner, backend="django.contrib.auth.backends.ModelBackend")
    return signed


def typed(**more: str) -> dict[str, str]:
    row = {"model": f"{SPEC}@", "name": "", "workload_type": "CPU", "workload_size": "Small", "traffic_percentage": "100"}
    form = {f"entities-0-{name}": value for name, value in row.items()}
    management = {"entities-TOTAL_FORMS": "1", "entities-INITIAL_FORMS": "0"}
    return form | management | {"kind": "custom", "name": "features", **more}


def test_a_spec_is_chosen_and_served_and_kept(client: Client) -> None:
    assert f'<option value="{SPEC}@">{SPEC}</option>' in client.get("/sandbox/serving/new/").content.decode()
    preview = client.post("/sandbox/call-preview/", typed()).content.decode()
    assert SPEC in preview
    assert "entity_version" not in preview
    answer = client.post("/sandbox/serving/new/", typed())
    assert answer.status_code == 302, answer.content.decode()
    entity = ServedEntity.objects.get()
    assert (entity.name, entity.entity_name, entity.entity_version) == ("customer_features", SPEC, "")
    Endpoint.objects.update(config_update="UPDATE_FAILED")
    assert f'value="{SPEC}@" selected' in client.get("/sandbox/serving/features/edit/").content.decode()


def test_the_query_panel_asks_with_a_key_that_is_there(client: Client, ada: Caller) -> None:
    client.post("/sandbox/serving/new/", typed())
    plan = lookup_plans.find(ada.workspace, SPEC, "")
    assert plan is not None
    ServedEntity.objects.update(lookups=plan.to_dict(), deployment="DEPLOYMENT_READY", runtime="spec")
    Endpoint.objects.update(active_version=1, pending_version=None, config_update="NOT_UPDATING")
    page = client.get("/sandbox/serving/features/query/").content.decode()
    assert LOOKUP_NOTE in page
    assert "c-7" in page
    assert "Feature serving" in page
    assert "Build log" not in client.get("/sandbox/serving/features/logs/").content.decode()


def test_a_stranger_is_not_offered_the_spec(stranger: User, client: Client) -> None:
    other = Client()
    other.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")
    assert SPEC not in other.get("/sandbox/serving/new/").content.decode()
