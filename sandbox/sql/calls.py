"""What a running statement asks of the site: its Python functions, and serving endpoints (ai_query). The jail has no network.

Endpoints are called as the caller, through the gateway, with a token that lives for minutes.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
from django.conf import settings

from sandbox import live
from sandbox.connections import redis_client
from sandbox.sql import python_functions
from sandbox.sql.dialect_keys import key
from sandbox.sql.function_values import typed
from sandbox.sql.objects import Objects
from sandbox.sql.python_functions import FunctionFailed
from sandbox.workspaces import operations
from sandbox.workspaces.members import Caller

MAX_ENDPOINT_CALLS = 500
"""Of one statement: each row of ai_query is a request."""
MAX_ROWS = 100_000
"""Of one call of a function without arguments. DuckDB asks for 2,048; a jailed process may ask for anything."""
_TOKEN_LIFETIME_S = 600
_FEATURE = "ai_query"
_TEXT_FIELDS = {"llm/v1/embeddings": "input", "llm/v1/completions": "prompt"}
"""Where a request that is a text goes, by the endpoint's task; in a chat it is a message."""


class Calls:
    """The site's side of one statement's calls."""

    def __init__(self, caller: Caller, objects: Objects, stop: Any) -> None:
        self._caller, self._objects, self._stop = caller, objects, stop
        self._made = 0

    def answer(self, content: bytes, deadline_s: float) -> bytes:
        """The answer to a call of the jailed process, as JSON: {"values": …} or {"error": sentence}."""
        try:
            asked = json.loads(content)
            values = self._python(asked) if asked["call"] == "python" else self._ai_query(asked["rows"], deadline_s)
        except FunctionFailed as failure:
            return json.dumps({"error": str(failure)}).encode()
        except (KeyError, TypeError, ValueError) as error:
            return json.dumps({"error": f"The call could not be read ({type(error).__name__})."}).encode()
        return json.dumps({"values": values}, default=str).encode()

    def _python(self, asked: dict[str, Any]) -> list[Any]:
        name = str(asked["function"])
        function = self._objects.found[key("function", name, None, str(asked["via"]))]
        kinds = [str(each[1]).lower() for each in function["parameters"]]
        columns = [typed(column, kind) for column, kind in zip(asked["columns"], kinds, strict=True)]
        rows = list(zip(*columns, strict=True)) if columns else [()] * min(int(asked["rows"]), MAX_ROWS)
        try:
            body, parameters = str(function["definition"]), [str(each[0]) for each in function["parameters"]]
            return python_functions.evaluate(self._caller.workspace.id, body, parameters, rows)
        except FunctionFailed as failure:
            raise FunctionFailed(f"[UDF_USER_CODE_ERROR.GENERIC] Execution of function {name} failed. {failure}") from None

    def _ai_query(self, rows: Sequence[Sequence[Any]], deadline_s: float) -> list[Any]:
        self._made += len(rows)
        if self._made > MAX_ENDPOINT_CALLS:
            raise FunctionFailed(f"[AI_QUERY] One statement may send at most {MAX_ENDPOINT_CALLS} requests to endpoints here.")
        token, plain = operations.issue_token(self._caller.workspace, self._caller.user, _FEATURE, _TOKEN_LIFETIME_S)
        try:
            with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {plain}"}) as client:
                return [self._one(client, row, deadline_s) for row in rows]
        finally:
            operations.revoke_token(self._caller.workspace, token.id)

    def _one(self, client: httpx.Client, row: Sequence[Any], deadline_s: float) -> dict[str, Any] | None:
        endpoint, request, parameters, fails = row
        if endpoint is None or request is None:
            return None
        remaining_s = deadline_s - time.monotonic()
        if remaining_s <= 0 or self._stop.is_wanted:
            raise FunctionFailed("The statement took too long and was stopped.")
        body = _body(json.loads(request), json.loads(parameters) if parameters else {}, self._task(str(endpoint)))
        url = f"{_base_url()}/serving-endpoints/{_plain_name(str(endpoint))}/invocations"
        try:
            response = client.post(url, json=body, timeout=min(remaining_s, settings.INVOCATION_TIMEOUT_S))
            problem = None if response.is_success else _problem(response)
        except httpx.HTTPError as error:
            problem = f"the endpoint could not be reached ({type(error).__name__})"
        if problem is None:
            return {"response": _answer(response), "errorMessage": None}
        if fails:
            raise FunctionFailed(f"[AI_FUNCTION_HTTP_REQUEST_ERROR] The call of the endpoint '{endpoint}' failed: {problem}")
        return {"response": None, "errorMessage": problem}

    def _task(self, endpoint: str) -> str:
        """Empty for custom models, and for what is not there."""
        for owner in (self._caller.workspace.id, live.SYSTEM_WORKSPACE):
            snapshot = redis_client().get(live.endpoint_key(owner, endpoint))
            if snapshot:
                return live.LiveEndpoint.from_json(snapshot).task
        return ""


def _body(request: Any, parameters: dict[str, Any], task: str) -> dict[str, Any]:
    """A struct is a record for a model; a text is what the endpoint's task takes: a prompt, or a text to embed
    [docs: ai_query function].
    """
    if isinstance(request, str) and task in _TEXT_FIELDS:
        return {_TEXT_FIELDS[task]: request, **parameters}
    if isinstance(request, str):
        return {"messages": [{"role": "user", "content": request}], **parameters}
    if isinstance(request, dict) and isinstance(request.get("messages"), list):
        return {**request, **parameters}
    if isinstance(request, dict):
        return {"dataframe_records": [request], **({"params": parameters} if parameters else {})}
    return {"inputs": request if isinstance(request, list) else [request], **({"params": parameters} if parameters else {})}


def _answer(response: httpx.Response) -> Any:
    """The prediction of the one record, the text of a chat answer, or the numbers of an embedding."""
    try:
        answer = response.json()
    except ValueError:
        return response.text
    if isinstance(answer, dict) and isinstance(answer.get("predictions"), list) and len(answer["predictions"]) == 1:
        return answer["predictions"][0]
    if isinstance(answer, dict) and answer.get("choices"):
        return answer["choices"][0].get("message", answer["choices"][0]).get("content", answer["choices"][0].get("text"))
    if isinstance(answer, dict) and answer.get("object") == "list" and len(answer.get("data") or []) == 1:
        return answer["data"][0].get("embedding")
    return answer.get("predictions", answer) if isinstance(answer, dict) else answer


def _problem(response: httpx.Response) -> str:
    try:
        answer = response.json()
        sentence = str(answer.get("message") or answer)
    except (ValueError, AttributeError):
        sentence = response.text
    return f"{response.status_code} {sentence[:500]}"


def _plain_name(endpoint: str) -> str:
    if not endpoint or not all(letter.isalnum() or letter in "-_" for letter in endpoint) or not endpoint.isascii():
        raise FunctionFailed(f"'{endpoint[:100]}' is not the name of an endpoint.")
    return endpoint


def _base_url() -> str:
    host = "127.0.0.1" if settings.HOST in {"0.0.0.0", "::", ""} else settings.HOST  # noqa: S104 - comparing, not binding
    return f"http://{host}:{settings.PORT}"
