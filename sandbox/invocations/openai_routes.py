"""The OpenAI-compatible addresses: the endpoint is named by `model` in the body.

`openai.OpenAI(base_url="{host}/serving-endpoints")` sends POST chat/completions, completions, embeddings and GET models
(wire_contract section 8, recorded with openai 2.54).
"""

from typing import TYPE_CHECKING, Any

import orjson

from sandbox.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from sandbox.invocations.answers import Answer
from sandbox.live import LiveToken

if TYPE_CHECKING:
    from sandbox.invocations.gateway import Gateway, Receive, Scope, Send

PREFIX = "/serving-endpoints/"
TASKS = {"chat/completions": "llm/v1/chat", "completions": "llm/v1/completions", "embeddings": "llm/v1/embeddings"}


async def answer(
    gateway: "Gateway", scope: "Scope", receive: "Receive", send: "Send", token: LiveToken, request_id: str
) -> Answer | None:
    """Answer one of the OpenAI addresses, or 404."""
    route = scope["path"].removeprefix(PREFIX).strip("/")
    if route == "models" and scope["method"] == "GET":
        return await _models(gateway, token)
    task = TASKS.get(route)
    if task is None or scope["method"] != "POST":
        known = ", ".join(["{name}/invocations", *TASKS, "models"])
        raise ResourceDoesNotExist(
            f"No API found for '{scope['method']} {scope['path']}'. Under /serving-endpoints/ there are: {known}."
        )
    body = await gateway.bodies.read(scope, receive, token.workspace_id)
    name = _endpoint_name(body)
    endpoint = await gateway.endpoint(token, name)
    if endpoint.task != task:
        raise InvalidParameterValue(
            f"Endpoint {name} has task {endpoint.task or 'custom model'}, but this address is for {task}."
        )
    return await gateway.invoke(token, name, None, body, request_id, send)


def _endpoint_name(body: bytes) -> str:
    try:
        payload: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"Invalid input. Ensure that input is a valid JSON formatted string. Error: {error}") from None
    name = payload.get("model") if isinstance(payload, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest("Field 'model' must be the name of a serving endpoint.")
    return name


async def _models(gateway: "Gateway", token: LiveToken) -> Answer:
    names = await gateway.endpoint_names(token)
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "proving-ground"} for name in names]
    return Answer(200, orjson.dumps({"object": "list", "data": data}))
