"""The one client that calls addresses outside the site: checked hosts, one deadline, capped answers, no redirects."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from django.conf import settings

from sandbox.errors import ApiError, DeadlineExceeded, PermissionDenied

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
SIMULATOR_HOST = "provider-simulator"
PROVIDER_HOSTS = frozenset({"api.openai.com"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProviderUnreachable(ApiError):
    """The provider could not be asked, or its answer could not be used."""

    status, error_code = 502, "INTERNAL_ERROR"


@dataclass(frozen=True)
class Destination:
    """Where a call really goes: a socket or a checked address, and the name that its certificate must have."""

    url: httpx.URL
    socket_path: str = ""
    extensions: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def call(url: str, headers: dict[str, str], content: bytes) -> AsyncIterator[httpx.Response]:
    """POST and give the open response, its body unread. The caller bounds the time with a `Deadline`.

    Raises:
        PermissionDenied: the address may not be called.
        ProviderUnreachable: nothing answered, or with a redirect or compressed.
    """
    destination = await find_destination(url)
    sent = {"Content-Type": "application/json", "Accept-Encoding": "identity"} | headers | destination.headers
    async with _client(destination) as client:
        try:
            request = client.build_request(
                "POST", destination.url, headers=sent, content=content, extensions=destination.extensions
            )
        except UnicodeError:  # its text holds the value
            raise ProviderUnreachable(
                "The key or the organization has characters that no header can have. Store it again."
            ) from None
        try:
            response = await client.send(request, stream=True)
            try:
                _check_answer(response)
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            kind = type(error).__name__  # not its text, which may hold addresses
            raise ProviderUnreachable(f"The provider at {urlsplit(url).hostname} could not be reached ({kind}).") from None


class Deadline:
    """A moment after which nothing is waited for any more. `async with` it around waiting, never around a `yield`:
    the time-out reaches whatever the task is doing."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._at = asyncio.get_running_loop().time() + deadline_s
        self._timeout: asyncio.Timeout | None = None

    async def __aenter__(self) -> None:
        self._timeout = asyncio.timeout_at(self._at)
        await self._timeout.__aenter__()

    async def __aexit__(self, *exc_info: Any) -> None:
        assert self._timeout is not None
        try:
            await self._timeout.__aexit__(*exc_info)
        except TimeoutError:
            raise DeadlineExceeded(f"The provider did not answer within {self._deadline_s:g} s.") from None


async def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes, at most 4 MiB of it."""
    received = 0
    async for piece in response.aiter_raw():
        received += len(piece)
        if received > ANSWER_LIMIT_BYTES:
            raise ProviderUnreachable(f"The provider's answer is larger than {ANSWER_LIMIT_BYTES} bytes; it was cut off.")
        yield piece


def _client(destination: Destination) -> httpx.AsyncClient:
    """A client for one call: connections of different hosts that share an address never mix."""
    transport = (
        httpx.AsyncHTTPTransport(uds=destination.socket_path, verify=False)
        if destination.socket_path
        else httpx.AsyncHTTPTransport(verify=_tls())
    )
    return httpx.AsyncClient(transport=transport, timeout=None, follow_redirects=False, trust_env=False)  # noqa: S113 - see `Deadline`


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _check_answer(response: httpx.Response) -> None:
    if response.is_redirect:
        raise ProviderUnreachable("The provider answered with a redirect. Redirects are not followed; correct the base URL.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ProviderUnreachable("The provider compressed its answer although it was asked not to.")


# --- where a call may go --------------------------------------------------------------------------


async def find_destination(url: str) -> Destination:
    """Check the address of a call and resolve it once.

    The simulator is a socket. The operator's own OPENAI_API_BASE is used as it is. Known provider
    hosts, and any other when CUSTOM_PROVIDER_URLS is on, must be https on port 443 and resolve to public addresses only.
    """
    parts = urlsplit(url)
    if parts.hostname == SIMULATOR_HOST and parts.scheme == "http":
        return Destination(httpx.URL(url), socket_path=str(settings.PROVIDER_SIMULATOR_SOCKET))
    if url.startswith(settings.OPENAI_API_BASE.rstrip("/") + "/"):
        return Destination(httpx.URL(url))
    host = _check_url(parts)
    address = await _public_address(host)
    return Destination(httpx.URL(url).copy_with(host=address), extensions={"sni_hostname": host}, headers={"Host": host})


def _check_url(parts: SplitResult) -> str:
    """The host of an allowed public URL."""
    host = parts.hostname or ""
    try:
        port = parts.port or 443
    except ValueError:
        port = 0
    if parts.scheme != "https" or port != 443 or parts.username is not None or parts.password is not None:
        raise PermissionDenied("A provider's base URL must be https on port 443 without a user name.")
    if host not in PROVIDER_HOSTS and not settings.CUSTOM_PROVIDER_URLS:
        raise PermissionDenied(
            f"Calls to {host!r} are switched off here. Leave the base URL out to use the configured provider; "
            "an operator can allow other hosts with CUSTOM_PROVIDER_URLS."
        )
    return host


async def _public_address(host: str) -> str:
    """An address of the host, all of whose addresses are public."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ProviderUnreachable(f"The provider's host {host!r} has no address.") from None
    addresses = [str(entry[4][0]).split("%")[0] for entry in found]
    if not addresses or any(is_private(ipaddress.ip_address(address)) for address in addresses):
        raise PermissionDenied(f"The provider's host {host!r} is not a public address.")
    return addresses[0]


def is_private(address: IpAddress) -> bool:
    """Whether an address, or the IPv4 address embedded in it, is anything but public."""
    if not address.is_global or address.is_multicast:
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return False
    embedded = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if embedded is None and address in _NAT64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return embedded is not None and is_private(embedded)
