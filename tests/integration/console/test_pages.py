"""Who may see and change what in the console, and what a submitted form turns into."""

from typing import Any

import pytest
from django.test import Client

from sandbox.serving.models import Endpoint
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace
from tests.browser.endpoint_rows import custom, external, make_endpoint, register_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_of() -> Any:
    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return sign_in


@pytest.fixture
def churn(learner: User) -> Endpoint:
    register_model(open_workspace(learner), "main.default.churn", 2)
    return make_endpoint(open_workspace(learner), "churn", [custom("churn", "1"), custom("churn", "2")], shares=(80, 20))


def external_form(**typed: str) -> dict[str, str]:
    return {
        "name": "chat",
        "kind": "external",
        "entities-TOTAL_FORMS": "1",
        "entities-INITIAL_FORMS": "0",
        "external-TOTAL_FORMS": "1",
        "external-INITIAL_FORMS": "0",
        "external-task": "llm/v1/chat",
        "external-0-model": "gpt-4o-mini",
        "external-0-traffic_percentage": "100",
        "external-0-api_key_plaintext": "sk-very-secret",
        **typed,
    }


ADDRESSES = ("overview", "query", "events", "delete")


@pytest.mark.parametrize("page", ADDRESSES)
def test_somebody_elses_endpoint_is_not_there(page: str, churn: Endpoint, stranger: User, client_of: Any) -> None:
    client = client_of(stranger)
    theirs, missing = client.get(f"/sandbox/serving/churn/{page}/"), client.get(f"/sandbox/serving/nothing/{page}/")
    assert (theirs.status_code, missing.status_code) == (404, 404)
    assert b"churn" not in theirs.content


@pytest.mark.parametrize("page", ["traffic", "delete"])
def test_somebody_elses_endpoint_cannot_be_changed(page: str, churn: Endpoint, stranger: User, client_of: Any) -> None:
    assert client_of(stranger).post(f"/sandbox/serving/churn/{page}/", {"share:churn-1": "100"}).status_code == 404
    churn.refresh_from_db()
    assert churn.config_update == "NOT_UPDATING"


@pytest.mark.parametrize("address", ["/sandbox/", "/sandbox/serving/", "/sandbox/serving/churn/overview/", "/operate/"])
def test_a_visitor_is_sent_to_the_sign_in(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={address}")


@pytest.mark.parametrize("role", ["learner", "instructor", "author"])
def test_only_the_operator_operates(role: str, learner: User, client_of: Any) -> None:
    learner.role = role
    learner.save()
    assert client_of(learner).get("/operate/").status_code == 403


def test_an_external_endpoint_is_created_and_its_key_kept_from_pages(learner: User, client_of: Any) -> None:
    client = client_of(learner)
    answer = client.post("/sandbox/serving/new/", external_form())
    assert (answer.status_code, answer["Location"]) == (302, "/sandbox/serving/chat/overview/")
    endpoint = Endpoint.objects.get(workspace=open_workspace(learner))
    entity = endpoint.configs.get().entities.get()
    assert (endpoint.name, endpoint.kind, endpoint.creator) == ("chat", "external", "learner")
    assert entity.external_model == {"provider": "openai", "name": "gpt-4o-mini", "task": "llm/v1/chat", "openai_config": {}}
    assert "sk-very-secret" not in str(entity.external_secrets)
    assert b"sk-very-secret" not in client.get("/sandbox/serving/chat/overview/").content


def test_an_external_endpoint_is_edited(learner: User, client_of: Any) -> None:
    client = client_of(learner)
    chat = make_endpoint(open_workspace(learner), "chat", [external()], kind="external", task="llm/v1/chat")
    html = client.get("/sandbox/serving/chat/edit/").content.decode()
    assert 'value="gpt-4o-mini"' in html
    assert "Served models and their traffic" not in html
    row = {"external-0-traffic_percentage": "60", "external-1-traffic_percentage": "40"}
    more = {"external-TOTAL_FORMS": "2", "external-1-model": "gpt-4.1", "external-1-api_key_plaintext": "sk-other"}
    answer = client.post("/sandbox/serving/chat/edit/", external_form(**row, **more))
    assert (answer.status_code, answer["Location"]) == (302, "/sandbox/serving/chat/overview/")
    chat.refresh_from_db()
    pending = chat.configs.get(config_version=chat.pending_version)
    assert [(e.name, e.external_model["name"]) for e in pending.entities.all()] == [
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4-1", "gpt-4.1"),
    ]
    assert [route["traffic_percentage"] for route in pending.routes] == [60, 40]


def test_a_secret_that_is_not_there_stands_at_its_field(learner: User, client_of: Any) -> None:
    typed = {"external-0-api_key_plaintext": "", "external-0-api_key": "{{secrets/a/b}}"}
    answer = client_of(learner).post("/sandbox/serving/new/", external_form(**typed))
    assert answer.status_code == 422
    assert "refers to {{secrets/a/b}}" in answer.content.decode().split('id="error_external-0-api_key"')[1].split("</div>")[0]


def test_a_name_that_is_taken_keeps_what_was_typed(churn: Endpoint, learner: User, client_of: Any) -> None:
    answer = client_of(learner).post("/sandbox/serving/new/", external_form(name="churn"))
    assert answer.status_code == 422
    assert "Serving endpoint with name churn already exists." in answer.content.decode()
    assert 'value="gpt-4o-mini"' in answer.content.decode()
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"name": "no spaces"}, "name", "Use letters, digits, &#x27;-&#x27; and &#x27;_&#x27; only."),
        ({"name": "databricks-mine"}, "name", "belong to the preconfigured endpoints"),
        ({"external-0-api_key_plaintext": ""}, "external-0-api_key_plaintext", "one of the two"),
        ({"external-0-api_key": "{{secrets/a/b}}"}, "external-0-api_key_plaintext", "one of the two"),
    ],
)
def test_an_error_stands_at_its_field(typed: dict[str, str], field: str, sentence: str, learner: User, client_of: Any) -> None:
    answer = client_of(learner).post("/sandbox/serving/new/", external_form(**typed))
    html = answer.content.decode()
    assert answer.status_code == 422
    error = html.split(f'id="error_{field}"')[1].split("</div>")[0]
    assert sentence in error
    assert not Endpoint.objects.exists()


