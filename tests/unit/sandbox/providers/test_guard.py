"""Where a call may go, and that it ends whatever the peer does."""

import asyncio
import base64
import gzip
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings

from sandbox.errors import DeadlineExceeded, PermissionDenied
from sandbox.providers import guard, provider_for
from sandbox.providers.guard import ProviderUnreachable, find_destination, is_private
from sandbox.providers.redaction import REDACTED, Redactor

from .conftest import CANARY

MakeExternal = Callable[..., dict[str, Any]]
Start = Callable[[Any], Awaitable[str]]
ASK = {"messages": [{"role": "user", "content": "hi"}]}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1/x",
        "https://user@api.openai.com/v1/x",
        "https://api.openai.com:8443/v1/x",
        "https://api.openai.com.evil.example/v1/x",
        "https://provider-simulator/v1/x",
        "https://localhost/v1/x",
        "file:///etc/passwd",
        "https://1.1.1.1/v1/x",
    ],
)
async def test_other_hosts_are_off_by_default(url: str) -> None:
    with pytest.raises(PermissionDenied):
        await find_destination(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "100.64.0.1",
        "192.0.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "[ff02::1]",
        "①②⑦.0.0.1",
        "no-such-host.invalid",
    ],
)
async def test_custom_hosts_must_be_public(settings: LazySettings, host: str) -> None:
    settings.CUSTOM_PROVIDER_URLS = True
    with pytest.raises((PermissionDenied, ProviderUnreachable)):
        await find_destination(f"https://{host}/v1/chat/completions")


async def test_a_public_address_is_called_by_number_with_the_host_s_certificate(settings: LazySettings) -> None:
    settings.CUSTOM_PROVIDER_URLS = True
    found = await find_destination("https://1.1.1.1/v1/x")
    assert (found.url.host, found.extensions, found.headers) == ("1.1.1.1", {"sni_hostname": "1.1.1.1"}, {"Host": "1.1.1.1"})


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert not is_private(ipaddress.ip_address(address))


async def _head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


def answers(content: bytes) -> Any:
    """A peer that sends this as soon as it is asked."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(content)
        await writer.drain()
        writer.close()

    return peer


def drips(first: bytes, drop: bytes) -> Any:
    """A peer that goes on sending a little, so that no read ever times out."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(first)
        while not writer.is_closing():
            writer.write(drop)
            try:
                await writer.drain()
            except ConnectionError:
                return
            await asyncio.sleep(0.02)

    return peer


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
        (OK + b"Content-Length: 100000\r\n\r\n{", b" "),
        (b"", b""),
    ],
)
async def test_a_dripping_peer_ends_at_the_deadline(
    make_external: MakeExternal, hostile: Start, first: bytes, drop: bytes
) -> None:
    external = make_external()
    base_url = await hostile(drips(first, drop))
    async with asyncio.timeout(60):  # the peer drips for ever
        with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
            await provider_for(external).query(external | {"base_url": base_url}, "llm/v1/chat", ASK, deadline_s=0.5)


async def test_a_stream_that_stalls_ends_with_an_event_that_says_so(make_external: MakeExternal, hostile: Start) -> None:
    external = make_external()
    event = b'data: {"choices": []}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100000\r\n\r\n"
    external["base_url"] = await hostile(drips(head + event, b""))
    chunks = [c async for c in provider_for(external).stream(external, "llm/v1/chat", ASK, deadline_s=2.0)]
    assert b"".join(chunks).startswith(event)
    assert json.loads(chunks[-1].removeprefix(b"data: "))["error_code"] == "DEADLINE_EXCEEDED"


