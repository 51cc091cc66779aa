"""The people of a workspace: its owner, members, admins and groups, one function for each operation."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone

from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces import operations
from sandbox.workspaces.models import Group, Member, User, Workspace

USERS, ADMINS = "users", "admins"
"""Groups that every workspace has: all of its people, and those who may do everything [SCIM Groups API]."""
BUILT_IN = (USERS, ADMINS)
MAX_NAME_CHARACTERS = 128

people_changed = Signal()
"""Sent with `workspace` inside the transaction that changed who belongs to it, to a group, or to the admins; with `told_apart`
when a name, which was one person's until now, may mean another from now on: {name: her user name}."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and the workspace that the access token opens."""

    workspace: Workspace
    user: User

    @property
    def is_admin(self) -> bool:
        return is_admin(self.workspace, self.user)

    @property
    def name(self) -> str:
        """How objects name her as their owner: as the REST API does, but by her user name when somebody shares that."""
        names = names_of(self.workspace, self.user)
        named = operations.person(self.user)
        return named if named in names else self.user.username


def is_admin(workspace: Workspace, user: User) -> bool:
    """The owner, an admin among the members, or whoever has a token of a workspace that belongs to nobody."""
    if workspace.owner_id is None or workspace.owner_id == user.pk:
        return True
    return Member.objects.filter(workspace=workspace, user=user, is_admin=True, user__is_active=True).exists()


def people(workspace: Workspace) -> QuerySet[User]:
    """The owner and all members, by user name."""
    belongs = Q(pk=workspace.owner_id) | Q(memberships__workspace=workspace)
    return User.objects.filter(belongs, is_active=True).distinct().order_by("username")


def admins(workspace: Workspace) -> QuerySet[User]:
    rules = Q(pk=workspace.owner_id) | Q(memberships__workspace=workspace, memberships__is_admin=True)
    return User.objects.filter(rules, is_active=True).distinct().order_by("username")


def find_person(workspace: Workspace, name: str) -> User | None:
    """The person of the workspace whom the REST API calls by this name; None also when several share it.

    Then they are told apart by their user names, which are unique.
    """
    return _meant(name, _called(workspace, {name}))


def names_of(workspace: Workspace, user: User) -> frozenset[str]:
    """The names that mean this person of the workspace and nobody else: a name that is a group's or is shared owns nothing."""
    mine = {operations.person(user), user.username}
    called = _called(workspace, mine)
    groups = set(Group.objects.filter(workspace=workspace, name__in=mine).values_list("name", flat=True)).union(BUILT_IN)
    return frozenset(name for name in mine - groups if _meant(name, called) == user)


def _told_apart(workspace: Workspace, user: User | None) -> dict[str, str]:
    """For `people_changed`: the person's name and what to call her instead."""
    names = names_of(workspace, user) if user is not None else frozenset()
    return dict.fromkeys(names, user.username) if user is not None and user.username in names else {}


def _called(workspace: Workspace, names: set[str]) -> list[User]:
    return list(people(workspace).filter(Q(email__in=names) | Q(username__in=names)))


def _meant(name: str, called: list[User]) -> User | None:
    found = [user for user in called if operations.person(user) == name]
    return found[0] if len(found) == 1 else next((user for user in called if user.username == name), None)


def person_by_id(workspace: Workspace, user_id: str) -> User:
    """Raises ResourceDoesNotExist."""
    found = people(workspace).filter(pk=int(user_id)).first() if user_id.isdecimal() and len(user_id) < 16 else None
    if found is None:
        raise ResourceDoesNotExist(f"User with id {user_id} not found.")
    return found


def add_member(workspace: Workspace, name: str, *, is_admin: bool = False) -> User:
    """Let a person of this site work in the workspace. Accounts are made by the operator, never here.

    Raises InvalidParameterValue (nobody of that name) and ResourceAlreadyExists.
    """
    user = _account(name)
    if user is None:
        raise InvalidParameterValue(
            f"There is no account with the user name {name} on this site. The operator makes accounts; then add it by its "
            "e-mail address or user name."
        )
    if people(workspace).filter(pk=user.pk).exists():
        raise ResourceAlreadyExists(f"User with username {name} already exists.")
    with transaction.atomic():
        told_apart = _told_apart(workspace, find_person(workspace, operations.person(user)))
        Member.objects.create(workspace=workspace, user=user, is_admin=is_admin)
        people_changed.send(Workspace, workspace=workspace, told_apart=told_apart)
    return user


