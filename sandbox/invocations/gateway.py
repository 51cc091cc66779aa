"""The gateway: the ASGI application of the data plane. `invoke` tells the story of one request."""

import asyncio
import itertools
import logging
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox import live
from sandbox.credentials import access_token
from sandbox.errors import (
    ApiError,
    InvalidState,
    PermissionDenied,
    RequestLimitExceeded,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
    Unauthenticated,
)
from sandbox.inference_tables import capture
from sandbox.invocations import external, openai_routes
from sandbox.invocations.answers import Answer, deliver, error_answer
from sandbox.invocations.backlog import RETRY_AFTER_S, Backlog
from sandbox.invocations.bodies import TOO_MUCH_HELD, Bodies, ClientGone, Held
from sandbox.invocations.content_types import body_text, content_type
from sandbox.invocations.limits import Limits
from sandbox.invocations.pulse import Meter, Pulse
from sandbox.invocations.queues import Queues
from sandbox.invocations.requests import CHOOSE_AGAIN, Request
from sandbox.invocations.routing import choose
from sandbox.invocations.snapshot import LoadToken, Snapshot

logger = logging.getLogger(__name__)
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_INVOCATIONS = re.compile(r"/serving-endpoints/([^/]+)(?:/served-models/([^/]+))?/invocations/?")
MAX_NAME_CHARACTERS = 255
DRAWS = 3
CONNECTIONS, CONNECTION_WAIT_S = 100, 20.0
"""To Redis, for what is not cached: rate limits, tokens seen for the first time, replicas."""
_draw = random.Random().random  # noqa: S311 - a traffic split needs no secrecy
_own_ids = str(uuid.uuid4())[:24]
_numbers = itertools.count(random.getrandbits(40))


def _new_request_id() -> str:
    """A version 4 UUID, as text: 74 bits of this process, then a number. uuid.uuid4 asks the kernel each time."""
    return f"{_own_ids}{next(_numbers):012x}"


def _pool(redis_url: str) -> redis.asyncio.BlockingConnectionPool:
    """When all connections are taken the next request waits for one; the usual pool refuses it."""
    return redis.asyncio.BlockingConnectionPool.from_url(
        redis_url,
        max_connections=CONNECTIONS,
        timeout=CONNECTION_WAIT_S,
        socket_timeout=60,
        socket_connect_timeout=5,
        retry=AsyncRetry(NoBackoff(), 0),
    )


