"""What every page knows: the site's address, the port, the user's workspace and its clock."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """Template context shared by all pages."""
    return {"site_url": settings.SITE_URL}
