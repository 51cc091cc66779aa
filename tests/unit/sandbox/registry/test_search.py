"""Filter strings, orders and pages of searches, answered by the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sandbox.registry.search import Comparison, parse

from .conftest import OSS, UC, Rest

LIST_QUERIES, ONE_QUERIES = 8, 10
"""However many models and versions there are."""
NAMES = ["main.default.churn_a", "main.default.churn_b", "main.default.fraud", "Churn A", "churn b"]


@pytest.fixture
def many(ada: Rest) -> Rest:
    for number, name in enumerate(NAMES):
        tags = [{"key": "team", "value": "red" if number % 2 else "blue"}, {"key": "a.b", "value": f"it's {number}"}]
        ada.ok("POST", OSS + "registered-models/create", {"name": name, "tags": tags})
    return ada


@pytest.mark.parametrize(
    ("filter_string", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("name = 'main.default.fraud'", [2]),
        ("name = 'MAIN.Default.Fraud'", [2]),
        ('name="Churn A"', [3]),
        ("name != 'main.default.fraud'", [0, 1, 3, 4]),
        ("name LIKE 'main.default.churn%'", [0, 1]),
        ("name LIKE '%.churn__'", [0, 1]),
        ("name LIKE 'churn%'", [4]),
        ("name ILIKE 'churn%'", [3, 4]),
        ("name like '%[a-z]%'", []),
        ("name LIKE '%*%'", []),
        ("name ilike '%\\%'", []),
        ("attribute.name IN ('Churn A', 'churn b')", [3, 4]),
        ("name NOT IN ('Churn A', 'churn b')", [0, 1, 2]),
        ("tags.team = 'red'", [1, 3]),
        ("tag.team != 'red'", [0, 2, 4]),
        ("tags.`team` = 'red' AND name LIKE 'main%'", [1]),
        ("tags.a.b = 'it''s 3'", [3]),
        ("tags.`a.b` ILIKE 'IT%S 1'", [1]),
        ("tags.missing != 'x'", []),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", [0, 1, 2, 3, 4]),
        ("name = 'x'' OR ''1''=''1'", []),
    ],
)
def test_models_are_found(many: Rest, filter_string: str, expected: list[int]) -> None:
    found = many.ok("GET", OSS + "registered-models/search", filter=filter_string).get("registered_models", [])
    assert sorted(each["name"] for each in found) == sorted(NAMES[index] for index in expected)


@pytest.mark.parametrize(
    "filter_string",
    ["name", "name =", "name = churn", "name = 'a' OR name = 'b'", "name > 'a'", "nam = 'x'", "name = 'x' AND", "name = 'x';--",
     "x.y = '1'",
     "name = 7", "name IN 'x'", "name LIKE ('a')", "AND", "name = 'a' name = 'b'", "(" * 4000, "name = '" + "a" * 6000 + "'",
     " AND ".join(["name = 'x'"] * 30)],
)  # fmt: skip
def test_a_bad_filter_is_explained(many: Rest, filter_string: str) -> None:
    status, answer = many.call("GET", OSS + "registered-models/search", filter=filter_string)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "filter" in answer["message"].lower()


def test_a_pattern_full_of_wildcards_costs_nothing(many: Rest) -> None:
    many.ok("POST", OSS + "registered-models/create", {"name": "a" * 255})
    for operator in ("LIKE", "ILIKE"):  # a reader that tries every way would not come back
        assert many.ok("GET", OSS + "registered-models/search", filter=f"name {operator} '{'%a' * 100}b'") == {}


def test_models_are_ordered(many: Rest) -> None:
    def names(*order_by: str) -> list[str]:
        found = many.ok("GET", OSS + "registered-models/search", order_by=list(order_by), filter="name LIKE 'main%'")
        return [each["name"].rpartition(".")[2] for each in found["registered_models"]]

    assert names() == names("name ASC") == ["churn_a", "churn_b", "fraud"]
    assert names("name DESC") == names("creation_timestamp desc") == ["fraud", "churn_b", "churn_a"]
    many.ok("POST", OSS + "registered-models/set-tag", {"name": NAMES[0], "key": "x", "value": "y"})
    assert names("last_updated_timestamp DESC")[0] == "churn_a"
    for bad in ("size", "name; DROP", "name ASC, name", ""):
        status, _ = many.call("GET", OSS + "registered-models/search", order_by=[bad])
        assert status == 400


def test_versions_are_found_by_what_they_are(churn: Rest) -> None:
    from sandbox.models import ModelVersion, Securable

    model = Securable.objects.get(full_name="main.default.churn")
    ModelVersion.objects.bulk_create(
        ModelVersion(
            registered_model=model, version=number, status="READY", source=f"models:/m-{number:032x}", run_id=f"run{number % 3}",
            tags={"n": str(number), "kind.of": "odd" if number % 2 else "even"}, created_by="ada", updated_by="ada",
        )
        for number in range(2, 12)
    )  # fmt: skip

    def versions(filter_string: str, *order_by: str) -> list[int]:
        found = churn.ok("GET", OSS + "model-versions/search", filter=filter_string, order_by=list(order_by))
        return [int(each["version"]) for each in found.get("model_versions", [])]

    assert sorted(versions("name = 'main.default.churn'")) == list(range(1, 12))
    assert versions("name='main.default.churn' AND version_number > 9", "version_number ASC") == [10, 11]
    assert versions("version_number = '4'") == [4]
    assert sorted(versions("run_id = 'run1'")) == [4, 7, 10]
    assert sorted(versions("run_id IN ('run1', 'run0') and version_number <= 6")) == [3, 4, 6]
    assert versions(f"source_path = 'models:/m-{5:032x}'") == [5]
    assert sorted(versions("source_path LIKE '%b'")) == [11]
    assert versions("tags.n = '7'") == [7]
    assert versions("tags.`kind.of` = 'even'", "version_number DESC") == [10, 8, 6, 4, 2]
    assert versions("tags.nothing = 'x'") == []
    assert versions("name LIKE '%nothing%'") == []
    of_uc = churn.ok("GET", UC + "model-versions/search", filter="name='main.default.churn'", max_results="4")
    assert [each["version"] for each in of_uc["model_versions"]] == ["11", "10", "9", "8"]
    assert of_uc["next_page_token"]
    for bad in ("version_number = 'x'", "version_number LIKE '1'", "stage = 'x'"):
        assert churn.refused("GET", OSS + "model-versions/search", filter=bad) == (400, "INVALID_PARAMETER_VALUE")


def test_comparisons_are_read_as_mlflow_reads_them() -> None:
    assert parse("tags.`a b` ILIKE 'x' and attributes.name NOT  IN ('a','b')") == [
        Comparison("a b", True, "ILIKE", "x"),
        Comparison("name", False, "NOT IN", ["a", "b"]),
    ]
    assert parse("  ") == []


@pytest.fixture
def crowded(churn: Rest) -> Rest:
    """A model with 10,000 versions, in a schema with 1,000 models."""
    from sandbox.models import ModelAlias, ModelDetail, ModelVersion, Securable

    model = Securable.objects.get(full_name="main.default.churn")
    facts: dict[str, Any] = {"registered_model": model, "status": "READY", "created_by": "ada", "updated_by": "ada"}
    ModelVersion.objects.bulk_create(ModelVersion(version=number, **facts) for number in range(2, 10_001))
    ModelDetail.objects.filter(securable=model).update(last_version=10_000)
    ModelAlias.objects.create(registered_model=model, alias="last", alias_key="last", version=10_000)
    names = [f"m{number:04d}" for number in range(999)]
    models = Securable.objects.bulk_create(
        Securable(
            workspace=churn.workspace, securable_type="MODEL", parent=model.parent, name=name, full_name=f"main.default.{name}",
            owner="ada@example.org", created_by="ada", updated_by="ada",
        )
        for name in names
    )  # fmt: skip
    ModelDetail.objects.bulk_create(ModelDetail(securable=each) for each in models)
    return churn


def test_a_crowd_of_models_and_versions_costs_no_more_queries(crowded: Rest, model_dir: Callable[..., Path]) -> None:
    name = "main.default.churn"
    listed = {"catalog_name": "main", "schema_name": "default"}
    calls: list[tuple[Callable[[], Any], int]] = [
        (lambda: crowded.ok("GET", "/api/2.1/unity-catalog/models", **listed), LIST_QUERIES),
        (lambda: crowded.ok("GET", UC + "model-versions/get", name=name, version="9999"), ONE_QUERIES),
        (lambda: crowded.ok("GET", UC + "registered-models/alias", name=name, alias="LAST"), ONE_QUERIES),
        (lambda: crowded.ok("GET", UC + "model-versions/search", filter=f"name='{name}'", max_results="100"), LIST_QUERIES),
        (lambda: crowded.ok("GET", OSS + "model-versions/search", filter=f"name='{name}'", max_results="100"), LIST_QUERIES),
        (lambda: crowded.ok("GET", OSS + "registered-models/search", max_results="100"), LIST_QUERIES),
    ]
    for number, (call, limit) in enumerate(calls):
        with CaptureQueriesContext(connection) as queries:
            call()
        assert len(queries) <= limit, (number, [query["sql"][:200] for query in queries])
    with CaptureQueriesContext(connection) as queries:
        assert len(calls[0][0]()["registered_models"]) == 1000
    rows = [query["sql"] for query in queries if "LIMIT 1001" in query["sql"] or "LIMIT 10001" in query["sql"]]
    assert rows, "the page is cut in the database"
    assert not any("JOIN" in sql for sql in rows), "four more rows for each model took longer than the models"
    assert crowded.refused("POST", UC + "model-versions/create", {"name": name, "source": "x"}) == (400, "RESOURCE_EXHAUSTED")
    crowded.ok("DELETE", UC + "model-versions/delete", {"name": name, "version": "5"})
    crowded.ok("POST", UC + "model-versions/create", {"name": name, "source": "x"})
