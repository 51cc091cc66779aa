"""Who holds which privilege on an object, where it comes from, and what is still missing to use the object."""

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.catalog import access
from sandbox.catalog.grants import PRIVILEGES
from sandbox.catalog.models import Grant, Securable
from sandbox.console.catalog.kinds import CATALOG, kind_of, url_of
from sandbox.console.catalog.opened import Opened
from sandbox.workspaces import members
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

WIDEST = 3
EVERYBODY = frozenset({members.USERS, "account users"})
MEANINGS = {
    "USE_CATALOG": "go through the catalog to what lies in it; needed besides every other privilege",
    "USE_SCHEMA": "go through the schema to what lies in it; needed besides every other privilege",
    "BROWSE": "see names, comments and lineage, but no content",
    "SELECT": "read rows of tables",
    "MODIFY": "add, change and delete rows",
    "READ_VOLUME": "read files of volumes",
    "WRITE_VOLUME": "add and delete files of volumes",
    "EXECUTE": "call functions; load and serve models",
    "CREATE_SCHEMA": "make schemas",
    "CREATE_TABLE": "make tables",
    "CREATE_VOLUME": "make volumes",
    "CREATE_FUNCTION": "make functions",
    "CREATE_MODEL": "register models",
    "CREATE_MODEL_VERSION": "add versions to the model",
    "APPLY_TAG": "set and remove tags",
    "MANAGE": "change, grant and delete like the owner, but not read",
    "ALL_PRIVILEGES": "everything in this list but MANAGE",
}


@dataclass(frozen=True)
class Source:
    """Where a privilege was granted."""

    name: str
    url: str
    is_here: bool


@dataclass(frozen=True)
class Cell:
    """One privilege of one principal; no sources: she does not hold it."""

    privilege: str
    sources: tuple[Source, ...]

    @property
    def is_here(self) -> bool:
        return any(source.is_here for source in self.sources)

    @property
    def inherited(self) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if not source.is_here)


@dataclass(frozen=True)
class Row:
    """One principal; `missing` is what keeps her from using the object, as commands that an owner could run."""

    principal: str
    is_group: bool
    cells: tuple[Cell, ...]
    missing: tuple[str, ...]
    owns: str = ""
    """Full name of the object, here or above, that she owns."""


@dataclass(frozen=True)
class Matrix:
    """`privileges`: the columns, those that somebody holds."""

    privileges: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def is_wide(self) -> bool:
        """Too many columns for a screen: each line lists what is held instead."""
        return len(self.privileges) > WIDEST


def matrix(opened: Opened) -> Matrix:
    """Everybody who holds or owns something, on the object or above it; the owners first, then by name.

    Whoever may not manage the object gets only the lines of herself and her groups, as the REST API answers.
    """
    line = access.chain(opened.row)
    granted = list(Grant.objects.filter(securable__in=line))
    taken = PRIVILEGES[opened.kind.type]
    held = {grant.privilege for grant in granted if grant.privilege in taken or grant.securable_id == opened.row.pk}
    columns = (*(p for p in MEANINGS if p in held), *sorted(held - set(MEANINGS)))
    owners = {each.owner: each.full_name for each in reversed(line)}
    names = [*owners, *sorted({grant.principal for grant in granted} - set(owners))]
    if not opened.can_manage:
        own = access.principals(opened.caller)
        names = [name for name in names if name in own]
    groups = groups_by_person(opened.caller.workspace)
    rows = [_row(name, opened, line, granted, columns, owners.get(name, ""), groups) for name in names]
    return Matrix(columns, tuple(rows))


def _row(
    name: str,
    opened: Opened,
    line: list[Securable],
    granted: list[Grant],
    columns: Iterable[str],
    owned: str,
    groups: dict[str, set[str]],
) -> Row:
    cells = tuple(Cell(p, _sources(name, p, line, granted)) for p in columns)
    acts_as = {name} | EVERYBODY | groups.get(name, set()) if name in groups else {name} | EVERYBODY
    is_admin = members.ADMINS in acts_as
    missing = () if owned or is_admin else missing_for(acts_as, line, granted)
    return Row(name, is_group=name not in groups, cells=cells, missing=missing, owns=owned)


def _sources(name: str, privilege: str, line: list[Securable], granted: list[Grant]) -> tuple[Source, ...]:
    where = {grant.securable_id for grant in granted if grant.principal == name and grant.privilege == privilege}
    return tuple(
        Source(each.full_name, f"{url_of(kind_of(each), each.full_name)}permissions/", position == 0)
        for position, each in enumerate(line)
        if each.pk in where
    )


def missing_for(acts_as: set[str], line: list[Securable], granted: list[Grant]) -> tuple[str, ...]:
    """What must still be granted before the object can be used: USE_CATALOG, USE_SCHEMA and one of the kind's own."""
    kind = kind_of(line[0])
    wanted: list[tuple[tuple[str, ...], Securable]] = [
        (("USE_CATALOG",) if kind_of(each) is CATALOG else ("USE_SCHEMA",), each) for each in reversed(line[1:])
    ]
    wanted += [(kind.needed, line[0])] if kind.needed else []
    return tuple(
        f"{needed[0].replace('_', ' ')} ON {kind_of(each).word.upper()} {each.full_name}"
        for needed, each in wanted
        if not _holds(acts_as, needed, each, line, granted)
    )


def _holds(acts_as: set[str], needed: Iterable[str], on: Securable, line: list[Securable], granted: list[Grant]) -> bool:
    """By a grant or by owning, on the object or above it."""
    above = line[line.index(on) :]
    if any(each.owner in acts_as for each in above):
        return True
    places = {each.pk for each in above}
    held = {grant.privilege for grant in granted if grant.principal in acts_as and grant.securable_id in places}
    return bool(held & {*needed, access.ALL_PRIVILEGES})


def groups_by_person(workspace: Workspace) -> dict[str, set[str]]:
    """Everybody of the workspace by name, each with the groups that she is in, the built-in ones left out but for admins."""
    admins = {person(user) for user in members.admins(workspace)}
    found: dict[str, set[str]] = {person(user): set() for user in members.people(workspace)}
    for group in members.groups(workspace):
        for user in group.people.all():
            found.setdefault(person(user), set()).add(group.name)
    for name in admins:
        found.setdefault(name, set()).add(members.ADMINS)
    return found


def principals(workspace: Workspace) -> list[tuple[str, list[tuple[str, str]]]]:
    """Whom something can be granted to, as the choices of a picker."""
    groups = [(members.USERS, f"{members.USERS} (everybody here)"), (members.ADMINS, members.ADMINS)]
    groups += [(group.name, group.name) for group in members.groups(workspace)]
    people = [(person(user), person(user)) for user in members.people(workspace)]
    return [("Groups", groups), ("People", people)]


def grantable(opened: Opened) -> list[tuple[str, str]]:
    """What this kind of object takes, with its meaning, in the order of `MEANINGS`; what nothing here uses is left out."""
    taken = PRIVILEGES[opened.kind.type]
    return [(privilege, meaning) for privilege, meaning in MEANINGS.items() if privilege in taken]
