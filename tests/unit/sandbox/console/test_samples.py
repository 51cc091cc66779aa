"""The code samples are code: they compile, and they say what the page's request says."""

import json
import shlex
from typing import Any

import pytest

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


def test_the_python_sample_calls_the_sdk_as_it_is() -> None:
    """Run against the real client class, with the call itself recorded instead of sent."""
    sent: dict[str, Any] = {}

    class Endpoints:
        def query(self, **arguments: Any) -> Any:
            sent.update(arguments)
            return type("Answer", (), {"as_dict": lambda self: {}, "predictions": [], "served_model_name": ""})()

    body = BODIES[2][1]
    code = {sample.label: sample.code for sample in query_samples(HOST, "chat", "llm/v1/chat", body)}["Python"]
    namespace: dict[str, Any] = {}
    setup, _, call = code.partition("answer = ")
    exec(setup.replace("w = WorkspaceClient(", "w = dict("), namespace)
    namespace["w"] = type("Client", (), {"serving_endpoints": Endpoints()})()
    exec(f"answer = {call}", namespace)
    assert sent["name"] == "chat"
    assert [message.as_dict() for message in sent["messages"]] == body["messages"]


def test_quick_start_names_the_learners_host_and_compiles() -> None:
    samples = quick_start(HOST)
    assert [sample.label for sample in samples] == ["Python", "MLflow", "curl"]
    for sample in samples:
        assert HOST in sample.code
    for sample in samples[:2]:
        compile(sample.code, sample.label, "exec")
