"""The catalog's pages: what they show of each kind of object, and what their forms do."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from sandbox.catalog.models import Grant, ModelAlias, ModelVersion, Securable, Tag
from sandbox.models import User
from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller
from tests.browser.catalog_rows import FUNCTION, MODEL, TABLE, VIEW, VOLUME, keep_files_in, make_catalog

pytestmark = pytest.mark.django_db
CATALOG = "/sandbox/catalog/"
TABLE_URL, VOLUME_URL = f"{CATALOG}tables/{TABLE}/", f"{CATALOG}volumes/{VOLUME}/"
MODEL_URL = f"/sandbox/models/{MODEL}/"


@pytest.fixture
def owner(settings: Any, tmp_path: Path, learner: User) -> Caller:
    keep_files_in(tmp_path, settings)
    return make_catalog(learner)


@pytest.fixture
def page(client: Client, owner: Caller) -> Client:
    client.force_login(owner.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text(client: Client, url: str, status: int = 200) -> str:
    answer = client.get(url)
    assert answer.status_code == status, (url, answer.status_code)
    return answer.content.decode()


def test_it_works(page: Client) -> None:
    """Every page of every kind of object answers and names it."""
    urls = {
        CATALOG: "main",
        f"{CATALOG}catalogs/main/": "default",
        f"{CATALOG}schemas/main.default/": "customers",
        f"{CATALOG}functions/{FUNCTION}/": "LANGUAGE PYTHON",
        f"{CATALOG}functions/{FUNCTION}/lineage/": "No lineage yet",
        VOLUME_URL: "churn.csv",
        f"{CATALOG}tables/{VIEW}/": "tenure &lt; 24",
        f"{CATALOG}tables/{VIEW}/history/": "A view has no history",
        TABLE_URL: "Who buys from us",
        f"{TABLE_URL}lineage/": f"{MODEL}/1",
        MODEL_URL: "champion",
        f"{MODEL_URL}lineage/": TABLE,
        f"{MODEL_URL}versions/1/": "tensor of float64, shape (-1)",
        "/sandbox/models/": MODEL,
    }
    for kind, name in (("catalogs", "main"), ("schemas", "main.default"), ("tables", TABLE), ("functions", FUNCTION)):
        for tab in ("details", "permissions"):
            urls[f"{CATALOG}{kind}/{name}/{tab}/"] = name
    assert {url: words in text(page, url) for url, words in urls.items()} == dict.fromkeys(urls, True)


def test_columns_show_key_types_comments_and_tags(page: Client, owner: Caller) -> None:
    Tag.objects.create(securable=Securable.objects.get(full_name=TABLE), column="name", key="pii", value="yes")
    shown = text(page, TABLE_URL)
    assert "customers_pk" in shown
    assert "<code>array&lt;int&gt;</code>" in shown
    assert 'aria-label="Tags of name"' in shown


def test_rows_are_shown_escaped_and_nulls_are_told_from_text(page: Client) -> None:
    shown = text(page, f"{TABLE_URL}sample/")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script>alert(1)" not in shown
    assert shown.count(">null</td>") == 5
    assert "3 rows" in shown
    assert "[1, 2]" in shown


def test_an_older_version_is_shown_as_it_was(page: Client) -> None:
    shown = text(page, f"{TABLE_URL}sample/?version=1")
    assert "2 rows" in shown
    assert "version 1, as it was" in shown
    assert "Available versions: [0, 2]" in text(page, f"{TABLE_URL}sample/?version=9", 400)


def test_history_names_versions_and_rows_written(page: Client) -> None:
    shown = text(page, f"{TABLE_URL}history/")
    assert "2 rows written" in shown
    assert "CREATE TABLE" in shown
    assert f"{TABLE_URL}sample/?version=0" in shown


def test_the_tree_opens_to_the_object_and_htmx_gets_branches(page: Client) -> None:
    shown = text(page, TABLE_URL)
    tree = shown[shown.index('aria-label="Catalog tree"') : shown.index('class="catalog-main"')]
    assert f'href="{TABLE_URL}" aria-current="page"' in tree
    branch = text(page, f"{CATALOG}tree/?of=volumes&name=main.default")
    assert VOLUME_URL in branch
    assert "<html" not in branch
    assert text(page, f"{CATALOG}tree/?of=schemas&name=main.nothing", 404)
    assert text(page, f"{CATALOG}tree/?of=nonsense&name=main.default", 404)


def test_search_finds_names_and_comments_of_every_kind(page: Client) -> None:
    found = text(page, f"{CATALOG}?q=LEAVE")
    assert MODEL in found
    assert "1 object that you may see" in found
    assert "Nothing has that name" in text(page, f"{CATALOG}?q=zebra")


def test_catalog_schema_and_volume_are_created_and_deleted_by_name(page: Client) -> None:
    assert page.post(f"{CATALOG}new/catalogs/", {"name": "Dev", "comment": "To try"}).url == f"{CATALOG}catalogs/dev/"
    assert page.post(f"{CATALOG}new/schemas/?in=dev", {"name": "team_a"}).url == f"{CATALOG}schemas/dev.team_a/"
    made = page.post(f"{CATALOG}new/volumes/?in=dev.team_a", {"name": "raw", "comment": "It's raw"})
    assert made.url == f"{CATALOG}volumes/dev.team_a.raw/"
    assert Securable.objects.get(full_name="dev.team_a.raw").comment == "It's raw"
    again = page.post(f"{CATALOG}new/schemas/?in=dev", {"name": "team_a", "comment": "kept"})
    assert again.status_code == 422
    assert "already exists" in again.content.decode()
    assert "kept</textarea>" in again.content.decode()
    wrong = page.post(f"{CATALOG}catalogs/dev/delete/", {"name": "de"})
    assert (wrong.status_code, "Type dev to delete it." in wrong.content.decode()) == (422, True)
    assert page.post(f"{CATALOG}catalogs/dev/delete/", {"name": "dev"}).url == CATALOG
    assert not Securable.objects.filter(full_name__startswith="dev").exists()


def test_a_name_that_cannot_be_is_said_beside_the_field(page: Client) -> None:
    answer = page.post(f"{CATALOG}new/schemas/?in=main", {"name": "a.b"})
    assert answer.status_code == 422
    assert 'id="error_name"' in answer.content.decode()


def test_comment_tags_properties_and_owner_change(page: Client, owner: Caller) -> None:
    details = f"{TABLE_URL}details/"
    for form in (
        {"form": "comment", "comment": "New words"},
        {"form": "tags", "tags": "team=churn\nnew"},
        {"form": "properties", "properties": "delta.enableChangeDataFeed=true"},
        {"form": "owner", "owner": "users"},
    ):
        assert page.post(details, form).status_code == 302, form
    row = Securable.objects.get(full_name=TABLE)
    assert (row.comment, row.owner, row.properties["delta.enableChangeDataFeed"]) == ("New words", "users", "true")
    assert dict(row.tags.values_list("key", "value")) == {"team": "churn", "new": ""}
    refused = page.post(details, {"form": "properties", "properties": "delta.nonsense=1"})
    assert refused.status_code == 422
    assert "Unknown configuration" in refused.content.decode()
    assert "delta.nonsense=1</textarea>" in refused.content.decode()


def test_privileges_are_granted_and_revoked_and_the_matrix_says_where_from(page: Client) -> None:
    url = f"{CATALOG}schemas/main.default/permissions/"
    assert page.post(url, {"action": "grant", "principal": "users", "privileges": ["SELECT", "EXECUTE"]}).status_code == 302
    shown = text(page, f"{CATALOG}functions/{FUNCTION}/permissions/")
    assert f'from <a href="{url}">main.default</a>' in shown
    gone = {"action": "revoke", "principal": "users", "privilege": "SELECT"}
    assert page.post(url, gone).status_code == 302
    assert list(Grant.objects.filter(securable__full_name="main.default", privilege="SELECT")) == []
    nobody = page.post(url, {"action": "grant", "principal": "", "privileges": []})
    assert nobody.status_code == 422
    assert "Choose a person or a group." in nobody.content.decode()
    assert "Tick at least one privilege." in nobody.content.decode()


def test_the_matrix_says_what_is_missing(page: Client, owner: Caller) -> None:
    Grant.objects.filter(privilege="USE_SCHEMA").delete()
    shown = text(page, f"{TABLE_URL}permissions/")
    assert "lacks USE SCHEMA ON SCHEMA main.default" in shown


def test_a_function_is_called_with_what_was_typed(page: Client) -> None:
    url = f"{CATALOG}functions/{FUNCTION}/"
    answer = page.post(url, {"p0": "3"}, headers={"HX-Request": "true"})
    assert (answer.status_code, "<td>high</td>" in answer.content.decode()) == (200, True)
    assert "<html" not in answer.content.decode()
    whole = page.post(url, {"p0": "40) OR (1=1"})
    assert whole.status_code == 422
    assert 'value="40) OR (1=1"' in whole.content.decode()


def test_a_view_shows_what_its_query_gives(page: Client, owner: Caller) -> None:
    run_statement(owner, f"CREATE VIEW main.default.fresh AS SELECT id FROM {TABLE} WHERE tenure < 24")
    shown = text(page, f"{CATALOG}tables/main.default.fresh/sample/")
    assert "1 row in" in shown
    assert "<td>1</td>" in shown


def test_files_are_uploaded_listed_downloaded_and_deleted(page: Client, tmp_path: Path) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    sent = page.post(f"{VOLUME_URL}?path=2026", {"file": SimpleUploadedFile("a b.csv", b"1,2\n")})
    assert sent.url == f"{VOLUME_URL}?path=2026"
    assert "a b.csv" in text(page, f"{VOLUME_URL}?path=2026")
    assert [path.read_bytes() for path in tmp_path.glob("volumes_dir/*/*/2026/a b.csv")] == [b"1,2\n"]
    address = page.get(f"{VOLUME_URL}download/?path=2026/a+b.csv").url
    assert address.startswith("/api/2.0/fs/signed/")
    assert (
        page.post(f"{VOLUME_URL}upload-url/", {"path": "2026", "name": "b.csv"}).json()["url"].startswith("/api/2.0/fs/signed/")
    )
    assert page.post(f"{VOLUME_URL}?path=2026", {"name": "deep"}).status_code == 302
    assert "is not empty" in page.post(f"{VOLUME_URL}delete-file/?path=2026").content.decode()
    assert page.post(f"{VOLUME_URL}delete-file/?path=2026/a b.csv").status_code == 302
    assert "a b.csv" not in text(page, f"{VOLUME_URL}?path=2026").replace("a b.csv is deleted", "")


@pytest.mark.parametrize("path", ["../other", "2026/../../x", "%2e%2e/x", "a//b", "no/such/folder"])
def test_paths_that_climb_or_are_not_there(path: str, page: Client) -> None:
    assert page.get(VOLUME_URL, {"path": path}).status_code in {400, 404}
    assert page.post(f"{VOLUME_URL}upload-url/", {"path": path, "name": "../../x"}).status_code == 400


def test_aliases_move_and_go_in_any_case(page: Client) -> None:
    assert page.post(MODEL_URL, {"alias": "Champion", "version": "2"}).status_code == 302
    assert list(ModelAlias.objects.values_list("alias", "version")) == [("Champion", 2)]
    missing = page.post(MODEL_URL, {"alias": "challenger", "version": "9"})
    assert missing.status_code == 422
    assert "version 9 does not exist" in missing.content.decode()
    assert 'value="challenger"' in missing.content.decode()
    assert page.post(MODEL_URL, {"remove": "Champion"}).status_code == 302
    assert not ModelAlias.objects.exists()


def test_a_version_is_commented_tagged_aliased_served_and_deleted(page: Client) -> None:
    url = f"{MODEL_URL}versions/2/"
    assert f"/sandbox/serving/new/?model={MODEL}%402" in text(page, url)
    for form in (
        {"form": "comment", "comment": "Better"},
        {"form": "tags", "tags": "auc=0.9"},
        {"form": "alias", "alias": "new"},
    ):
        assert page.post(url, form).status_code == 302
    version = ModelVersion.objects.get(version=2)
    assert (version.comment, version.tags) == ("Better", {"auc": "0.9"})
    assert f"models:/{MODEL}@new" in text(page, url)
    assert page.post(url, {"form": "alias", "alias": "v3"}).status_code == 422
    assert page.post(f"{url}delete/").url == MODEL_URL
    assert list(ModelVersion.objects.values_list("version", flat=True)) == [1]
    assert text(page, url, 404)


def test_versions_are_found_among_many_by_the_database(page: Client, django_assert_max_num_queries: Any) -> None:
    model = Securable.objects.get(full_name=MODEL)
    rows = [ModelVersion(registered_model=model, version=n, status="READY", described={}, created_by="x") for n in range(3, 1003)]
    ModelVersion.objects.bulk_create(rows)
    with django_assert_max_num_queries(40):
        assert "1002 versions" in text(page, MODEL_URL)
    ModelVersion.objects.filter(version=1).update(created_at=model.created_at.replace(year=2020))
    assert f'value="{MODEL}@1" selected' in text(page, f"/sandbox/serving/new/?model={MODEL}%401")
    assert f"{MODEL_URL}versions/777/" in text(page, f"{MODEL_URL}?q=777")
    assert "1 version for “champion”" in text(page, f"{MODEL_URL}?q=champion")


def test_a_thousand_tables_are_paged(page: Client, owner: Caller, django_assert_max_num_queries: Any) -> None:
    schema = Securable.objects.get(full_name="main.default")
    many = [
        Securable(
            workspace=owner.workspace,
            securable_type="FUNCTION",
            parent=schema,
            name=f"f{n:04}",
            full_name=f"main.default.f{n:04}",
        )
        for n in range(1000)
    ]
    Securable.objects.bulk_create(many)
    with django_assert_max_num_queries(40):
        shown = text(page, f"{CATALOG}schemas/main.default/?show=functions&page=3")
    assert "1001" in shown
    assert "f0110" in shown
    assert "f0300" not in shown
    assert "Show all" in text(page, f"{CATALOG}tree/?of=functions&name=main.default")
