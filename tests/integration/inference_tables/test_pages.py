"""The inference table page: rows, counts, one row, SQL and its CSV, in one's own workspace only."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from sandbox import live
from sandbox.connections import redis_client
from tests.integration.inference_tables.conftest import record, write_rows

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/sandbox/serving/churn/inference-table/"


def publish(workspace_id: str, name: str = "churn", table: str = "main.default.churn_payload", runtime: Any = "onnx") -> None:
    entity = live.LiveEntity("e1", "champion", runtime, "main.default.churn", "1")
    routes = (live.LiveRoute("champion", 100),)
    live.publish_endpoint(redis_client(), live.LiveEndpoint(workspace_id, "id", name, 1, "", routes, (entity,), table))


@pytest.fixture
def page(client: Any, learner: Any, workspace: Any, delta_dir: Path) -> Any:
    """The learner's browser; her endpoint has 60 rows, every fifth an error, the newest one last."""
    publish(workspace.id)
    records = [
        record(f"r{n:02}", ws=workspace.id, t=1_790_000_000.0 + n, status=400 if n % 5 == 0 else 200, req='{"inputs": ["=1+1"]}')
        for n in range(60)
    ]
    write_rows(delta_dir, records)
    client.force_login(learner)
    return client


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_it_works(page: Any) -> None:
    assert reverse("inference_table", args=["churn"]) == PAGE
    answer = page.get(PAGE)
    assert answer.status_code == 200
    html = answer.content.decode()
    assert re.findall(r"<code>(r\d\d)</code>", html) == [f"r{n:02}" for n in range(59, 44, -1)]
    words = text_of(answer)
    assert "champion 200 48 80.0 % 4.0" in words
    assert "champion 400 12 20.0 % 4.0" in words
    assert 'aria-current="page">Inference table' in html
    second = page.get(PAGE, {"page": "2"})
    assert re.findall(r"<code>(r\d\d)</code>", second.content.decode()) == [f"r{n:02}" for n in range(44, 29, -1)]


def test_the_live_part_alone_answers_htmx(page: Any) -> None:
    answer = page.get(PAGE, headers={"HX-Request": "true"})
    assert answer.content.decode().startswith('<div id="captured"')
    assert "<html" not in answer.content.decode()


def test_one_row_shows_both_bodies(page: Any) -> None:
    answer = page.get(f"{PAGE}rows/r07/")
    assert '"inputs": [ "=1+1" ]' in text_of(answer).replace("&quot;", '"')
    assert page.get(f"{PAGE}rows/nothing/").status_code == 404


def test_sql_answers_with_a_table(page: Any) -> None:
    answer = page.post(f"{PAGE}sql/", {"sql": "SELECT status_code, count(*) n FROM churn_payload GROUP BY ALL ORDER BY n"})
    assert answer.status_code == 200
    assert "2 rows in" in text_of(answer)
    assert re.findall(r'<td class="number">(\d+)</td><td class="number">(\d+)</td></tr>', answer.content.decode())[:2] == [
        ("400", "12"),
        ("200", "48"),
    ]


def test_what_was_typed_survives_an_error(page: Any) -> None:
    typed = "SELECT <mine> FROM churn_payload"
    whole = page.post(f"{PAGE}sql/", {"sql": typed})
    assert whole.status_code == 422
    assert "SELECT &lt;mine&gt; FROM churn_payload</textarea>" in whole.content.decode()
    assert "[PARSE_SYNTAX_ERROR]" in whole.content.decode()
    fragment = page.post(f"{PAGE}sql/", {"sql": typed}, headers={"HX-Request": "true"})
    assert fragment.status_code == 422
    assert fragment.content.decode().startswith('<div id="sql-result"')
    assert "textarea" not in fragment.content.decode()


def test_the_csv_runs_nothing_in_a_spreadsheet(page: Any) -> None:
    statement = (
        "SELECT request:inputs[0] AS `=name`, -status_code AS minus, NULL AS nothing, '-1.5' AS t FROM churn_payload LIMIT 1"
    )
    answer = page.post(f"{PAGE}csv/", {"sql": statement})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="churn.csv"'
    header, row, *_ = answer.content.decode().splitlines()
    assert header == "'=name,minus,nothing,t"
    assert row in {"'=1+1,-200,,-1.5", "'=1+1,-400,,-1.5"}
    failed = page.post(f"{PAGE}csv/", {"sql": "SELECT"})
    assert failed.status_code == 422
    assert "sql-result" in failed.content.decode()


