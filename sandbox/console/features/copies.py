"""Online copies of feature tables as pages show them: state, progress, how far behind the source, who looks features up there."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404
from django.urls import reverse

from sandbox.catalog import delta, tables
from sandbox.catalog.access import visible
from sandbox.catalog.models import Securable, SecurableType
from sandbox.console.endpoints import list_endpoints
from sandbox.errors import ApiError, ResourceDoesNotExist
from sandbox.errors import PermissionDenied as Denied
from sandbox.features import online_tables
from sandbox.features.models import OnlineTable, Sync
from sandbox.serving.models import ServedEntity
from sandbox.workspaces.members import Caller

MODES = {
    OnlineTable.Mode.SNAPSHOT: (
        "Snapshot",
        "Each sync copies all rows. It works for every table and costs most when the table is large.",
    ),
    OnlineTable.Mode.TRIGGERED: (
        "Triggered",
        "A sync that you start copies only what has changed since the last one. It reads the change data feed.",
    ),
    OnlineTable.Mode.CONTINUOUS: (
        "Continuous",
        "Changes come over by themselves within seconds. It reads the change data feed all the time.",
    ),
}
AT_WORK = {Sync.State.QUEUED, Sync.State.RUNNING}


@dataclass(frozen=True)
class Source:
    """What an online table is a copy of, as it is now; `row` is None when it was dropped, or dropped and made anew."""

    row: Securable | None
    version: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Copy:
    """An online table with its newest sync."""

    table: OnlineTable
    latest: Sync | None

    @property
    def url(self) -> str:
        return online_url(self.table.full_name)

    @property
    def is_at_work(self) -> bool:
        return self.latest is not None and self.latest.state in AT_WORK

    @property
    def percentage(self) -> int:
        """Of the newest sync."""
        if self.latest is None or not self.latest.total_rows:
            return 0
        return min(100, 100 * self.latest.done_rows // self.latest.total_rows)

    @property
    def mode_word(self) -> str:
        return MODES[OnlineTable.Mode(self.table.mode)][0]

    @property
    def key_words(self) -> str:
        return ", ".join(self.table.primary_key)

    @property
    def said(self) -> str:
        """The state as a sentence, for whoever does not see the page change."""
        if self.is_at_work:
            return f"{self.table.full_name} is being synced."
        if self.latest is not None and self.latest.state == Sync.State.FAILED:
            return f"The sync of {self.table.full_name} failed."
        return f"{self.table.full_name} has {self.table.synced_rows} rows."


def online_url(full_name: str, action: str = "") -> str:
    return f"{reverse('feature_list')}online/{quote(full_name, safe='')}/{action and action + '/'}"


def copies_of(rows: Iterable[Securable]) -> dict[str, list[Copy]]:
    """By id of the source, oldest first, as endpoints choose among them."""
    listed = list(rows)
    if not listed:
        return {}
    found = OnlineTable.objects.filter(workspace_id=listed[0].workspace_id, source_id__in=[row.pk for row in listed])
    by_source: dict[str, list[Copy]] = defaultdict(list)
    for copy in _with_latest(found.select_related("store").order_by("created_at", "pk")):
        by_source[copy.table.source_id].append(copy)
    return by_source


def orphans(caller: Caller) -> list[Copy]:
    """Copies whose source is gone, which no table's page shows; for whoever may see them in a list."""
    there = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.TABLE).values("pk")
    return list(_with_latest(online_tables.list_online_tables(caller).exclude(source_id__in=there)))


def _with_latest(found: Iterable[OnlineTable]) -> Iterable[Copy]:
    listed = list(found)
    latest: dict[str, Sync] = {}
    for sync in Sync.objects.filter(table__in=listed).order_by("created_at", "pk"):
        latest[sync.table_id] = sync
    return [Copy(table, latest.get(table.pk)) for table in listed]


def find_copy(caller: Caller, full_name: str) -> Copy:
    """One online table. Http404 for what is not there or what the person may not know of, PermissionDenied without SELECT."""
    try:
        table = online_tables.get_online_table(caller, full_name)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    except Denied as error:
        sources = OnlineTable.objects.filter(workspace=caller.workspace, full_name=full_name.lower()).values("source_id")
        if not visible(caller, Securable.objects.filter(pk__in=sources)).exists():
            raise Http404(f"Online table '{full_name}' does not exist.") from error
        raise PermissionDenied(error.message) from error
    return Copy(table, table.syncs.order_by("-created_at", "-pk").first())


def may_change(caller: Caller, table: OnlineTable) -> bool:
    """Sync now and delete: its creator and admins."""
    return caller.is_admin or online_tables.is_creator(caller, table)


def source_of(table: OnlineTable) -> Source:
    """The source with its newest version and number of rows; both None when its files cannot be read."""
    found = Securable.objects.select_related("table", "workspace", "parent__parent").filter(
        workspace_id=table.workspace_id, securable_type=SecurableType.TABLE, pk=table.source_id
    )
    row = found.first()
    if row is None:
        return Source(None)
    try:
        now = delta.read(tables.folder_of(row))
    except (delta.TableBroken, ApiError):
        return Source(row)
    return Source(row, now.version, now.rows)


def used_by(caller: Caller, online_table_ids: Iterable[str]) -> tuple[list[str], int]:
    """Names of endpoints that look features up there, as far as the person may view them, and how many others do."""
    wanted = set(online_table_ids)
    live = Q(config__endpoint__workspace=caller.workspace, config__retired_at=None, lookups__isnull=False)
    users = {
        entity.config.endpoint.name
        for entity in ServedEntity.objects.filter(live).select_related("config__endpoint")
        if any(each["online_table_id"] in wanted for each in (entity.lookups or {}).get("tables", ()))
    }
    mine = {endpoint.name for endpoint in list_endpoints(caller)}
    return sorted(users & mine), len(users - mine)
