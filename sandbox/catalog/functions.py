"""SQL and Python functions as objects. Their text is checked and run only in the jail, by whoever calls this."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import QuerySet

from sandbox.catalog import access, securables
from sandbox.catalog.column_types import checked_type, type_name
from sandbox.catalog.models import FunctionDetail, Securable, SecurableType
from sandbox.catalog.names import split_name
from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

FUNCTION = SecurableType.FUNCTION
SQL, PYTHON, FEATURE_SPEC = "SQL", "PYTHON", "FEATURE_SPEC"
"""A feature spec is kept among the functions, as there, and cannot be called [docs: Feature Serving endpoints]."""
MAX_PARAMETERS = 256
MAX_DEFINITION_CHARACTERS = 1_000_000
TABLE_TYPE = "table"
"""`return_type_text` of a function that returns rows is `table<name:type,…>`, a struct's text under another name."""


@dataclass(frozen=True)
class Parameter:
    """One parameter; `default` is the text of a constant, None when a value must be given."""

    name: str
    type_text: str
    default: str | None = None
    comment: str = ""


@dataclass(frozen=True)
class Definition:
    """What a function is: CREATE FUNCTION taken apart."""

    language: str
    """SQL, PYTHON or FEATURE_SPEC."""
    body: str
    """Python source, the SQL expression or query after RETURN, or the JSON of a feature spec."""
    parameters: tuple[Parameter, ...]
    return_type_text: str
    is_deterministic: bool = True


def create_function(
    caller: Caller,
    full_name: str,
    definition: Definition,
    *,
    comment: str = "",
    or_replace: bool = False,
    if_not_exists: bool = False,
) -> Securable:
    """CREATE FUNCTION. Needs CREATE_FUNCTION on the schema, for a replacement ownership of the function.

    Raises ResourceAlreadyExists (also when a model has the name), ResourceDoesNotExist (schema), PermissionDenied,
    InvalidParameterValue (language, types, a parameter twice).
    """
    parts = split_name(full_name, 3, "function")
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted(parts[:2]))
    access.require(caller, schema)
    key = ".".join(parts)
    detail = _detail(definition)
    existing = securables.children(schema, FUNCTION).select_related("function").filter(full_name=key).first()
    if existing is not None and if_not_exists:
        return existing
    if existing is not None and not or_replace:
        raise ResourceAlreadyExists(f"Function '{key}' already exists.")
    if existing is not None:
        access.require(caller, existing, access.MANAGE)
        return _replace(caller, existing, detail, comment)
    access.require(caller, schema, "CREATE_FUNCTION")
    if securables.children(schema, SecurableType.MODEL).filter(name=parts[2]).exists():
        raise ResourceAlreadyExists(f"Function '{key}' already exists: a registered model has this name.")
    with transaction.atomic():
        function = securables.add(FUNCTION, key, parent=schema, owner=caller.name, comment=comment)
        detail.securable = function
        detail.save()
    return function


def get_function(caller: Caller, full_name: str) -> Securable:
    """A function with its `function` detail. Raises ResourceDoesNotExist, PermissionDenied. Running it needs EXECUTE besides."""
    function = securables.find(caller.workspace, FUNCTION, full_name)
    access.require_visible(caller, function)
    return function


def definition_of(function: Securable) -> Definition:
    kept = function.function
    parameters = tuple(
        Parameter(each["name"], each["type_text"], each.get("default"), each.get("comment", "")) for each in kept.parameters
    )
    return Definition(kept.language, kept.definition, parameters, kept.return_type_text, kept.is_deterministic)


def list_functions(caller: Caller, schema_full_name: str) -> QuerySet[Securable]:
    """What the caller sees in the schema, by name. Raises ResourceDoesNotExist, PermissionDenied."""
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, schema_full_name)
    access.require(caller, schema)
    return access.visible(caller, securables.children(schema, FUNCTION).select_related("function"))


def drop_function(caller: Caller, full_name: str, *, if_exists: bool = False) -> None:
    """Needs ownership or MANAGE. Raises ResourceDoesNotExist (unless `if_exists`), PermissionDenied."""
    try:
        function = securables.find(caller.workspace, FUNCTION, full_name)
    except ResourceDoesNotExist:
        if if_exists:
            return
        raise
    access.require(caller, function, access.MANAGE)
    function.delete()


def _replace(caller: Caller, function: Securable, detail: FunctionDetail, comment: str) -> Securable:
    detail.securable = function
    function.comment = comment
    with transaction.atomic():
        detail.save(force_update=True)
        securables.touch(function, person(caller.user))
    return securables.find(caller.workspace, FUNCTION, securables.quoted(function.full_name.split(".")))


def _detail(definition: Definition) -> FunctionDetail:
    if definition.language not in (SQL, PYTHON, FEATURE_SPEC):
        raise InvalidParameterValue(f"The language '{definition.language[:50]}' is not offered; functions are SQL or PYTHON.")
    if len(definition.body) > MAX_DEFINITION_CHARACTERS:
        raise InvalidParameterValue(f"The function's body has more than {MAX_DEFINITION_CHARACTERS} characters.")
    return FunctionDetail(
        language=definition.language,
        definition=definition.body,
        parameters=_parameters(definition.parameters),
        return_type_text=(returns := _return_type(definition.return_type_text)),
        return_type_name="TABLE_TYPE" if returns.startswith(f"{TABLE_TYPE}<") else type_name(returns),
        is_deterministic=definition.is_deterministic,
    )


def _return_type(text: str) -> str:
    if text.lower().startswith(f"{TABLE_TYPE}<"):
        return TABLE_TYPE + checked_type("struct" + text[len(TABLE_TYPE) :])[len("struct") :]
    return checked_type(text)


def _parameters(parameters: Sequence[Parameter]) -> list[dict[str, str | None]]:
    names = [each.name.lower() for each in parameters]
    if len(names) > MAX_PARAMETERS or len(set(names)) != len(names) or not all(names):
        raise InvalidParameterValue(f"A function has at most {MAX_PARAMETERS} parameters, each with a name of its own.")
    kept = [{**asdict(each), "type_text": checked_type(each.type_text)} for each in parameters]
    return [{**each, "type_name": type_name(str(each["type_text"]))} for each in kept]
