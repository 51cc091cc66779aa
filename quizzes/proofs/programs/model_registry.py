"""Programs about registered models: versions, aliases, tags, and what an endpoint notices of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from quizzes.proofs.client import ProofClient, ProofCouldNotRun
from quizzes.proofs.facts import CHURN, answer_facts, churn_config, churn_entity, customer, parsed, row, served_by
from quizzes.proofs.observation import Exchange, Observation
from quizzes.proofs.programs.program import Program
from quizzes.proofs.programs.scoring_requests import described

MLFLOW = "/api/2.0/mlflow"


def registry_get(client: ProofClient, call: str, **query: str) -> Exchange:
    """GET of the MLflow REST API."""
    return client.http("GET", f"{MLFLOW}/{call}?{urlencode(query)}")


def source_of(client: ProofClient, version: str = "1") -> str:
    """Where the files of an example version lie, as models:/<id of the logged model>."""
    with client.unrecorded():
        found = parsed(registry_get(client, "model-versions/get", name=CHURN, version=version))
    try:
        return str(found["model_version"]["source"])
    except (TypeError, KeyError):
        raise ProofCouldNotRun(f"Version {version} of {CHURN} is not registered in this workspace.") from None


def add_version(client: ProofClient, name: str, source: str) -> Exchange:
    body = {"name": name, "source": source, "model_id": source.removeprefix("models:/")}
    return client.http("POST", f"{MLFLOW}/model-versions/create", body)


@contextmanager
def own_model(client: ProofClient, versions: int) -> Iterator[str]:
    """A registered model of this run's own with that many versions; removed at the end."""
    name = f"main.default.{client.prefix}"
    source = source_of(client)
    with client.unrecorded():
        made = client.http("POST", f"{MLFLOW}/registered-models/create", {"name": name})
        added = [add_version(client, name, source) for _ in range(versions)]
    try:
        if made.status != 200 or any(each.status != 200 for each in added):
            raise ProofCouldNotRun(f"The model of this proof could not be registered: {made.response_body[:200]}")
        yield name
    finally:
        with client.unrecorded():
            client.http("DELETE", f"{MLFLOW}/registered-models/delete", {"name": name})


def _set_alias(client: ProofClient, name: str, alias: str, version: str) -> Exchange:
    return client.http("POST", f"{MLFLOW}/registered-models/alias", {"name": name, "alias": alias, "version": version})


def _version(client: ProofClient, name: str, version: str) -> dict[str, Any]:
    found = parsed(registry_get(client, "model-versions/get", name=name, version=version)) or {}
    shown = found.get("model_version")
    return shown if isinstance(shown, dict) else {}


def _tag(owner: dict[str, Any], key: str) -> str:
    return str({tag["key"]: tag["value"] for tag in owner.get("tags", [])}.get(key, ""))


def find_by_alias(client: ProofClient, way: str) -> Observation:
    """Version 2 of two has the alias champion; ask for its number in the given way."""
    with own_model(client, 2) as name:
        with client.unrecorded():
            _set_alias(client, name, "champion", "2")
        match way:
            case "alias":
                asked = registry_get(client, "registered-models/alias", name=name, alias="champion")
            case "version":
                asked = registry_get(client, "model-versions/get", name=name, version="champion")
            case "stage":
                asked = client.http(
                    "POST", f"{MLFLOW}/registered-models/get-latest-versions", {"name": name, "stages": ["champion"]}
                )
            case _:
                asked = registry_get(client, "registered-models/get", name=f"{name}@champion")
    body = parsed(asked) or {}
    facts = {**answer_facts(asked), "version": str((body.get("model_version") or {}).get("version", ""))}
    return Observation(facts, client.exchanges)


def move_alias(client: ProofClient) -> Observation:
    """The alias champion stands at version 1 and is set on version 2."""
    with own_model(client, 2) as name:
        _set_alias(client, name, "champion", "1")
        moved = _set_alias(client, name, "champion", "2")
        now = parsed(registry_get(client, "registered-models/alias", name=name, alias="champion")) or {}
        first, second = _version(client, name, "1"), _version(client, name, "2")
    facts = {
        **answer_facts(moved),
        "champion": str((now.get("model_version") or {}).get("version", "")),
        "version_1_aliases": sorted(first.get("aliases", [])),
        "version_2_aliases": sorted(second.get("aliases", [])),
        "version_1_exists": bool(first),
        "version_1_stage": str(first.get("current_stage", "")),
    }
    return Observation(facts, client.exchanges)


def two_aliases(client: ProofClient) -> Observation:
    """Give version 1 a second alias beside the first."""
    with own_model(client, 1) as name:
        _set_alias(client, name, "champion", "1")
        second = _set_alias(client, name, "shadow_test", "1")
        aliases = sorted(_version(client, name, "1").get("aliases", []))
    return Observation({**answer_facts(second), "aliases": aliases}, client.exchanges)


def register_again(client: ProofClient) -> Observation:
    """Register a model under a name that has one version, and look at all versions and aliases."""
    with own_model(client, 1) as name:
        _set_alias(client, name, "champion", "1")
        before = _version(client, name, "1")
        added = add_version(client, name, source_of(client, "2"))
        after = _version(client, name, "1")
        found = parsed(registry_get(client, "model-versions/search", filter=f"name='{name}'")) or {}
    new = (parsed(added) or {}).get("model_version") or {}
    facts = {
        **answer_facts(added),
        "new_version": str(new.get("version", "")),
        "versions": sorted(str(version["version"]) for version in found.get("model_versions", [])),
        "version_1_unchanged": bool(before) and before.get("source") == after.get("source"),
        "version_1_aliases": sorted(after.get("aliases", [])),
        "new_aliases": sorted(new.get("aliases", [])),
    }
    return Observation(facts, client.exchanges)