def set_admin(workspace: Workspace, user: User, is_admin: bool) -> None:
    """Give or take admin rights; the owner keeps them. Raises InvalidParameterValue."""
    if user.pk == workspace.owner_id:
        if not is_admin:
            raise InvalidParameterValue("The workspace's owner stays in the group admins.")
        return
    with transaction.atomic():
        Member.objects.filter(workspace=workspace, user=user).update(is_admin=is_admin)
        people_changed.send(Workspace, workspace=workspace)


def remove_member(workspace: Workspace, user: User) -> None:
    """End the membership: groups, permissions and tokens of the workspace go with it. Raises InvalidParameterValue."""
    if user.pk == workspace.owner_id:
        raise InvalidParameterValue("The workspace's owner cannot be removed from it.")
    with transaction.atomic():
        told_apart = _told_apart(workspace, user)
        Member.objects.filter(workspace=workspace, user=user).delete()
        for group in Group.objects.filter(workspace=workspace, people=user):
            group.people.remove(user)
        people_changed.send(Workspace, workspace=workspace, told_apart=told_apart)
        operations.revoke_all_tokens(workspace, user)


def workspaces_of(user: User) -> list[Workspace]:
    """The person's own workspace first, then those where she is a member, by name."""
    joined = Workspace.objects.filter(members__user=user).order_by("name")
    return [operations.open_workspace(user), *joined]


# --- groups ------------------------------------------------------------------------------------


def groups(workspace: Workspace) -> QuerySet[Group]:
    return Group.objects.filter(workspace=workspace).prefetch_related("people").order_by("name")


def group_by_id(workspace: Workspace, group_id: str) -> Group:
    """Raises ResourceDoesNotExist."""
    found = groups(workspace).filter(id=group_id).first()
    if found is None:
        raise ResourceDoesNotExist(f"Group with id {group_id} not found.")
    return found


def has_group(workspace: Workspace, name: str) -> bool:
    return name in BUILT_IN or Group.objects.filter(workspace=workspace, name=name).exists()


def group_names(workspace: Workspace, user: User) -> set[str]:
    """Of every group that the person belongs to, built-in ones included."""
    names = set(Group.objects.filter(workspace=workspace, people=user).values_list("name", flat=True))
    return names | {USERS} | ({ADMINS} if is_admin(workspace, user) else set())


def people_of_groups(workspace: Workspace, names: Iterable[str]) -> set[int]:
    """Primary keys of everybody in at least one of the groups."""
    wanted = set(names)
    found = set(
        User.objects.filter(workspace_groups__workspace=workspace, workspace_groups__name__in=wanted).values_list("pk", flat=True)
    )
    if USERS in wanted:
        found |= set(people(workspace).values_list("pk", flat=True))
    return found


def create_group(workspace: Workspace, name: str, users: Iterable[User] = ()) -> Group:
    """Raises InvalidParameterValue and ResourceAlreadyExists."""
    if not name or len(name) > MAX_NAME_CHARACTERS:
        raise InvalidParameterValue(f"displayName must have 1 to {MAX_NAME_CHARACTERS} characters.")
    if name in BUILT_IN:
        raise ResourceAlreadyExists(f"Group with name {name} already exists.")
    if find_person(workspace, name) is not None:
        raise ResourceAlreadyExists(f"A person of the workspace is called {name} already; choose another name for the group.")
    try:
        with transaction.atomic():
            group = Group.objects.create(workspace=workspace, name=name, created_at=timezone.now())
            group.people.set(users)
            people_changed.send(Workspace, workspace=workspace)
    except IntegrityError:
        raise ResourceAlreadyExists(f"Group with name {name} already exists.") from None
    return group


def change_group(group: Group, add: Iterable[User] = (), remove: Iterable[User] = ()) -> None:
    with transaction.atomic():
        group.people.add(*add)
        group.people.remove(*remove)
        people_changed.send(Workspace, workspace=group.workspace)


def delete_group(group: Group) -> None:
    """Permissions that the group was given end with it."""
    with transaction.atomic():
        workspace, name = group.workspace, group.name
        group.delete()
        people_changed.send(Workspace, workspace=workspace, deleted_group=name)


def _account(name: str) -> User | None:
    """Somebody who can sign in, by e-mail address (when only one has it) or user name."""
    by_email = list(User.objects.filter(email__iexact=name, is_active=True)[:2]) if name else []
    if len(by_email) == 1:
        return by_email[0]
    return User.objects.filter(username=name, is_active=True).first()
