"""Addresses that work without a token: for one person, workspace, path and method, until they expire."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core import signing

from sandbox.errors import InvalidParameterValue
from sandbox.files.places import Who

PREFIX = "/api/2.0/fs/signed/"
MAX_LIFETIME_S = 3600.0
_SALT = "sandbox.files.signed_urls"


@dataclass(frozen=True)
class Signed:
    """What a signed address allows. `method` is GET (and HEAD), PUT, or DELETE (ends an upload in parts)."""

    workspace_id: str
    user_id: str
    method: str
    path: str
    expires_at_s: float
    session: str = ""
    """The upload in parts that it belongs to; empty for a whole file."""
    part_number: int = 0

    @property
    def who(self) -> Who:
        return Who(self.workspace_id, self.user_id)


class Expired(Exception):
    """The address was valid once."""


def sign(signed: Signed, base: str) -> str:
    """The address; `base` is scheme and host as the caller reached us."""
    return base + PREFIX + signing.dumps(asdict(signed), salt=_SALT, compress=True)


def read(token: str) -> Signed | None:
    """What the address allows; None when it was not made here. Raises Expired."""
    try:
        signed = Signed(**signing.loads(token, salt=_SALT))
    except (signing.BadSignature, TypeError, ValueError):
        return None
    if time.time() > signed.expires_at_s:
        raise Expired
    return signed


def seal(value: dict[str, Any]) -> str:
    """A text that only this site can make and read back with `unseal`."""
    return signing.dumps(value, salt=_SALT + ".session")


def unseal(token: str) -> dict[str, Any] | None:
    try:
        value = signing.loads(token, salt=_SALT + ".session")
    except (signing.BadSignature, ValueError):
        return None
    return value if isinstance(value, dict) else None


def expiry(wanted: Any) -> float:
    """Seconds since the epoch for an RFC 3339 time of the client; at most an hour from now, which is also the default.

    Raises InvalidParameterValue when it is not a time, or over.
    """
    latest_s = time.time() + MAX_LIFETIME_S
    if wanted in (None, ""):
        return latest_s
    try:
        at_s = datetime.fromisoformat(str(wanted)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidParameterValue(
            f"expire_time {str(wanted)[:80]!r} is not an RFC 3339 time such as 2030-01-31T12:00:00Z."
        ) from None
    if at_s <= time.time():
        raise InvalidParameterValue(f"expire_time {str(wanted)[:80]!r} is over. Name a time in the next hour.")
    return min(at_s, latest_s)


def base_of(scope: dict[str, Any]) -> str:
    """Scheme and host by which the client reached us: it may know the site by another name than SITE_URL."""
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    scheme = "https" if settings.SECURE_COOKIES else scope.get("scheme", "http")
    return f"{scheme}://{host}" if host else settings.SITE_URL
