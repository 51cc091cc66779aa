"""Pages that call an endpoint: the query panel and the playground."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from sandbox.console import endpoints, query_examples, samples
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.inputs import InvocationInput, PromptInput, all_errors
from sandbox.console.loopback import Exchange, invoke
from sandbox.console.requests import PageRequest, caller_of, endpoint_page
from sandbox.workspaces.sessions import user_of, workspace_of


@endpoint_page("GET", "POST")
def endpoint_query(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """The query panel; a POST sends the typed body through the gateway and shows what came back."""
    endpoint, workspace = found.view, found.caller.workspace
    example = query_examples.example_for(workspace, endpoint)
    typed = InvocationInput(request.POST) if request.method == "POST" else None
    shown: dict[str, Any] = {"endpoint": endpoint, "tab": "query"}
    if typed is not None:
        if not endpoint.can_query:
            raise PermissionDenied(f"User does not have permission 'Query' on Endpoint {endpoint.name}.")
        shown |= _send(found, typed)
    if request.htmx:
        return render(request, "sandbox/_exchange.html", shown)
    shown |= {
        "invocation": typed or InvocationInput(initial={"body": example.body, "times": 1}),
        "example_note": example.note,
        "samples": samples.query_samples(settings.SITE_URL, endpoint.name, endpoint.task, example.body),
    }
    return render(request, "sandbox/endpoint_query.html", shown)


def _send(found: OpenEndpoint, typed: InvocationInput) -> dict[str, Any]:
    if not typed.is_valid():
        return {"problem": all_errors(typed)}
    caller = found.caller
    series = invoke(caller.workspace, caller.user, found.name, typed.cleaned_data["body"], typed.cleaned_data["times"])
    return {"exchange": series.last, "series": series if len(series.exchanges) > 1 else None}


@dataclass(frozen=True)
class Reply:
    """What the playground shows of an answer; None means that the answer does not count it."""

    text: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    took_ms: float
    dimensions: int = 0
    vector_chart: str = ""


@login_required
@require_http_methods(["GET", "POST"])
def playground(request: PageRequest) -> HttpResponse:
    """A prompt to one of the workspace's chat or embeddings endpoints."""
    by_name = {e.name: e for e in endpoints.list_endpoints(caller_of(request)) if e.task in _BODY_OF and e.can_query}
    typed = PromptInput(request.POST or None, endpoints=list(by_name), initial={"prompt": "When does an endpoint scale to zero?"})
    shown: dict[str, Any] = {"choices": by_name, "prompt": typed}
    if request.method == "POST":
        shown |= _ask(request, typed, {name: endpoint.task for name, endpoint in by_name.items()})
    return render(request, "sandbox/_playground_answer.html" if request.htmx else "sandbox/playground.html", shown)


def _ask(request: PageRequest, typed: PromptInput, tasks: dict[str, str]) -> dict[str, Any]:
    if not typed.is_valid():
        return {"problem": all_errors(typed)}
    name = typed.cleaned_data["endpoint"]
    body = _BODY_OF[tasks[name]](typed.cleaned_data["prompt"])
    exchange = invoke(workspace_of(request), user_of(request), name, body).last
    if not exchange.is_ok or not isinstance(exchange.answer, dict):
        return {"problem": f"{exchange.status or ''} {exchange.reason}: {exchange.body[:500]}".strip()}
    return {"reply": _READ[tasks[name]](exchange, exchange.answer)}


_BODY_OF: dict[str, Any] = {
    "llm/v1/chat": lambda prompt: {"messages": [{"role": "user", "content": prompt}], "max_tokens": 400},
    "llm/v1/completions": lambda prompt: {"prompt": prompt, "max_tokens": 400},
    "llm/v1/embeddings": lambda prompt: {"input": [prompt]},
}


def _read_chat(exchange: Exchange, answer: dict[str, Any]) -> Reply:
    return _reply(exchange, answer, str(answer["choices"][0]["message"]["content"]))


def _read_completion(exchange: Exchange, answer: dict[str, Any]) -> Reply:
    return _reply(exchange, answer, str(answer["choices"][0]["text"]))


def _read_embedding(exchange: Exchange, answer: dict[str, Any]) -> Reply:
    vector = [float(value) for value in answer["data"][0]["embedding"]]
    words = f"A vector of {len(vector)} numbers. It begins {', '.join(f'{value:.4f}' for value in vector[:5])} …"
    return _reply(exchange, answer, words, len(vector), json.dumps(_vector_chart(vector)))


_READ = {"llm/v1/chat": _read_chat, "llm/v1/completions": _read_completion, "llm/v1/embeddings": _read_embedding}


def _reply(exchange: Exchange, answer: dict[str, Any], text: str, dimensions: int = 0, chart: str = "") -> Reply:
    usage = answer.get("usage") or {}
    return Reply(
        text=text,
        model=str(answer.get("model", "")),
        prompt_tokens=usage.get("prompt_tokens"),
        completion_tokens=usage.get("completion_tokens"),
        took_ms=exchange.took_ms,
        dimensions=dimensions,
        vector_chart=chart,
    )


def _vector_chart(vector: list[float]) -> dict[str, Any]:
    """Bars of every number of the vector."""
    return {
        "grid": {"left": 40, "right": 8, "top": 8, "bottom": 24},
        "xAxis": {"type": "category", "data": list(range(len(vector))), "axisTick": {"show": False}},
        "yAxis": {"type": "value"},
        "series": [{"type": "bar", "data": [round(value, 5) for value in vector], "barCategoryGap": "0%"}],
    }
