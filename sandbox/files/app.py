"""The Files API as an ASGI application that streams: a body is never held in memory, a file is seen whole or not at all.

[SDK 0.156: databricks.sdk.service.files, databricks.sdk.mixins.files]
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.asgi_io import Headers, Receive, Scope, Send, query_of, read_json, send_bytes, send_error
from sandbox.errors import ApiError, EndpointNotFound, InvalidParameterValue, PermissionDenied, Unauthenticated
from sandbox.files import answers, parts, signed_urls
from sandbox.files.listing import list_page
from sandbox.files.places import Who, locate
from sandbox.files.receiving import receive_file
from sandbox.files.signed_urls import Signed
from sandbox.files.tree import check_folder, delete_file, delete_folder, make_folder
from sandbox.live import LiveToken

Authenticate = Callable[[bytes], Awaitable[LiveToken | None]]

PREFIX = "/api/2.0/fs/"
"""The site mounts the application here."""
_FILES = "/api/2.0/fs/files"
_DIRECTORIES = "/api/2.0/fs/directories"
_EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
"""What clients know from object stores: they ask for a new address and go on."""


class FilesApp:
    """ASGI application for `PREFIX`.

    Args:
        authenticate: the value of the Authorization header (empty when absent) → whose token it is, None when it is nobody's.
    """

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = Request(scope, receive, send)
            if request.path.startswith(signed_urls.PREFIX):
                await _answer_signed(request)
            else:
                await self._answer(request)
        except signed_urls.Expired:
            await send_bytes(send, 403, _EXPIRED, ((b"content-type", b"application/xml"),))
        except ApiError as error:
            await send_error(send, error)

    async def _answer(self, request: "Request") -> None:
        token = await self._authenticate(request.headers.get(b"authorization", b""))
        if token is None:
            raise Unauthenticated
        who = Who(token.workspace_id, token.user_id)
        for prefix, answer in ((_FILES, _file), (_DIRECTORIES, _directory)):
            if request.path.startswith(prefix + "/"):
                await answer(request, who, request.path.removeprefix(prefix))
                return
        signer = _SIGNERS.get(request.path) if request.method == "POST" else None
        if signer is None:
            raise _no_such_call(request)
        body = dict(request.query) | await read_json(request.headers, request.receive)
        await answers.send_json(request.send, 200, await signer(request, who, body))


class Request:
    """One request, its parts taken apart once."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Headers = dict(scope["headers"])
        self.query = dict(query_of(scope))


def _no_such_call(request: Request) -> ApiError:
    return EndpointNotFound(f"{request.method} {request.path[:200]} is not part of the Files API here.")


# --- files and folders by their path ----------------------------------------------------------------


async def _file(request: Request, who: Who, path: str) -> None:
    if request.method in {"GET", "HEAD"}:
        await answers.send_file(request.send, request.method, request.headers, await locate(who, path, writing=False))
    elif request.method == "PUT":
        await _put(request, who, path, overwrite=request.query.get("overwrite", "true").lower() != "false")
        await send_bytes(request.send, 204, b"")
    elif request.method == "DELETE":
        await asyncio.to_thread(delete_file, await locate(who, path, writing=True))
        await send_bytes(request.send, 204, b"")
    elif request.method == "POST":
        await _upload_in_parts(request, who, path)
    else:
        raise _no_such_call(request)


async def _put(request: Request, who: Who, path: str, *, overwrite: bool) -> None:
    place = await locate(who, path, writing=True)
    async with receive_file(who.workspace_id, request.headers, request.receive) as staged:
        await asyncio.to_thread(staged.commit, place, overwrite=overwrite)


async def _upload_in_parts(request: Request, who: Who, path: str) -> None:
    """Begin an upload of a large file, or end it."""
    action = request.query.get("action")
    place = await locate(who, path, writing=True)
    if action == "initiate-upload":
        overwrite = request.query.get("overwrite", "true").lower() != "false"
        session = await asyncio.to_thread(parts.begin, who, path, overwrite=overwrite)
        await answers.send_json(request.send, 200, {"multipart_upload": {"session_token": session.token}})
    elif action == "complete-upload":
        session = parts.find(who, path, request.query.get("session_token"))
        body = await read_json(request.headers, request.receive)
        await asyncio.to_thread(parts.complete, session, body.get("parts"), place)
        await answers.send_json(request.send, 200, {})
    else:
        raise InvalidParameterValue(f"action {str(action)[:80]!r} is not one of initiate-upload and complete-upload.")


