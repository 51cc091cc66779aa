"""The pages of features: tables with statistics, online copies, what an endpoint looks up, and where both differ."""

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.test import Client

from sandbox.catalog import functions, table_rows, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.models import Grant, Securable
from sandbox.console.features.offline import offline_features, records
from sandbox.console.features.statistics import statistics
from sandbox.features.models import OnlineStore, OnlineTable
from sandbox.features.plan import LookupPlan, TableLookup
from sandbox.models import User
from sandbox.serving.models import Endpoint, EndpointPermission, ServedEntity
from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller, add_member
from tests.browser.catalog_rows import keep_files_in
from tests.browser.feature_rows import (
    AVERAGE,
    CUSTOMERS,
    CUSTOMERS_ONLINE,
    ENDPOINT,
    ENTITY,
    PRICES,
    PRICES_ONLINE,
    SPEC,
    append_customer,
    carry_out_syncs,
    customers_plan,
    make_features,
)
from tests.embedded_redis import point_at, running_redis

pytestmark = pytest.mark.django_db
FEATURES, TABLE_URL = "/sandbox/features/", f"/sandbox/catalog/tables/{CUSTOMERS}/"
ONLINE = f"{FEATURES}online/{CUSTOMERS_ONLINE}/"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def owner(settings: Any, tmp_path: Path, learner: User, redis_url: str) -> Caller:
    point_at(redis_url, settings)
    keep_files_in(tmp_path, settings)
    return make_features(learner)


