"""Inference tables in the catalog: the data plane writes them as folders; here they become tables that others can find.

The data path never touches the database, so a table is adopted when somebody first looks for it.
"""

from pathlib import Path

from django.db import transaction

from sandbox.catalog import delta, securables
from sandbox.catalog.folders import MANAGED_FOLDER, tables_folder
from sandbox.catalog.models import Securable, SecurableType, TableDetail
from sandbox.catalog.names import checked_name
from sandbox.errors import ApiError, InvalidParameterValue
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

COMMENT = "Inference table of a serving endpoint, written by Model Serving"


def is_captured(table: Securable) -> bool:
    """Whether the data plane writes the table: nobody else may change its rows or columns."""
    return bool(table.table.location) and not table.table.location.startswith(f"{MANAGED_FOLDER}/")


def require_own_rows(table: Securable) -> None:
    """Raises InvalidParameterValue for an inference table."""
    if is_captured(table):
        raise InvalidParameterValue(
            f"Table '{table.full_name}' is an inference table: its endpoint writes it, and a change could stop or corrupt the "
            "logging. Copy it with CREATE TABLE … AS SELECT and change the copy."
        )


def adopt(workspace: Workspace) -> None:
    """Give every inference table that the catalog does not know yet its row, its schema and its catalog."""
    root = tables_folder(workspace)
    folders = {}
    for log in sorted(root.glob("*/*/*/_delta_log")):
        location = log.parent.relative_to(root).as_posix()
        if not location.startswith(f"{MANAGED_FOLDER}/") and any(log.glob("*.json")):
            folders[location] = log.parent
    if not folders:
        return
    known = TableDetail.objects.filter(securable__workspace=workspace, location__in=list(folders))
    for location in folders.keys() - set(known.values_list("location", flat=True)):
        _adopt_one(workspace, location, folders[location])


def _adopt_one(workspace: Workspace, location: str, folder: Path) -> None:
    owner = person(workspace.owner) if workspace.owner is not None else securables.SYSTEM
    try:
        catalog_name, schema_name, name = (checked_name(part) for part in location.split("/"))
        found = delta.read(folder)
        columns = [column.as_json() for column in found.columns]
        with transaction.atomic():
            catalog = securables.ensure_catalog(workspace, catalog_name, owner)
            schema = securables.ensure_schema(catalog, schema_name, owner)
            table = securables.add(
                SecurableType.TABLE,
                f"{schema.full_name}.{name}",
                parent=schema,
                owner=owner,
                comment=COMMENT,
                properties=dict(found.configuration),
            )
            TableDetail.objects.create(securable=table, location=location, columns=columns)
    except (ApiError, delta.TableBroken):
        return  # somebody else just did, a table of that name is there already, or the folder is not whole yet
