"""What can be served as the choices of a picker: a group for each registered model, a line for each version; feature specs."""

from collections.abc import Iterable
from typing import Any

from sandbox.catalog import access, functions
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.inputs import MODEL_SEPARATOR
from sandbox.errors import ApiError
from sandbox.registry import store
from sandbox.registry.store import ModelVersion, RegisteredModel
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace

MAX_SPECS = 500


def version_choices(models: Iterable[RegisteredModel]) -> list[tuple[str, Any]]:
    """Groups as Django's select takes them; models without a version are left out."""
    return [(model.name, [(value_of(v), _words(v)) for v in model.versions]) for model in models if model.versions]


def value_of(version: ModelVersion) -> str:
    return f"{version.name}{MODEL_SEPARATOR}{version.version}"


def _words(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.name}, version {version.version}{aliases}"


def spec_choices(caller: Caller) -> list[tuple[str, Any]]:
    """One group with the feature specs that the caller sees; they have no versions."""
    specs = Securable.objects.filter(
        workspace=caller.workspace, securable_type=SecurableType.FUNCTION, function__language=functions.FEATURE_SPEC
    )
    names = access.visible(caller, specs).order_by("full_name").values_list("full_name", flat=True)[:MAX_SPECS]
    return [("Feature specs", [(f"{name}{MODEL_SEPARATOR}", name) for name in names])] if names else []


def with_asked(choices: list[tuple[str, Any]], workspace: Workspace, asked: str) -> list[tuple[str, Any]]:
    """The same with the version that an address asks for, when it is there but too old to be listed."""
    model, _, number = asked.rpartition(MODEL_SEPARATOR)
    if not model or any(value == asked for _, versions in choices for value, _ in versions):
        return choices
    try:
        found = store.get_version(workspace.id, model, number)
    except ApiError:
        return choices
    return [*choices, (f"{model}, older", [(value_of(found), _words(found))])]


def with_chosen(choices: list[tuple[str, Any]], chosen: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
    """The same with versions that a config serves already, though the registry does not name them (any more)."""
    there = {value for _, versions in choices for value, _ in versions}
    wanted = {f"{model}{MODEL_SEPARATOR}{version}": (model, version) for model, version in chosen if model}
    missing = {value: pair for value, pair in wanted.items() if value not in there}
    more = [
        (value, f"{model}, version {version} (served now)" if version else f"{model} (served now)")
        for value, (model, version) in missing.items()
    ]
    return [*choices, ("Served now", more)] if more else choices
