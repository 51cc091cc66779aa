"""Registered models: find, create, list, change, delete.

Three-level names are in Unity Catalog and kept in lower case; one-part names are in the workspace registry and keep their case.
Privileges [docs: Manage model lifecycle in Unity Catalog]: CREATE_MODEL on the schema to create, EXECUTE to see and load,
APPLY_TAG to tag, ownership (or MANAGE) to change. In the workspace registry everybody of the workspace reads and the owner
changes (assumed).
"""

import re
import shutil
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from sandbox.catalog import access, securables
from sandbox.catalog.models import Grant, ModelDetail, Securable, SecurableType, Tag
from sandbox.catalog.names import checked_name, split_name
from sandbox.errors import InvalidParameterValue, PermissionDenied, ResourceAlreadyExists, ResourceExhausted
from sandbox.registry.version_files import EXECUTE, may_register, model_folder
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

MAX_MODELS = 5000
"""In one workspace, as in one metastore [docs: Resource limits]."""
MAX_TAGS = 50
MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS = 250, 1000
MAX_COMMENT_CHARACTERS = 65_535
_WORKSPACE_NAME = re.compile(r"[^./:\x00-\x1f\x7f]{1,255}")
_ON_MODEL = SecurableType.MODEL


def model_key(name: str) -> str:
    """The name in the form that is kept. Raises InvalidParameterValue for one that is neither of one part nor of three."""
    if "." in name:
        return ".".join(split_name(name, 3, "registered model"))
    if not _WORKSPACE_NAME.fullmatch(name) or not name.strip():
        raise InvalidParameterValue(
            f"Invalid model name '{name[:200]}'. A model of the workspace registry needs 1 to 255 characters without periods, "
            "slashes, colons and control characters; a model in Unity Catalog is named catalog.schema.model."
        )
    return name


def find_model(workspace: Workspace, name: str) -> Securable:
    """Raises ResourceDoesNotExist, also for another workspace's and for what cannot be a name."""
    try:
        key = model_key(name)
    except InvalidParameterValue:
        raise securables.missing(_ON_MODEL, name) from None
    found = of_workspace(workspace).filter(full_name=key).first()
    if found is None:
        raise securables.missing(_ON_MODEL, name)
    return found


def of_workspace(workspace: Workspace) -> QuerySet[Securable]:
    """Every registered model of the workspace, whoever may see it."""
    related = ("workspace", "parent", "parent__parent", "model")
    return Securable.objects.select_related(*related).filter(workspace=workspace, securable_type=_ON_MODEL)


def get_model(caller: Caller, name: str) -> Securable:
    """A model that the caller may load. Raises ResourceDoesNotExist and PermissionDenied."""
    found = find_model(caller.workspace, name)
    if found.parent_id is not None:
        access.require(caller, found, EXECUTE)
    return found


def own_model(caller: Caller, name: str) -> Securable:
    """A model that the caller may change. Raises ResourceDoesNotExist and PermissionDenied."""
    found = find_model(caller.workspace, name)
    _require_owner(caller, found)
    return found


def _require_owner(caller: Caller, model: Securable) -> None:
    if model.parent_id is not None:
        access.require(caller, model)  # what lies above
    if not (access.owns(caller, model) or access.allows(caller, model, access.MANAGE)):
        raise PermissionDenied(
            f"User is not an owner of Routine or Model '{model.full_name}'. Its owner, who has MANAGE and an admin may change it."
        )


def readable(caller: Caller) -> QuerySet[Securable]:
    """The models that the caller may load, in one query however many there are; without order."""
    found = of_workspace(caller.workspace)
    if caller.is_admin:
        return found
    on_catalog = Q(securable=OuterRef("parent__parent"))
    on_schema = on_catalog | Q(securable=OuterRef("parent"))
    on_model = on_schema | Q(securable=OuterRef("pk"))
    names = access.principals(caller)
    mine = Grant.objects.filter(principal__in=names)
    above = Q(parent__owner__in=names) | Q(parent__parent__owner__in=names)
    catalog = Q(parent__parent__owner__in=names) | _granted(mine, on_catalog, "USE_CATALOG")
    schema = above | _granted(mine, on_schema, "USE_SCHEMA")
    model = above | Q(owner__in=names) | _granted(mine, on_model, EXECUTE)
    return found.filter(Q(parent=None) | (catalog & schema & model))


def _granted(mine: QuerySet[Grant], where: Q, privilege: str) -> Q:
    return Q(Exists(mine.filter(where, privilege__in=[privilege, access.ALL_PRIVILEGES])))


def create_model(
    caller: Caller, name: str, *, comment: str = "", tags: dict[str, str] | None = None, deployment_job_id: str = ""
) -> Securable:
    """A new registered model that belongs to the caller.

    Raises ResourceAlreadyExists, ResourceDoesNotExist (no such schema), PermissionDenied, InvalidParameterValue.
    """
    key = model_key(name)
    if "." in key:
        schema = securables.find(caller.workspace, SecurableType.SCHEMA, key.rpartition(".")[0])
        access.require(caller, schema, "CREATE_MODEL", "CREATE_FUNCTION")
    return add_model(caller.workspace, key, caller.name, comment=comment, tags=tags, deployment_job_id=deployment_job_id)