@pytest.fixture
def page(client: Client, owner: Caller) -> Client:
    client.force_login(owner.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, (url, answer.status_code)
    return answer.content.decode()


def test_statistics_are_those_of_the_rows(owner: Caller) -> None:
    found = table_rows.snapshot(owner, CUSTOMERS)
    facts = statistics(owner, CUSTOMERS, found, found.columns)
    tenure, total, contract, tags = (facts[name] for name in ("tenure", "total", "contract", "tags"))
    assert (tenure.rows, tenure.nulls, tenure.least, tenure.mean, tenure.most) == (20, 1, "1", "10", "19")
    assert [bar.count for bar in tenure.bars] == [2, 2, 2, 2, 1, 2, 2, 2, 2, 2]
    assert (total.nulls, total.nans, total.least, total.mean, total.most) == (0, 1, "20.0", "110", "200.0")
    assert sum(bar.count for bar in total.bars) == 19
    assert [(bar.label, bar.count) for bar in contract.bars] == [("monthly", 15), ("yearly", 5)]
    assert (tags.nulls, tags.bars, tags.least) == (0, (), "")


def test_it_works(page: Client) -> None:
    """Every page answers and shows what is there."""
    urls = {
        FEATURES: "main.default.customers_online",
        f"{TABLE_URL}features/": "Months with us",
        f"{TABLE_URL}online/": f'value="{CUSTOMERS_ONLINE}_2"',
        f"{TABLE_URL}publish/": "shop-store",
        ONLINE: "Up to date with the source",
        f"{ONLINE}delete/": "churn-by-key",
        f"/sandbox/serving/{ENDPOINT}/features/": "total of main.default.customers where id = customer",
        f"/sandbox/catalog/functions/{SPEC}/": "What an endpoint would look up now",
    }
    assert {url: words in text(page, url) for url, words in urls.items()} == dict.fromkeys(urls, True)


def test_a_feature_table_shows_statistics_neighbours_and_copies(page: Client) -> None:
    shown = text(page, f"{TABLE_URL}features/")
    assert "Of all rows of version 0" in shown
    assert "1 null" in shown
    assert "1 NaN" in shown
    assert "Histogram of tenure: 1 to 2.8 2 times" in shown
    assert re.findall(r'top-label">(\w+)</span><span class="top-count">(\d+)', shown) == [("monthly", "15"), ("yearly", "5")]
    assert "main.default.churn_by_key/1" in shown
    assert f'href="/sandbox/catalog/functions/{SPEC}/"' in shown
    assert "Time-series key" not in shown
    assert "Time-series key" in text(page, f"/sandbox/catalog/tables/{PRICES}/features/")
    rows = list(csv.DictReader(io.StringIO(text(page, f"{TABLE_URL}features.csv"))))
    assert [(row["feature"], row["nulls"], row["nan"], row["mean"]) for row in rows] == [
        ("tenure", "1", "0", "10"), ("total", "0", "1", "110"), ("contract", "0", "0", ""), ("tags", "0", "0", "")
    ]  # fmt: skip


def test_a_table_without_a_key_has_no_features_tab(page: Client, owner: Caller) -> None:
    tables.create_table(owner, "main.default.plain", [Column("a", "int")])
    url = "/sandbox/catalog/tables/main.default.plain/"
    assert f"{url}features/" not in text(page, url)
    assert "Not a feature table yet" in text(page, f"{url}features/")
    assert "main.default.plain" not in text(page, FEATURES)


def test_an_online_table_is_made_with_what_was_typed_kept(page: Client, owner: Caller) -> None:
    url = f"/sandbox/catalog/tables/{PRICES}/online/"
    asked = {"name": "main.default.prices_two", "mode": "TRIGGERED", "timeseries_key": "day"}
    refused = page.post(url, asked)
    shown = refused.content.decode()
    assert refused.status_code == 422
    assert "which is off for" in shown
    assert 'value="main.default.prices_two"' in shown
    assert 'value="TRIGGERED" checked' in shown
    turned_on = page.post(url, {**asked, "turn_on_feed": "yes"})
    assert (turned_on.status_code, "The change data feed of the source is on." in turned_on.content.decode()) == (200, True)
    assert 'value="main.default.prices_two"' in turned_on.content.decode()
    made = page.post(url, asked)
    assert made.url == f"{FEATURES}online/main.default.prices_two/"
    table = OnlineTable.objects.get(full_name="main.default.prices_two")
    assert (table.mode, table.primary_key, table.timeseries_key, table.store) == ("TRIGGERED", ["product"], "day", None)
    again = page.post(url, asked)
    assert (again.status_code, "already exists" in again.content.decode()) == (422, True)


def test_publishing_makes_a_store_or_nothing(page: Client) -> None:
    url = f"{TABLE_URL}publish/"
    asked = {
        "name": "main.default.customers_two",
        "mode": "SNAPSHOT",
        "store": "+",
        "new_store": "second-store",
        "capacity": "CU_2",
    }
    missing = page.post(url, {**asked, "new_store": ""})
    assert (missing.status_code, "Give the new store a name" in missing.content.decode()) == (422, True)
    taken = page.post(url, {**asked, "name": CUSTOMERS})
    assert (taken.status_code, OnlineStore.objects.filter(name="second-store").exists()) == (422, False)
    assert page.post(url, asked).url == f"{FEATURES}online/main.default.customers_two/"
    table = OnlineTable.objects.select_related("store").get(full_name="main.default.customers_two")
    assert (str(table.store), table.store and table.store.capacity) == ("second-store", "CU_2")


def test_an_online_table_shows_how_far_behind_it_is_and_syncs(page: Client, owner: Caller) -> None:
    append_customer(owner)
    shown = text(page, ONLINE)
    assert "1 commit behind the source" in shown
    assert f'href="/sandbox/serving/{ENDPOINT}/features/"' in shown
    assert page.post(f"{ONLINE}sync/").url == ONLINE
    waiting = page.get(ONLINE, headers={"HX-Request": "true"}).content.decode()
    assert "A sync waits for its turn" in waiting
    assert "<html" not in waiting
    carry_out_syncs()
    done = text(page, ONLINE)
    assert "Up to date with the source" in done
    assert "version 0 to 1" in done
    lines = list(csv.DictReader(io.StringIO(text(page, f"{ONLINE}syncs.csv"))))
    assert [(line["kind"], line["cause"], line["rows"], line["state"]) for line in lines] == [
        ("INCREMENTAL", "started by learner", "1", "COMPLETED"), ("FULL", "created", "20", "COMPLETED")
    ]  # fmt: skip


def test_deleting_names_who_uses_it_and_asks_for_the_name(page: Client) -> None:
    assert "It is in use" in text(page, f"{ONLINE}delete/")
    assert page.post(f"{ONLINE}delete/", {"name": "no"}).status_code == 422
    assert page.post(f"{ONLINE}delete/", {"name": CUSTOMERS_ONLINE}).url == FEATURES
    assert not OnlineTable.objects.filter(full_name=CUSTOMERS_ONLINE).exists()
    text(page, ONLINE, 404)


def test_a_copy_whose_source_is_gone_is_still_found(page: Client, owner: Caller) -> None:
    tables.drop_table(owner, PRICES)
    shown = text(page, FEATURES)
    assert "Copies without a source" in shown
    assert "dropped" in text(page, f"{FEATURES}online/{PRICES_ONLINE}/")


# --- look-ups ---------------------------------------------------------------------------------------


def values(answer: Any) -> dict[str, tuple[str, str]]:
    """Column -> (value, where from) of a trial's table."""
    rows = re.findall(
        r'<th role="rowheader"[^>]*>(\w+).*?<code[^>]*>(.*?)</code>.*?<span class="origin[^>]*>(.*?)</span>', answer
    )
    return {name: (value, origin) for name, value, origin in rows}


def trial(page: Client, **fields: str) -> dict[str, tuple[str, str]]:
    """`fields`: customer, visits, tenure, spend, average as typed."""
    url = f"/sandbox/serving/{ENDPOINT}/features/{ENTITY}/try/"
    entity = ServedEntity.objects.get(config__endpoint__name=ENDPOINT)
    plan = customers_plan()
    names = [*plan.sent, *plan.found]
    body = {f"{entity.id[:12]}-c{names.index(name)}": value for name, value in fields.items()}
    answer = page.post(url, body, headers={"HX-Request": "true"})
    return values(answer.content.decode()) if answer.status_code == 200 else {"problem": (answer.content.decode(), "")}


def test_a_key_is_tried_as_a_replica_would_look_it_up(page: Client) -> None:
    assert trial(page, customer="4", visits="2") == {
        "visits": ("2", "sent"), "tenure": ("4", "looked up"), "spend": ("40.0", "looked up"), "average": ("10.0", "computed"),
        "customer": ("4", "sent"),
    }  # fmt: skip
    overridden = trial(page, customer="4", visits="2", spend="100")
    assert (overridden["spend"], overridden["average"]) == (("100.0", "sent"), ("25.0", "computed"))
    missing = trial(page, customer="99", visits="2")
    assert (missing["tenure"], missing["spend"]) == (("1", "default"), ("None", "no row"))
    assert trial(page, customer="1", visits="2")["spend"] == ("NaN", "looked up")
    assert trial(page, customer="20", visits="2")["tenure"] == ("None", "looked up")


def test_a_trial_that_cannot_be_says_why(page: Client) -> None:
    assert "&#x27;x&#x27; is no bigint." in trial(page, customer="x", visits="1")["problem"][0]
    assert "lacks the column" in trial(page, visits="1")["problem"][0]


def test_a_spec_is_tried_on_its_own_page(page: Client) -> None:
    answer = page.post(f"/sandbox/catalog/functions/{SPEC}/try/", {"spec-c0": "3", "spec-c1": "1"})
    assert (answer.status_code, values(answer.content.decode())["spend"]) == (200, ("30.0", "looked up"))
    OnlineTable.objects.all().delete()
    assert "has no online table" in text(page, f"/sandbox/catalog/functions/{SPEC}/")


# --- who may ----------------------------------------------------------------------------------------

PEOPLE = ("reader", "browser", "nobody", "instructor", "stranger", "admin")
"""The admin last: she deletes."""


@pytest.fixture
def sign(owner: Caller, instructor: User, stranger: User) -> Callable[[str], Client]:
    """A browser of that person; members of the owner's workspace have chosen it."""
    Grant.objects.all().delete()
    users = {"owner": owner.user, "instructor": instructor, "stranger": stranger}
    for name in ("admin", "reader", "browser", "nobody"):
        users[name] = User.objects.create_user(name)
        add_member(owner.workspace, name, is_admin=name == "admin")
    grants = {"main": "USE_CATALOG", "main.default": "USE_SCHEMA", CUSTOMERS: "SELECT", AVERAGE: "EXECUTE"}
    for name, privilege in grants.items():
        Grant.objects.create(securable=Securable.objects.get(full_name=name), principal="reader", privilege=privilege)
    Grant.objects.create(securable=Securable.objects.get(full_name="main"), principal="browser", privilege="BROWSE")

    endpoint = Endpoint.objects.get(name=ENDPOINT)
    for name in ("reader", "browser"):
        EndpointPermission.objects.create(endpoint=endpoint, user=users[name], level="CAN_QUERY")

    def sign_in(who: str) -> Client:
        client = Client()
        client.force_login(users[who], backend="django.contrib.auth.backends.ModelBackend")
        client.post(f"/sandbox/workspaces/{owner.workspace.id}/open/")
        return client

    return sign_in


def test_who_sees_which_page(sign: Callable[[str], Client]) -> None:
    wanted = {
        "admin": (200, 200, 200, 200, 302, 302),
        "reader": (200, 200, 200, 200, 403, 403),
        "browser": (200, 403, 403, 403, 403, 403),
    }
    for who in PEOPLE:
        client = sign(who)
        assert (CUSTOMERS in client.get(FEATURES).content.decode()) == (who in wanted), who
        statuses = {
            "table": client.get(f"{TABLE_URL}features/").status_code,
            "csv": client.get(f"{TABLE_URL}features.csv").status_code,
            "create": client.get(f"{TABLE_URL}online/").status_code,
            "copy": client.get(ONLINE).status_code,
            "sync": client.post(f"{ONLINE}sync/").status_code,
            "delete": client.post(f"{ONLINE}delete/", {"name": CUSTOMERS_ONLINE}).status_code,
        }
        assert tuple(statuses.values()) == wanted.get(who, (404,) * 6), (who, statuses)


def test_values_are_shown_to_whoever_may_read_them(sign: Callable[[str], Client]) -> None:
    url = f"/sandbox/serving/{ENDPOINT}/features/"
    assert "Look up</button>" in sign("reader").get(url).content.decode()
    browser = sign("browser").get(url).content.decode()
    assert "Look up</button>" not in browser
    assert "Values are shown to whoever may read the tables" in browser
    assert trial(sign("reader"), customer="4", visits="2")["spend"] == ("40.0", "looked up")
    assert "does not have" in trial(sign("browser"), customer="4", visits="2")["problem"][0]
    assert sign("stranger").get(url).status_code == 404


# --- skew -------------------------------------------------------------------------------------------

SKEW = f"/sandbox/serving/{ENDPOINT}/features/{ENTITY}/compare/"


def skew(page: Client, **fields: Any) -> list[dict[str, str]]:
    """The comparison as CSV; no gateway runs here, so no prediction can be had and only features are compared."""
    answer = page.post(SKEW, {"rows": 20, "c0": "1", "csv": "yes", **fields})
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_features_that_differ_are_named_with_the_reason(page: Client, owner: Caller, settings: Any) -> None:
    settings.PORT = 1
    assert "Does churn_by_key-1 serve what it was trained on?" in text(page, SKEW)
    same = skew(page)
    assert [row["key"] for row in same] == [str(number) for number in range(1, 21)]
    assert {row["differing_features"] for row in same} == {""}
    assert {(row["score_batch"], row["verdict"]) for row in same} == {("no answer", "unknown")}
    run_statement(owner, f"UPDATE {CUSTOMERS} SET total = 100 WHERE id = 4")
    assert [row["differing_features"] for row in skew(page) if row["verdict"] == "differs"] == [
        "spend: 100.0 offline, 40.0 online; average: 25.0 offline, 10.0 online"
    ]
    shown = page.post(SKEW, {"rows": 20, "c0": "1"}).content.decode()
    assert "1 of 20 rows differs" in shown
    assert "1 commit behind version 1 of the table" in shown
    assert "It is computed from spend, which differs." in shown


def test_a_function_that_changed_after_the_deployment_is_named(page: Client, owner: Caller, settings: Any) -> None:
    settings.PORT = 1
    parameters = (Parameter("total", "double"), Parameter("months", "int"))
    functions.create_function(owner, AVERAGE, Definition("PYTHON", "return 5.0", parameters, "double"), or_replace=True)
    assert skew(page, rows=2)[1]["differing_features"] == "average: 5.0 offline, 10.0 online"
    shown = page.post(SKEW, {"rows": 2, "c0": "1"}).content.decode()
    assert f"{AVERAGE} was changed after the deployment" in shown


def test_what_cannot_be_compared_is_said(page: Client, owner: Caller, sign: Callable[[str], Client]) -> None:
    assert page.post(SKEW, {"rows": 1000, "c0": "1"}).status_code == 422
    wrong = page.post(SKEW, {"rows": 3, "c0": "many"})
    assert (wrong.status_code, "&#x27;many&#x27; is no int." in wrong.content.decode()) == (422, True)
    assert [sign(who).get(SKEW).status_code for who in ("reader", "browser", "nobody", "stranger")] == [200, 403, 404, 404]
    run_statement(owner, f"DELETE FROM {CUSTOMERS} WHERE true")
    assert "has no rows yet" in page.post(SKEW, {"rows": 3, "c0": "1"}).content.decode()


def test_offline_a_time_series_ends_now_and_at_the_window(owner: Caller) -> None:
    online = OnlineTable.objects.get(full_name=PRICES_ONLINE)
    lookup = TableLookup(online.pk, PRICES_ONLINE, PRICES, {"product": "item"}, {"price": "price"})
    not_yet = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)  # at midnight, too
    table_rows.append(owner, PRICES, pa.table({"product": ["a"], "day": [not_yet], "price": [9.0]}))
    ever = offline_features(owner, lookup, None, [{"item": "a"}, {"item": "b"}])
    assert (ever.rows[0] and ever.rows[0]["price"], ever.rows[1]) == (2.0, None)
    assert "lies in the future" in ever.outside[0]
    recent = offline_features(owner, lookup, 3600.0, [{"item": "a"}])
    assert (recent.rows, "older than the look-back window" in recent.outside[0]) == ((None,), True)


def test_keys_that_json_has_no_words_for_find_their_rows(owner: Caller) -> None:
    name = "main.default.days"
    columns = [Column("day", "date"), Column("at", "timestamp"), Column("score", "double")]
    moment = dt.datetime(2026, 1, 5, 12, 30, tzinfo=dt.UTC)
    rows = pa.table({"day": [moment.date()], "at": [moment], "score": [0.5]})
    tables.create_table(owner, name, columns, rows=rows, primary_key=["day", "at"])
    lookup = TableLookup("none", f"{name}_online", name, {"day": "d", "at": "t"}, {"score": "score"})
    asked = records(owner, LookupPlan(("score",), {}, (lookup,)), 5, {})
    assert asked == [{"d": "2026-01-05", "t": "2026-01-05T12:30:00+00:00"}]
    found = offline_features(owner, lookup, None, asked)
    assert found.rows[0] is not None
    assert found.rows[0]["score"] == 0.5