def test_a_row_without_a_model_says_so(learner: User, client_of: Any) -> None:
    form = external_form(kind="custom") | {
        "entities-0-model": "",
        "entities-0-workload_size": "Small",
        "entities-0-workload_type": "CPU",
        "entities-0-traffic_percentage": "100",
    }
    html = client_of(learner).post("/sandbox/serving/new/", form).content.decode()
    assert "Choose a version from your registry." in html.split('id="error_entities-0-model"')[1].split("</div>")[0]


def test_a_new_split_starts_an_update_with_the_same_entities(churn: Endpoint, learner: User, client_of: Any) -> None:
    answer = client_of(learner).post("/sandbox/serving/churn/traffic/", {"share:churn-1": "50", "share:churn-2": "50"})
    assert answer.status_code == 302
    churn.refresh_from_db()
    pending = churn.configs.get(config_version=churn.pending_version)
    assert churn.config_update == "IN_PROGRESS"
    assert pending.routes == [
        {"served_entity_name": "churn-1", "traffic_percentage": 50},
        {"served_entity_name": "churn-2", "traffic_percentage": 50},
    ]
    entities = [(e.entity_name, e.entity_version, e.workload_size, e.scale_to_zero_enabled) for e in pending.entities.all()]
    assert entities == [("main.default.churn", "1", "Small", True), ("main.default.churn", "2", "Small", True)]


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ({"share:churn-1": "90", "share:churn-2": "20"}, "They add up to 110."),
        ({"share:churn-1": "eighty", "share:churn-2": "20"}, "whole number from 0 to 100"),
        ({"share:churn-1": "80"}, "whole number from 0 to 100"),
    ],
)
def test_a_wrong_split_changes_nothing(
    shares: dict[str, str], sentence: str, churn: Endpoint, learner: User, client_of: Any
) -> None:
    answer = client_of(learner).post("/sandbox/serving/churn/traffic/", shares)
    assert (answer.status_code, sentence in answer.content.decode()) == (422, True)
    churn.refresh_from_db()
    assert churn.config_update == "NOT_UPDATING"


def test_deleting_asks_first(churn: Endpoint, learner: User, client_of: Any) -> None:
    client = client_of(learner)
    assert "Delete churn?" in client.get("/sandbox/serving/churn/delete/").content.decode()
    assert Endpoint.objects.filter(name="churn").exists()
    assert client.post("/sandbox/serving/churn/delete/")["Location"] == "/sandbox/serving/"
    assert not Endpoint.objects.filter(name="churn").exists()


def test_an_endpoint_called_new_has_a_page(learner: User, client_of: Any) -> None:
    make_endpoint(open_workspace(learner), "new", [external()], kind="external", task="llm/v1/chat")
    html = client_of(learner).get("/sandbox/serving/new/overview/").content.decode()
    assert "/serving-endpoints/new/invocations" in html


def test_what_the_events_page_shows(churn: Endpoint, learner: User, client_of: Any) -> None:
    html = client_of(learner).get("/sandbox/serving/churn/events/").content.decode()
    assert "ENDPOINT_CREATED" in html
    assert "Created by learner." in html
