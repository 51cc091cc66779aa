"""From a feature spec to what replicas look up: online tables and functions as they are when it is deployed.

The spec lies in the model version, or is served itself (a function of the catalog, without a version).
Sources: "Feature Serving endpoints", "Automatic feature lookup", "Troubleshoot model serving" (No suitable online store found
for feature tables), and "Databricks Online Feature Stores" (of several online copies the oldest is used; a source
that was created anew breaks them).
"""

from collections.abc import Mapping
from contextlib import suppress

from sandbox.catalog import access, functions, securables
from sandbox.catalog.column_types import checked_type
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import ApiError, InvalidParameterValue, InvalidState, ResourceDoesNotExist
from sandbox.features.models import OnlineTable
from sandbox.features.plan import FunctionCall, LookupPlan, TableLookup, can_stand_for
from sandbox.features.spec import FeatureSpec, Function, Lookup, SpecError
from sandbox.registry import store
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace

NO_STORE = "No suitable online store found for feature tables: {tables}. {why}"


class NotYet(Exception):
    """An online table is being filled for the first time, or anew; the message says which."""


def find(workspace: Workspace, entity_name: str, entity_version: str, *, is_traced: bool = False) -> LookupPlan | None:
    """What replicas of the version look up; None for a model that was logged without a feature spec.

    Without a version it is the spec itself that is served.
    Raises NotYet, and ApiError when it cannot be served: an online table or a function that is not there, another key.
    """
    try:
        spec = _spec(workspace, entity_name, entity_version)
    except SpecError as error:
        of = f" of {entity_name} version {entity_version}" if entity_version else f" {entity_name}"
        raise InvalidState(f"The feature spec{of} cannot be used. {error}") from None
    if spec is None or (entity_version and not (spec.lookups or spec.functions)):
        return None
    types = {name: _canonical(kind) for name, kind in spec.types.items()}
    online = _online_tables(workspace, spec)
    return LookupPlan(
        inputs=spec.inputs,
        types=types,
        tables=tuple(_table_lookup(lookup, types, *found) for lookup, found in zip(spec.lookups, online, strict=True)),
        functions=tuple(_function_call(workspace, function) for function in spec.functions),
        is_traced=is_traced,
    )


def require_spec(workspace: Workspace, entity_name: str) -> None:
    """What is served without a version must be a feature spec. Raises ResourceDoesNotExist, InvalidParameterValue."""
    if is_spec(workspace, entity_name):
        return
    if _find(workspace, SecurableType.MODEL, entity_name) is not None:
        raise InvalidParameterValue(f"entity_version is required for the model '{entity_name}'.")
    raise ResourceDoesNotExist(
        f"Feature spec '{entity_name}' does not exist in this workspace. Create it with create_feature_spec; to serve a model, "
        "give entity_version too."
    )


def is_spec(workspace: Workspace, entity_name: str) -> bool:
    """Whether the catalog has a feature spec of this name."""
    function = _find(workspace, SecurableType.FUNCTION, entity_name)
    return function is not None and functions.definition_of(function).language == functions.FEATURE_SPEC


def require_readable(caller: Caller, entity_name: str, entity_version: str) -> None:
    """Whoever lets an endpoint look features up must be allowed to read them. Raises PermissionDenied.

    Of what is not there the deployment tells.
    """
    with suppress(SpecError, ResourceDoesNotExist, InvalidState):
        if not entity_version:
            access.require(caller, securables.find(caller.workspace, SecurableType.FUNCTION, entity_name), "EXECUTE")
        spec = _spec(caller.workspace, entity_name, entity_version)
        for lookup in spec.lookups if spec else ():
            if (table := _find(caller.workspace, SecurableType.TABLE, lookup.table)) is not None:
                access.require(caller, table, "SELECT")
        for each in spec.functions if spec else ():
            if (function := _find(caller.workspace, SecurableType.FUNCTION, each.name)) is not None:
                access.require(caller, function, "EXECUTE")


# --- the spec ---------------------------------------------------------------------------------------


def _spec(workspace: Workspace, entity_name: str, entity_version: str) -> FeatureSpec | None:
    """Raises SpecError, ResourceDoesNotExist, InvalidParameterValue, InvalidState."""
    if not entity_version:
        require_spec(workspace, entity_name)
        function = securables.find(workspace, SecurableType.FUNCTION, entity_name)
        return FeatureSpec.from_json(functions.definition_of(function).body)
    text = store.feature_spec(workspace.id, entity_name, entity_version)
    return None if text is None else FeatureSpec.from_json(text)


