"""`manage.py issue_token USERNAME`: prints a new access token for the person's workspace, or for one she is a member of."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox.errors import ApiError
from sandbox.workspaces.members import workspaces_of
from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import issue_token


class Command(BaseCommand):
    help = "Print a new access token. It is shown this once; only its fingerprint is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--lifetime-s", type=int, default=None, help="seconds until it expires (default: it does not)")
        parser.add_argument("--workspace", metavar="OWNER", help="user name of the workspace's owner (default: the person's own)")
        parser.add_argument("--comment", default="issued from the command line")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            names = ", ".join(User.objects.order_by("username").values_list("username", flat=True)[:20])
            known = names or "nobody yet (run manage.py set_up)"
            raise CommandError(f"There is no user {options['username']!r}. There is: {known}.")
        workspace = _workspace(user, options["workspace"])
        try:
            _, plain = issue_token(workspace, user, options["comment"], options["lifetime_s"])
        except ApiError as error:
            raise CommandError(error.message) from error
        self.stdout.write(plain)


def _workspace(user: User, owner: str | None) -> Workspace:
    """The person's own workspace, or the named one among those that have her as a member."""
    found = {workspace.owner.username: workspace for workspace in workspaces_of(user) if workspace.owner is not None}
    wanted = owner or user.username
    if wanted not in found:
        raise CommandError(f"{user.username} is not a member of a workspace of {wanted!r}. Workspaces: {', '.join(found)}.")
    return found[wanted]