def test_before_the_first_call_it_says_what_to_do(page: Any, workspace: Any) -> None:
    publish(workspace.id, "new", "main.default.new_payload")
    assert "Nothing captured yet" in text_of(page.get("/sandbox/serving/new/inference-table/"))
    publish(workspace.id, "silent", "")
    assert "Capture is switched off" in text_of(page.get("/sandbox/serving/silent/inference-table/"))


def test_a_deleted_endpoint_leaves_its_table(page: Any, workspace: Any) -> None:
    live.withdraw_endpoint(redis_client(), workspace.id, "churn")
    answer = page.get(PAGE)
    assert answer.status_code == 200
    assert "Deleted endpoint" in text_of(answer)


@pytest.mark.parametrize(
    ("runtime", "kind", "more"),
    [
        ("onnx", "Custom model", ["Features", "Settings"]),
        ("pyfunc", "Custom model", ["Features", "Settings"]),
        ("spec", "Feature serving", ["Features", "Settings"]),
        ("external", "External model", ["Settings"]),
    ],
)
def test_the_tabs_are_those_of_the_endpoints_other_pages(
    runtime: live.Runtime, kind: str, more: list[str], page: Any, workspace: Any
) -> None:
    publish(workspace.id, "other", "main.default.other_payload", runtime)
    answer = page.get("/sandbox/serving/other/inference-table/")
    tabs = re.findall(r'<a class="tab-link"[^>]*>([^<]+)</a>', answer.content.decode())
    shared = ["Overview", "Query", "Metrics", "Logs", "Events", "Inference table", "Permissions"]
    assert sorted(tabs) == sorted([*shared, *more])
    assert kind in text_of(answer)


def test_calls_of_a_preconfigured_endpoint_are_in_ones_own_table(page: Any, workspace: Any, delta_dir: Path) -> None:
    table = "main.default.databricks-bge-large-en_payload"
    publish(live.SYSTEM_WORKSPACE, "databricks-bge-large-en", table, "embedding")
    write_rows(delta_dir, [record("mine", ws=workspace.id, table=table)])
    write_rows(delta_dir, [record("theirs", ws="f" * 32, table=table)])
    answer = page.get("/sandbox/serving/databricks-bge-large-en/inference-table/")
    assert re.findall(r"<code>(mine|theirs)</code>", answer.content.decode()) == ["mine"]
    ran = page.post(
        "/sandbox/serving/databricks-bge-large-en/inference-table/sql/",
        {"sql": "SELECT databricks_request_id FROM main.default.`databricks-bge-large-en_payload`"},
    )
    assert '<td class="result-cell">mine</td>' in ran.content.decode()


def test_a_stranger_gets_the_404_of_a_missing_endpoint(page: Any, stranger: Any, client: Any) -> None:
    client.force_login(stranger)
    for address in (PAGE, f"{PAGE}rows/r07/"):
        hidden = client.get(address)
        missing = client.get(address.replace("churn", "nothing"))
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert text_of(hidden).replace("churn", "nothing") == text_of(missing)
    assert client.post(f"{PAGE}sql/", {"sql": "SELECT 1"}).status_code == 404


def test_everybody_else_signs_in_first(page: Any, client: Any) -> None:
    client.logout()
    assert client.get(PAGE)["Location"] == f"/login/?next={PAGE}"


def test_each_example_runs(page: Any, workspace: Any) -> None:
    html = page.get(PAGE).content.decode()
    links = re.findall(r'<a href="(\?sql=[^"#]+)#sql-title">', html)
    assert len(links) == 4
    for link in links:
        filled = page.get(PAGE + link)
        statement = filled.context["sql"]
        assert statement in unescape(filled.content.decode())
        ran = page.post(f"{PAGE}sql/", {"sql": statement})
        assert ran.status_code == 200, text_of(ran)
        assert ran.context["result"].rows