def add_model(
    workspace: Workspace,
    key: str,
    owner: str,
    *,
    comment: str = "",
    tags: dict[str, str] | None = None,
    deployment_job_id: str = "",
) -> Securable:
    """The same without asking who it is for."""
    kept = {tag: checked_tag(tag, value) for tag, value in (tags or {}).items()}
    _check_count("tags", len(kept), MAX_TAGS)
    checked_comment(comment)
    if not Securable.objects.filter(workspace=workspace, securable_type=_ON_MODEL, full_name=key).exists():
        _check_count("registered models", of_workspace(workspace).count() + 1, MAX_MODELS)
    with transaction.atomic():
        model = _add(workspace, key, owner, comment)
        ModelDetail.objects.create(securable=model, deployment_job_id=deployment_job_id)
        Tag.objects.bulk_create(Tag(securable=model, key=tag, value=value) for tag, value in kept.items())
    return model


def _add(workspace: Workspace, key: str, owner: str, comment: str) -> Securable:
    if "." in key:
        schema = securables.find(workspace, SecurableType.SCHEMA, key.rpartition(".")[0])
        return securables.add(_ON_MODEL, key, parent=schema, owner=owner, comment=comment)
    try:
        with transaction.atomic():
            return Securable.objects.create(
                workspace=workspace,
                securable_type=_ON_MODEL,
                name=key,
                full_name=key,
                owner=owner,
                comment=comment,
                created_by=owner,
                updated_by=owner,
            )
    except IntegrityError:
        raise ResourceAlreadyExists(f"Registered model '{key}' already exists.") from None


def update_model(
    caller: Caller,
    name: str,
    *,
    comment: str | None = None,
    new_name: str | None = None,
    owner: str | None = None,
    deployment_job_id: str | None = None,
) -> Securable:
    """Change what is not None. A new name is a leaf or a full name in the same schema.

    Raises ResourceDoesNotExist, PermissionDenied, ResourceAlreadyExists, InvalidParameterValue.
    """
    model = own_model(caller, name)
    with transaction.atomic():
        if comment is not None:
            model.comment = checked_comment(comment)
        if owner is not None:
            model.owner = _checked_owner(caller.workspace, owner)
        if new_name is not None:
            _rename(model, new_name)
        if deployment_job_id is not None:
            ModelDetail.objects.filter(securable=model).update(deployment_job_id=deployment_job_id)
        securables.touch(model, person(caller.user))
    return find_model(caller.workspace, model.full_name)


def _rename(model: Securable, new_name: str) -> None:
    schema = model.full_name.rpartition(".")[0]
    key = f"{schema}.{checked_name(new_name)}" if schema and "." not in new_name else model_key(new_name)
    if key.rpartition(".")[0] != schema:
        raise InvalidParameterValue(
            f"'{model.full_name}' cannot become '{key}': a model stays in its schema. Copy the version with copy_model_version."
        )
    taken = Securable.objects.filter(workspace=model.workspace, securable_type=_ON_MODEL, full_name=key).exclude(pk=model.pk)
    if taken.exists():
        raise ResourceAlreadyExists(f"Registered model '{key}' already exists.")
    model.name, model.full_name = key.rpartition(".")[2], key


def _checked_owner(workspace: Workspace, owner: str) -> str:
    is_group = owner in members.BUILT_IN or workspace.groups.filter(name=owner).exists()
    if not is_group and members.find_person(workspace, owner) is None:
        raise InvalidParameterValue(f"'{owner[:200]}' is neither a person nor a group of this workspace.")
    return owner


def delete_model(caller: Caller, name: str) -> None:
    """Delete the model with its versions and their files. What serves a version goes on: it has a build of its own."""
    model = own_model(caller, name)
    folder = model_folder(model)
    with transaction.atomic():
        model.delete()
        transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))


def set_tag(caller: Caller, name: str, key: str, value: str) -> None:
    """Add or replace a tag. Raises PermissionDenied without APPLY_TAG, ResourceExhausted beyond 50 tags."""
    model = _taggable(caller, name)
    value = checked_tag(key, value)
    with transaction.atomic():
        if not model.tags.filter(column="", key=key).exists():
            _check_count("tags", model.tags.filter(column="").count() + 1, MAX_TAGS)
        Tag.objects.update_or_create(securable=model, column="", key=key, defaults={"value": value})
        securables.touch(model, person(caller.user))


def delete_tag(caller: Caller, name: str, key: str) -> None:
    """A tag that is not there is fine."""
    _taggable(caller, name).tags.filter(column="", key=key).delete()


def _taggable(caller: Caller, name: str) -> Securable:
    model = find_model(caller.workspace, name)
    if model.parent_id is None:
        may_register(caller, model)
    elif not access.owns(caller, model):
        access.require(caller, model, access.MANAGE, "APPLY_TAG")
    return model


def checked_tag(key: str, value: str) -> str:
    """The value. Raises InvalidParameterValue for an empty key and what is too long."""
    if not key or len(key) > MAX_KEY_CHARACTERS or len(value) > MAX_VALUE_CHARACTERS:
        raise InvalidParameterValue(
            f"Tag '{key[:100]}' is not valid: a key has 1 to {MAX_KEY_CHARACTERS} characters, "
            f"a value at most {MAX_VALUE_CHARACTERS}."
        )
    return value


def checked_comment(comment: str) -> str:
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise InvalidParameterValue(f"The description has {len(comment)} characters; at most {MAX_COMMENT_CHARACTERS} are kept.")
    return comment


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise ResourceExhausted(f"At most {most} {what} are kept here. Delete what is not needed.")
