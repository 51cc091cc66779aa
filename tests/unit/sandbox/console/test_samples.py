"""The code samples are code: they compile, and they say what the page's request says."""

import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from databricks.sdk.service.serving import ServingEndpointsAPI

from sandbox.console.samples import query_samples, quick_start

HOST = "http://localhost:8000"
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("", {"dataframe_records": [{"customer's plan": "two year", "tenure": 3}]}),
    ("", {"dataframe_split": {"columns": ["a"], "data": [[1.5]]}}),
    ("llm/v1/chat", {"messages": [{"role": "user", "content": 'Say "hello", it\'s late'}], "max_tokens": 20}),
    ("llm/v1/embeddings", {"input": ["text"]}),
    ("llm/v1/completions", {"prompt": "Once", "max_tokens": 5}),
]


@pytest.mark.parametrize(("task", "body"), BODIES)
def test_a_query_in_every_language(task: str, body: dict[str, Any]) -> None:
    samples = {sample.label: sample.code for sample in query_samples(HOST, "churn", task, body)}
    assert list(samples) == ["curl", "Python", *(["OpenAI"] if task else []), "SQL"]
    for label in samples.keys() - {"curl", "SQL"}:
        compile(samples[label], label, "exec")
    words = shlex.split(samples["curl"].replace("\\\n", " "))
    assert json.loads(words[words.index("-d") + 1]) == body
    assert f"{HOST}/serving-endpoints/churn/invocations" in words


@pytest.mark.parametrize(("task", "body"), BODIES)
def test_the_python_sample_calls_the_sdk_as_it_is(task: str, body: dict[str, Any]) -> None:
    """Run against the real client's method, with the request itself recorded instead of sent."""
    code = {sample.label: sample.code for sample in query_samples(HOST, "churn", task, body)}["Python"]
    recorder = Recorder()
    setup, _, call = code.partition("w = WorkspaceClient(")
    namespace: dict[str, Any] = {}
    exec(setup, namespace)
    namespace["w"] = type("Client", (), {"serving_endpoints": ServingEndpointsAPI(recorder)})()
    exec(call.partition("\n")[2], namespace)
    assert recorder.sent == ("/serving-endpoints/churn/invocations", body)


class Recorder:
    """What the SDK's client sends with; answers with nothing."""

    sent: tuple[str, Any] = ("", None)
    _cfg = SimpleNamespace(workspace_id=None)

    def do(self, method: str, path: str, *, body: Any = None, **others: Any) -> dict[str, Any]:
        self.sent = (path, body)
        return {}


def test_quick_start_names_the_learners_host_and_compiles() -> None:
    samples = quick_start(HOST)
    assert [sample.label for sample in samples] == ["Python", "MLflow", "curl"]
    for sample in samples:
        assert HOST in sample.code
    for sample in samples[:2]:
        compile(sample.code, sample.label, "exec")