async def test_an_endless_body_is_cut_off(make_external: MakeExternal, hostile: Start) -> None:
    external = make_external()

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(OK + b"\r\n")
        try:
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        except ConnectionError:
            return

    external["base_url"] = await hostile(peer)
    with pytest.raises(ProviderUnreachable, match="larger than 4194304 bytes"):
        await provider_for(external).query(external, "llm/v1/chat", ASK, deadline_s=20)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}", mtime=0), "compressed"),
        (OK + b"Content-Length: 3\r\n\r\nabc", "not a JSON object"),
        (OK + b"Content-Length: 2\r\n\r\n[]", "not a JSON object"),
        (b"SSH-2.0-OpenSSH\r\n", "could not be reached"),
        (b"", "could not be reached"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(200)) + b"\r\n",
            "could not be reached",
        ),
    ],
)
async def test_an_unusable_answer_is_502(make_external: MakeExternal, hostile: Start, content: bytes, sentence: str) -> None:
    external = make_external()
    external["base_url"] = await hostile(answers(content))
    with pytest.raises(ProviderUnreachable, match=sentence) as raised:
        await provider_for(external).query(external, "llm/v1/chat", ASK, deadline_s=5)
    assert raised.value.status == 502


async def test_a_provider_that_is_down_is_502(make_external: MakeExternal, settings: LazySettings) -> None:
    external = make_external()
    settings.PROVIDER_SIMULATOR_SOCKET = settings.PROVIDER_SIMULATOR_SOCKET.with_name("nobody.sock")
    with pytest.raises(ProviderUnreachable, match="provider-simulator could not be reached"):
        await provider_for(external).query(external, "llm/v1/chat", ASK, deadline_s=5)


def echoes(status: bytes) -> Any:
    """A peer that sends the key back in every form, in a header and in the body."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await _head(reader)
        assert f"Authorization: Bearer {CANARY}" in head
        basic = base64.b64encode(f"user:{CANARY}".encode()).decode()
        said = {
            "plain": CANARY,
            CANARY: 1,
            "url": f"?key={quote(CANARY, safe='')}",
            "basic": basic,
            "deep": [{"x": f"<{CANARY}>"}],
        }
        content = json.dumps(said).replace("/", "\\/").encode() + b"\n"
        if status == b"stream":
            content, line = b"data: " + content + b"\ndata: " + CANARY.encode() + b"\n\n", b"200 OK"
        else:
            line = status
        writer.write(b"HTTP/1.1 " + line + b"\r\nX-Key: " + CANARY.encode())
        writer.write(b"\r\nContent-Length: " + str(len(content)).encode() + b"\r\n\r\n" + content)
        await writer.drain()
        writer.close()

    return peer


def assert_no_canary(content: bytes) -> None:
    assert REDACTED.encode() in content
    for form in (CANARY, quote(CANARY, safe=""), CANARY.replace("/", "\\/"), CANARY[4:]):
        assert form.encode() not in content
    for skipped in range(3):
        inner = base64.b64encode(b"x" * skipped + CANARY.encode())[4:-4]
        assert inner not in content


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized", b"500 Oops"])
async def test_the_key_is_in_no_answer(make_external: MakeExternal, hostile: Start, status: bytes) -> None:
    external = make_external(CANARY)
    external["base_url"] = await hostile(echoes(status))
    answer = await provider_for(external).query(external, "llm/v1/chat", ASK, deadline_s=5)
    assert_no_canary(answer.body)


async def test_the_key_is_in_no_stream(make_external: MakeExternal, hostile: Start) -> None:
    external = make_external(CANARY)
    external["base_url"] = await hostile(echoes(b"stream"))
    chunks = [c async for c in provider_for(external).stream(external, "llm/v1/chat", ASK, deadline_s=5)]
    assert_no_canary(b"".join(chunks))


@pytest.mark.parametrize("length", range(8, 14))
@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("after", [b"", b"z", b"zz"])
def test_base64_at_every_alignment(length: int, before: bytes, after: bytes) -> None:
    secret = "sk-abcdefghijklmn"[:length]
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert REDACTED in Redactor(secret).text(f"x {encoded} y")


def test_what_holds_no_secret_is_left_as_it_is() -> None:
    content = b'{ "a": 1.0,  "b": "\\u00e9" }'
    assert Redactor(CANARY).body(content) is content
    assert guard.ANSWER_LIMIT_BYTES == 4 * 1024 * 1024
