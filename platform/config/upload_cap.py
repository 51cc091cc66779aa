"""Who may send a body that is larger than a page's: authors, on the page that takes files."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.db import close_old_connections
from django.http import parse_cookie

UPLOAD_PATH = "/author/import/"


def may_upload(scope: dict[str, Any]) -> bool:
    """Whether the session that the request names is an author's; the page itself checks everything once more."""
    header = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    name = parse_cookie(header).get(settings.SESSION_COOKIE_NAME, "")
    if not name:
        return False
    close_old_connections()
    try:
        session = import_module(settings.SESSION_ENGINE).SessionStore(name)
        user = get_user_model().objects.filter(pk=session.get(SESSION_KEY) or 0, is_active=True).first()
        return getattr(user, "role", "") in {"author", "operator"}
    finally:
        close_old_connections()
