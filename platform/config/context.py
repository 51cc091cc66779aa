"""What every page knows: the site's address, the user's workspace and its clock, and the side bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from sandbox.workspaces.members import workspaces_of
from sandbox.workspaces.sessions import workspace_of


@dataclass(frozen=True)
class Link:
    """One line of the side bar; `is_here` marks the page that is shown."""

    label: str
    icon: str
    url: str
    is_here: bool


@dataclass(frozen=True)
class Group:
    """A heading of the side bar and its links."""

    label: str
    links: tuple[Link, ...]


EVERYBODY = ("learner", "instructor", "author", "operator")
# heading, roles that see it, (label, icon, URL name); a page belongs to the link with the longest matching address
SIDE_BAR: tuple[tuple[str, tuple[str, ...], tuple[tuple[str, str, str], ...]], ...] = (
    ("Study", EVERYBODY, (("Home", "home", "home"), ("Practice", "book", "study"), ("Labs", "flask", "labs"))),
    (
        "Sandbox",
        EVERYBODY,
        (
            ("Overview", "cloud-computing", "sandbox_home"),
            ("Serving", "rocket", "serving_list"),
            ("Catalog", "stack-2", "catalog"),
            ("Features", "vector", "feature_list"),
            ("SQL", "terminal-2", "sql_editor"),
            ("Models", "package", "model_list"),
            ("Experiments", "chart-dots", "mlflow"),
            ("Playground", "messages", "playground"),
            ("Access tokens", "key", "tokens"),
            ("Secrets", "lock", "secrets"),
        ),
    ),
    ("Teach", ("instructor",), (("Cohorts", "users-group", "teach"),)),
    ("Author", ("author", "operator"), (("Question bank", "writing", "author_bank"),)),
    ("Operate", ("operator",), (("System health", "heart-rate-monitor", "operate"),)),
)

PRACTICE = ("/attempts/", "/items/", "/proofs/")
"""Addresses of their own that belong to the link Practice."""


def side_bar(role: str, path: str) -> tuple[Group, ...]:
    """The groups that `role` may see, with the link marked that `path` lies under."""
    urls = {name: reverse(name) for _, _, links in SIDE_BAR for _, _, name in links}
    if path.startswith(PRACTICE):
        path = urls["study"]
    here = max((url for url in urls.values() if path == url or (url != "/" and path.startswith(url))), key=len, default="")
    return tuple(
        Group(label, tuple(Link(text, icon, urls[name], urls[name] == here) for text, icon, name in links))
        for label, roles, links in SIDE_BAR
        if role in roles
    )


def site(request: HttpRequest) -> Mapping[str, Any]:
    """Template context shared by all pages."""
    shared: dict[str, Any] = {"site_url": settings.SITE_URL, "version": settings.VERSION}
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        shared["workspace"] = SimpleLazyObject(lambda: workspace_of(request))
        shared["workspaces"] = SimpleLazyObject(lambda: workspaces_of(user))
        shared["nav"] = side_bar(user.role, request.path)
    return shared