def _find(workspace: Workspace, kind: SecurableType, full_name: str) -> Securable | None:
    try:
        return securables.find(workspace, kind, full_name)
    except ApiError:  # also a name that is none
        return None


# --- tables -----------------------------------------------------------------------------------------


def _online_tables(workspace: Workspace, spec: FeatureSpec) -> list[tuple[OnlineTable, Securable]]:
    """For each look-up the online table and its source. Raises InvalidState with the documented sentence, NotYet."""
    found, problems = [], dict[str, str]()
    for lookup in spec.lookups:
        source = _find(workspace, SecurableType.TABLE, lookup.table)
        if source is None:
            problems[lookup.table] = f"The table {lookup.table} does not exist."
            continue
        online = OnlineTable.objects.filter(workspace=workspace, source_id=source.pk).order_by("created_at", "pk").first()
        if online is None:
            problems[lookup.table] = _why_none(workspace, source)
        elif online.state == OnlineTable.State.FAILED:
            problems[lookup.table] = f"The online table {online.full_name} could not be filled: {online.message}"
        else:
            found.append((online, source))
    if problems:
        raise InvalidState(NO_STORE.format(tables=", ".join(problems), why=" ".join(problems.values())))
    for online, _ in found:
        if online.synced_version is None:
            raise NotYet(f"The online table {online.full_name} is being filled.")
    return found


def _why_none(workspace: Workspace, source: Securable) -> str:
    former = OnlineTable.objects.filter(workspace=workspace, source_name=source.full_name).order_by("created_at").first()
    if former is None:
        return f"{source.full_name} has no online table. Publish it, then update the endpoint's config."
    return (
        f"{source.full_name} was dropped and created anew after it was published as {former.full_name} "
        "(source_table_id mismatch). Delete the online table, publish again, then update the endpoint's config."
    )


def _canonical(kind: str) -> str:
    """A spec may be written by hand."""
    try:
        return checked_type(kind)
    except ApiError:
        return kind


def _table_lookup(lookup: Lookup, types: Mapping[str, str], online: OnlineTable, source: Securable) -> TableLookup:
    """Names of columns as the table has them; the spec may have them in another case. Raises InvalidState."""
    columns = {column["name"].lower(): column["name"] for column in source.table.columns}
    kinds = {column["name"].lower(): column["type_text"] for column in source.table.columns}
    key = {name.lower(): name for name in online.primary_key}
    if {name.lower() for name in lookup.keys} != set(key):
        raise InvalidState(
            f"Features of {source.full_name} are looked up by ({', '.join(lookup.keys)}), but its primary key is "
            f"({', '.join(online.primary_key)}). Log the model again with a look-up by this key."
        )
    for feature, name in lookup.features.items():
        if feature.lower() not in columns or feature.lower() in key:
            raise InvalidState(
                f"{source.full_name} has no feature {feature}. Its schema has changed since the model was trained: log the model "
                "again, or add the column and sync the online table."
            )
        if not can_stand_for(now := kinds[feature.lower()], types[name]):
            raise InvalidState(
                f"The feature {feature} of {source.full_name} is {now} now, and was {types[name]} when the model was trained. "
                "Log the model again."
            )
    return TableLookup(
        online_table_id=online.pk,
        online_table=online.full_name,
        table=source.full_name,
        key={key[name.lower()]: column for name, column in lookup.keys.items()},
        features={columns[feature.lower()]: name for feature, name in lookup.features.items()},
        defaults=dict(lookup.defaults),
    )


# --- functions --------------------------------------------------------------------------------------


def _function_call(workspace: Workspace, function: Function) -> FunctionCall:
    """Raises InvalidState."""
    found = _find(workspace, SecurableType.FUNCTION, function.name)
    if found is None:
        raise InvalidState(f"The feature function {function.name} does not exist.")
    definition = functions.definition_of(found)
    if definition.language != functions.PYTHON:
        raise InvalidState(f"{found.full_name} is a {definition.language} function; a feature function is a Python function.")
    bound = {parameter.lower(): column for parameter, column in function.bindings.items()}
    parameters = [each.name for each in definition.parameters]
    if set(bound) != {name.lower() for name in parameters}:
        raise InvalidState(
            f"The feature function {found.full_name} takes ({', '.join(parameters)}), but the model was trained with "
            f"({', '.join(function.bindings)}). Log the model again."
        )
    return FunctionCall(
        name=found.full_name,
        body=definition.body,
        arguments={name: bound[name.lower()] for name in parameters},
        output=function.output,
        returns=definition.return_type_text,
        types={each.name: each.type_text for each in definition.parameters},
    )