def note_on(client: ProofClient, place: str) -> Observation:
    """Record validation_status=approved for version 1 of two in the given place, and read every place."""
    key, value = "validation_status", "approved"
    with own_model(client, 2) as name:
        match place:
            case "version_tag":
                noted = client.http(
                    "POST", f"{MLFLOW}/model-versions/set-tag", {"name": name, "version": "1", "key": key, "value": value}
                )
            case "model_tag":
                noted = client.http("POST", f"{MLFLOW}/registered-models/set-tag", {"name": name, "key": key, "value": value})
            case "alias":
                noted = _set_alias(client, name, value, "1")
            case _:
                noted = client.http(
                    "PATCH", f"{MLFLOW}/registered-models/update", {"name": name, "description": f"{key}={value}"}
                )
        model = (parsed(registry_get(client, "registered-models/get", name=name)) or {}).get("registered_model") or {}
        first, second = _version(client, name, "1"), _version(client, name, "2")
    facts = {
        **answer_facts(noted),
        "version_1_tag": _tag(first, key),
        "version_2_tag": _tag(second, key),
        "model_tag": _tag(model, key),
        "version_1_aliases": sorted(first.get("aliases", [])),
    }
    return Observation(facts, client.exchanges)


def change_version(client: ProofClient, field: str) -> Observation:
    """Try to change one field of a version that exists, and read it back."""
    with own_model(client, 1) as name:
        before = _version(client, name, "1")
        wanted: dict[str, Any] = {"description": "Trained on data of May.", "source": "models:/m-" + "0" * 32, "run_id": "0" * 32}
        changed = client.http("PATCH", f"{MLFLOW}/model-versions/update", {"name": name, "version": "1", field: wanted[field]})
        after = _version(client, name, "1")
    facts = {**answer_facts(changed), "as_wanted": after.get(field) == wanted[field]}
    facts |= {"unchanged": before.get(field) == after.get(field)}
    return Observation(facts, client.exchanges)


def endpoint_after(client: ProofClient, change: str) -> Observation:
    """An endpoint serves version 1, found by an alias; make a change and ask who answers now.

    The alias is one of this run's own on the example model; it is removed at the end.
    """
    name, alias = client.endpoint_name(), client.prefix
    with client.unrecorded():
        _set_alias(client, CHURN, alias, "1")
    try:
        client.deploy(name, churn_config({"1": 100}))
        body = {"dataframe_records": [customer(client)]}
        before = client.invoke(name, body)
        changed = _make(client, change, name, alias)
        with client.unrecorded():
            shown = client.wait_until_ready(name)
        after = client.invoke(name, body)
        version = parsed(registry_get(client, "registered-models/alias", name=CHURN, alias=alias)) or {}
    finally:
        with client.unrecorded():
            client.http("DELETE", f"{MLFLOW}/registered-models/alias?{urlencode({'name': CHURN, 'alias': alias})}")
    facts = {
        "change_status": changed.status,
        "answered_before": served_by(before),
        "answered_after": served_by(after),
        "alias_version": str((version.get("model_version") or {}).get("version", "")),
        "config_version": shown.config.config_version if shown.config else 0,
    }
    return Observation(facts, client.exchanges, [row(before, when="before"), row(after, when="after")])


def _make(client: ProofClient, change: str, name: str, alias: str) -> Exchange:
    place = f"/api/2.0/serving-endpoints/{name}"
    match change:
        case "alias":
            return _set_alias(client, CHURN, alias, "2")
        case "version_tag":
            tag = {"name": CHURN, "version": "2", "key": alias, "value": "production"}
            return client.http("POST", f"{MLFLOW}/model-versions/set-tag", tag)
        case "endpoint_tag":
            return client.http("PATCH", f"{place}/tags", {"add_tags": [{"key": "model_version", "value": "2"}]})
        case "gateway":
            return client.http("PUT", f"{place}/ai-gateway", {"usage_tracking_config": {"enabled": True}})
        case "config":
            return client.http("PUT", f"{place}/config", churn_config({"2": 100}))
        case "size":
            medium = {"served_entities": [churn_entity("1", workload_size="Medium")]}
            return client.http("PUT", f"{place}/config", medium)
        case "routes":
            return client.http("PUT", f"{place}/config", churn_config({"1": 0, "2": 100}))
        case _:
            raise ProofCouldNotRun(f"This program knows no change {change!r}.")


def model_after_delete(client: ProofClient) -> Observation:
    """Delete an endpoint; then look for it and for the model version that it served."""
    name = client.endpoint_name()
    client.deploy(name, churn_config({"1": 100}))
    deleted = client.http("DELETE", f"/api/2.0/serving-endpoints/{name}")
    asked = client.invoke(name, {"dataframe_records": [customer(client)]})
    shown = described(client.http("GET", f"/api/2.0/serving-endpoints/{name}"))
    version = _version(client, CHURN, "1")
    again = client.create(name, churn_config({"1": 100}))
    facts = {
        "delete_status": deleted.status,
        "query_status": asked.status,
        "endpoint_exists": shown["exists"],
        "version_exists": bool(version),
        "name_is_free": again.exception == "",
    }
    return Observation(facts, client.exchanges)


PROGRAMS: dict[str, Program] = {
    "find_by_alias": Program(find_by_alias, needs_models=True),
    "move_alias": Program(move_alias, needs_models=True),
    "two_aliases": Program(two_aliases, needs_models=True),
    "register_again": Program(register_again, needs_models=True),
    "note_on": Program(note_on, needs_models=True),
    "change_version": Program(change_version, needs_models=True),
    "endpoint_after": Program(endpoint_after, needs_models=True),
    "model_after_delete": Program(model_after_delete, needs_models=True),
}