class Gateway:
    """One per web process. `body_limit_bytes` and `timeout_s` are the documented limits."""

    def __init__(self, redis_url: str, load_token: LoadToken, *, body_limit_bytes: int, timeout_s: float) -> None:
        self._redis_url = redis_url
        self._load_token = load_token
        self.bodies = Bodies(body_limit_bytes)
        self._held = Held()
        self._timeout_s = timeout_s
        self._pulse = Pulse(lambda entity_id: self._queues.waiting(entity_id))
        self._backlog = Backlog()
        self._tasks: list[asyncio.Task[None]] = []

    # --- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen for replies and changes; called once, inside the event loop."""
        self._loop = asyncio.get_running_loop()
        # one attempt each: waiting would hold up every request, and a capture sent twice would be logged twice
        self._redis = redis.asyncio.Redis.from_pool(_pool(self._redis_url))
        client = redis.Redis.from_url(self._redis_url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1))
        self._snapshot = Snapshot(self._redis, self._load_token)
        self._limits = Limits(self._redis)
        self._queues = Queues(self._redis, client, self._snapshot)
        loops = (self._snapshot.follow(), *self._queues.loops(self.bodies.end_slow))
        watches = (self._pulse.run(self._redis), self._backlog.watch(self._redis))
        self._tasks = [asyncio.create_task(loop) for loop in (*loops, *watches)]

    # --- the story of one request --------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._tasks:
            self.start()
        request_id = _new_request_id()
        try:
            answer = await self._answer(scope, receive, send, request_id)
        except ClientGone:
            return
        except ApiError as error:
            answer = error_answer(error, retry_after_s=int(error.status == 429))
        except redis.RedisError as error:
            logger.warning("invocation %s refused: %s", request_id, error)
            answer = error_answer(
                TemporarilyUnavailable("The request queue is not reachable; retry in a second."), retry_after_s=1
            )
        except Exception:
            logger.exception("invocation %s failed", request_id)
            answer = Answer(500, b'{"error_code":"INTERNAL_ERROR","message":"The gateway failed; the log has the request id."}')
        if answer is not None:
            await deliver(answer, request_id, scope, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> Answer | None:
        """The answer to send; None when it was streamed already."""
        token = await self._require_token(scope)
        path: str = scope["path"]
        match = _INVOCATIONS.fullmatch(path)
        if match is None:
            return await openai_routes.answer(self, scope, receive, send, token, request_id)
        if scope["method"] != "POST":
            return error_answer(_method_not_allowed(scope["method"]))
        body = await self.bodies.read(scope, receive, token.workspace_id)
        return await self.invoke(token, match[1], match[2], body, request_id, send, content_type(scope))

    async def invoke(
        self, token: live.LiveToken, name: str, served_name: str | None, body: bytes, request_id: str, send: Send, kind: str = ""
    ) -> Answer | None:
        """Find the endpoint, choose a served entity, and let a replica or a provider answer. `kind`: see `content_type`."""
        if not self._held.take(token.workspace_id, len(body)):
            return error_answer(RequestLimitExceeded(TOO_MUCH_HELD), retry_after_s=1)
        try:
            for attempt in range(DRAWS):
                answer = await self._draw_and_ask(token, name, served_name, body, request_id, send, kind, is_new=not attempt)
                if answer is not CHOOSE_AGAIN:
                    return answer
        finally:
            self._held.give_back(token.workspace_id, len(body))
        raise TemporarilyUnavailable(f"Endpoint {name} is changing too fast to answer; retry in a second.")

    async def _draw_and_ask(
        self,
        token: live.LiveToken,
        name: str,
        served_name: str | None,
        body: bytes,
        request_id: str,
        send: Send,
        kind: str,
        *,
        is_new: bool,
    ) -> Answer | None:
        endpoint = await self.endpoint(token, name)
        if self._backlog.is_full and endpoint.inference_table:
            return error_answer(self._backlog.refusal(), RETRY_AFTER_S)
        entity = _entity(endpoint, served_name)
        meter = self._pulse.meter(endpoint.endpoint_id, entity.entity_id)
        meter.began()
        status, started_s = 500, time.perf_counter()
        try:
            answer = await self._limits.refusal(endpoint, token) if endpoint.limits and is_new else None
            if answer is None:
                answer = await self._ask(token, endpoint, entity, meter, body, request_id, send, kind)
            status = answer.status if answer is not None else 200
        except ApiError as error:
            status = error.status
            raise
        finally:
            if status:
                meter.ended(status, (time.perf_counter() - started_s) * 1000)
            else:  # CHOOSE_AGAIN
                meter.moved_on()
        return answer

    async def _ask(
        self,
        token: live.LiveToken,
        endpoint: live.LiveEndpoint,
        entity: live.LiveEntity,
        meter: Meter,
        body: bytes,
        request_id: str,
        send: Send,
        kind: str,
    ) -> Answer | None:
        table = endpoint.inference_table
        if entity.runtime == "external":
            return await external.answer(self._redis, endpoint, entity, token, table, body, request_id, send, self._timeout_s)
        received_s = time.time()
        request = Request(
            request_id,
            body_text(body, kind),
            token.workspace_id,
            table,
            token.requester,
            received_s,
            received_s + self._timeout_s,
            self._loop.create_future(),
            endpoint.name,
            content_type=kind,
        )
        coalescer = self._queues.of(entity)
        coalescer.submit(request)
        meter.queued(coalescer.held_up)
        answer = await request.future
        if answer is CHOOSE_AGAIN:
            return answer
        if not answer.served_entity_name:  # answered by the gateway: no replica has logged it
            await self.capture_error(request, answer, entity)
            return replace(answer, served_entity_name=entity.name)  # one error may answer many requests: leave it as it is
        return answer

    async def authenticate(self, authorization: bytes) -> live.LiveToken | None:
        """Who the Authorization header speaks for; None when it holds no valid access token."""
        plain = access_token(authorization)
        return await self._snapshot.token(plain) if plain else None

    async def _require_token(self, scope: Scope) -> live.LiveToken:
        for name, value in scope["headers"]:
            if name == b"authorization":
                if token := await self.authenticate(value):
                    return token
                raise Unauthenticated("Invalid access token. Make a new one on the Tokens page.")
        raise Unauthenticated

    async def endpoint(self, token: live.LiveToken, name: str) -> live.LiveEndpoint:
        # no endpoint has a longer name, and names that are asked for are kept in the cache
        endpoint = await self._snapshot.endpoint(token.workspace_id, name) if len(name) <= MAX_NAME_CHARACTERS else None
        if endpoint is None:
            raise ResourceDoesNotExist(f"Serving endpoint with name {name} not found.")
        if not endpoint.allows(token.user_id):
            raise PermissionDenied(f"User does not have permission 'Query' on Endpoint {name}.")
        if endpoint.not_ready_message:
            raise InvalidState(endpoint.not_ready_message)
        return endpoint

    async def endpoint_names(self, token: live.LiveToken) -> list[str]:
        names = await self._snapshot.endpoint_names(token.workspace_id)
        found = [await self._snapshot.endpoint(token.workspace_id, name) for name in names]
        return [endpoint.name for endpoint in found if endpoint is not None and endpoint.allows(token.user_id)]

    async def capture_error(self, request: Request, answer: Answer, entity: live.LiveEntity) -> None:
        """Log an answer that no replica gave, before it is sent."""
        if not request.table:
            return
        record: capture.CaptureRecord = {
            "id": request.request_id,
            "client": None,
            "ws": request.workspace_id,
            "table": request.table,
            "t": request.received_s,
            "status": answer.status,
            "ms": 0.0,
            "req": request.body.decode(),
            "resp": answer.body.decode(),
            "entity": entity.entity_id,
            "who": request.requester,
        }
        try:
            await capture.append(self._redis, [record])
        except redis.RedisError as error:
            logger.warning("error answer %s not captured: %s", request.request_id, error)


def _entity(endpoint: live.LiveEndpoint, served_name: str | None) -> live.LiveEntity:
    """The named served model, or the one that the traffic split draws."""
    name = served_name or choose(endpoint.routes, _draw() * 100)
    entity = endpoint.entity(name)
    if entity is None:
        known = ", ".join(e.name for e in endpoint.entities)
        raise ResourceDoesNotExist(f"Served model {name} not found in endpoint {endpoint.name}. It serves: {known}.")
    return entity


class _MethodNotAllowed(ApiError):
    status, error_code = 405, "METHOD_NOT_ALLOWED"


def _method_not_allowed(method: str) -> ApiError:
    return _MethodNotAllowed(f"{method} is not supported here. Send a POST request with a JSON body.")