async def _directory(request: Request, who: Who, path: str) -> None:
    writing = request.method in {"PUT", "DELETE"}
    if not writing and request.method not in {"GET", "HEAD"}:
        raise _no_such_call(request)
    place = await locate(who, path, writing=writing)
    if request.method == "GET":
        page = await asyncio.to_thread(list_page, place, request.query.get("page_size"), request.query.get("page_token"))
        await answers.send_json(request.send, 200, page)
        return
    change = {"HEAD": check_folder, "PUT": make_folder, "DELETE": delete_folder}[request.method]
    await asyncio.to_thread(change, place)
    await send_bytes(request.send, 200 if request.method == "HEAD" else 204, b"")


# --- signed addresses -------------------------------------------------------------------------------


async def _sign_download(request: Request, who: Who, body: dict[str, Any]) -> dict[str, Any]:
    path = _path_in(body)
    await locate(who, path, writing=False)
    signed = Signed(who.workspace_id, who.user_id, "GET", path, signed_urls.expiry(body.get("expire_time")))
    return _address(request, signed)


async def _sign_upload(request: Request, who: Who, body: dict[str, Any]) -> dict[str, Any]:
    path = _path_in(body)
    await locate(who, path, writing=True)
    signed = Signed(who.workspace_id, who.user_id, "PUT", path, signed_urls.expiry(body.get("expire_time")))
    return _address(request, signed)


async def _sign_parts(request: Request, who: Who, body: dict[str, Any]) -> dict[str, Any]:
    path = _path_in(body)
    session = parts.find(who, path, body.get("session_token"))
    numbers = parts.part_numbers(body.get("start_part_number", 1), body.get("count", 1))
    expires_at_s = signed_urls.expiry(body.get("expire_time"))
    return {
        "upload_part_urls": [
            {"part_number": number}
            | _address(request, Signed(who.workspace_id, who.user_id, "PUT", path, expires_at_s, session.token, number))
            for number in numbers
        ]
    }


async def _sign_abort(request: Request, who: Who, body: dict[str, Any]) -> dict[str, Any]:
    path = _path_in(body)
    session = parts.find(who, path, body.get("session_token"))
    expires_at_s = signed_urls.expiry(body.get("expire_time"))
    return {
        "abort_upload_url": _address(request, Signed(who.workspace_id, who.user_id, "DELETE", path, expires_at_s, session.token))
    }


_SIGNERS = {
    "/api/2.0/fs/create-download-url": _sign_download,
    "/api/2.0/fs/create-upload-url": _sign_upload,
    "/api/2.0/fs/create-upload-part-urls": _sign_parts,
    "/api/2.0/fs/create-abort-upload-url": _sign_abort,
}


def _path_in(body: dict[str, Any]) -> str:
    path = body.get("path")
    if not isinstance(path, str):
        raise InvalidParameterValue("path is missing: name the file, for example '/Volumes/main/default/data/a.csv'.")
    return path


def _address(request: Request, signed: Signed) -> dict[str, Any]:
    return {"url": signed_urls.sign(signed, signed_urls.base_of(request.scope)), "headers": []}


async def _answer_signed(request: Request) -> None:
    """A request with a signed address: what the address allows is allowed, if its person may still do it."""
    signed = signed_urls.read(request.path.removeprefix(signed_urls.PREFIX))
    method = "GET" if request.method == "HEAD" else request.method
    if signed is None or signed.method != method:
        raise PermissionDenied("The address was not signed by this site for this method. Ask for a new one.")
    if method == "GET":
        place = await locate(signed.who, signed.path, writing=False)
        await answers.send_file(request.send, request.method, request.headers, place)
    elif not signed.session:
        await _put(request, signed.who, signed.path, overwrite=True)
        await send_bytes(request.send, 200, b"")
    else:
        await locate(signed.who, signed.path, writing=True)
        session = parts.find(signed.who, signed.path, signed.session)
        await (_put_part(request, session, signed.part_number) if method == "PUT" else _abort(request, session))


async def _put_part(request: Request, session: parts.Session, number: int) -> None:
    async with receive_file(session.workspace_id, request.headers, request.receive) as staged:
        etag = await asyncio.to_thread(parts.store_part, session, number, staged)
    await send_bytes(request.send, 200, b"", ((b"etag", etag.encode()),))


async def _abort(request: Request, session: parts.Session) -> None:
    await asyncio.to_thread(parts.abort, session)
    await send_bytes(request.send, 200, b"")
