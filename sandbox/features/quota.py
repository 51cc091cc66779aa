"""How much memory the online tables of a workspace may take in the store."""

from django.conf import settings
from django.db.models import Sum

from sandbox.errors import ResourceExhausted
from sandbox.features.models import OnlineTable
from sandbox.workspaces.models import Workspace

MIB = 1024 * 1024


class StoreFull(Exception):
    """The rows of an online table do not fit; the message says what to do."""


def require_some(workspace: Workspace) -> None:
    """Raises ResourceExhausted when nothing is left."""
    used, most = used_bytes(workspace), settings.ONLINE_TABLES_QUOTA_BYTES
    if used >= most:
        raise ResourceExhausted(
            f"The online tables of this workspace take {used / MIB:.0f} of {most / MIB:.0f} MB of memory. Delete one first."
        )


def require_room(table: OnlineTable, size_bytes: int) -> None:
    """Raises StoreFull when the rows of the table are larger than what the other tables leave."""
    most = settings.ONLINE_TABLES_QUOTA_BYTES
    rest = most - used_bytes(table.workspace, without=table)
    if size_bytes > rest:
        raise StoreFull(
            f"The rows of {table.full_name} do not fit: the online tables of this workspace may take {most / MIB:.0f} MB of "
            f"memory, and {max(rest, 0) / MIB:.0f} MB are left for this one. Delete other online tables, or publish a table with "
            "fewer rows or columns."
        )


def used_bytes(workspace: Workspace, without: OnlineTable | None = None) -> int:
    """What the last syncs have measured."""
    tables = OnlineTable.objects.filter(workspace=workspace)
    if without is not None:
        tables = tables.exclude(pk=without.pk)
    return int(tables.aggregate(bytes=Sum("synced_bytes"))["bytes"] or 0)
