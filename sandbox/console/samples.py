"""The same request as curl, Python and OpenAI code, with the learner's own host in it."""

import shlex
from dataclasses import dataclass
from typing import Any

from sandbox.console.json_text import readable
from sandbox.console.sql_code import sql_sample

TOKEN_PLACE = "<your access token>"  # noqa: S105 - what the learner replaces

_CLASSES = {"messages": "ChatMessage", "dataframe_split": "DataframeSplitInput"}
"""Fields of a request that the SDK takes as objects of a class."""


@dataclass(frozen=True)
class Sample:
    """One tab of `_code_tabs.html`."""

    label: str
    code: str


def quick_start(site_url: str) -> list[Sample]:
    """First steps with the three clients, for the Sandbox home page."""
    return [
        Sample("Python", _PYTHON_START.format(host=site_url, token=TOKEN_PLACE)),
        Sample("MLflow", _MLFLOW_START.format(host=site_url, token=TOKEN_PLACE)),
        Sample("curl", _CURL_START.format(host=site_url, token=TOKEN_PLACE)),
    ]


def query_samples(site_url: str, endpoint: str, task: str, body: dict[str, Any]) -> list[Sample]:
    """One invocation in every client that can send it; chat and embeddings endpoints also speak OpenAI."""
    samples = [Sample("curl", _curl(site_url, endpoint, body)), Sample("Python", _python(site_url, endpoint, body))]
    if task.startswith("llm/"):
        samples.append(Sample("OpenAI", _openai(site_url, endpoint, task, body)))
    samples.append(Sample("SQL", sql_sample(endpoint, task, body)))
    return samples


def _curl(site_url: str, endpoint: str, body: dict[str, Any]) -> str:
    return (
        f'curl -X POST "{site_url}/serving-endpoints/{endpoint}/invocations" \\\n'
        '  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(readable(body))}"
    )


def _python(site_url: str, endpoint: str, body: dict[str, Any]) -> str:
    arguments = [f"name={endpoint!r}", *(f"{key}={_python_value(key, value)}" for key, value in body.items())]
    imports = "from databricks.sdk import WorkspaceClient\n"
    if needed := [name for key, name in _CLASSES.items() if key in body]:
        imports += f"from databricks.sdk.service.serving import {', '.join(needed)}\n"
    calls = "".join(f"    {argument},\n" for argument in arguments)
    result = (
        "answer.predictions, answer.served_model_name"
        if not body.keys() & {"messages", "input", "prompt"}
        else "answer.as_dict()"
    )
    return (
        f"{imports}\nw = WorkspaceClient(host={site_url!r}, token={TOKEN_PLACE!r})\n"
        f"answer = w.serving_endpoints.query(\n{calls})\nprint({result})"
    )


def _python_value(key: str, value: Any) -> str:
    """The argument as the SDK wants it: messages and frames are classes there, the rest is plain."""
    if key == "messages":
        return f"[{_CLASSES[key]}.from_dict(message) for message in {value!r}]"
    if key in _CLASSES:
        return f"{_CLASSES[key]}.from_dict({value!r})"
    return repr(value)


def _openai(site_url: str, endpoint: str, task: str, body: dict[str, Any]) -> str:
    call = {"llm/v1/embeddings": "embeddings", "llm/v1/completions": "completions"}.get(task, "chat.completions")
    arguments = "".join(f"    {key}={value!r},\n" for key, value in {"model": endpoint, **body}.items())
    result = "answer.data[0].embedding[:5]" if call == "embeddings" else "answer.choices[0]"
    return (
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{site_url}/serving-endpoints", api_key={TOKEN_PLACE!r})\n'
        f"answer = client.{call}.create(\n{arguments})\nprint({result})"
    )


_PYTHON_START = """\
# pip install databricks-sdk
import os
os.environ["DATABRICKS_HOST"] = "{host}"
os.environ["DATABRICKS_TOKEN"] = "{token}"

from databricks.sdk import WorkspaceClient

w = WorkspaceClient()
for endpoint in w.serving_endpoints.list():
    print(endpoint.name, endpoint.state.ready)

answer = w.serving_endpoints.query(name="databricks-bge-large-en", input=["Where does a custom model run?"])
print(len(answer.data[0].embedding), answer.usage.total_tokens)"""

_MLFLOW_START = """\
# pip install mlflow scikit-learn
import os
os.environ["MLFLOW_TRACKING_URI"] = "{host}"
os.environ["MLFLOW_TRACKING_TOKEN"] = "{token}"

import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

X, y = load_iris(return_X_y=True, as_frame=True)
model = LogisticRegression(max_iter=500).fit(X, y)
mlflow.sklearn.log_model(
    model, name="iris", input_example=X.head(2),
    registered_model_name="main.default.iris",
)"""

_CURL_START = """\
export DATABRICKS_HOST="{host}"
export DATABRICKS_TOKEN="{token}"

curl "$DATABRICKS_HOST/api/2.0/serving-endpoints" \\
  -H "Authorization: Bearer $DATABRICKS_TOKEN"

curl -X POST "$DATABRICKS_HOST/serving-endpoints/databricks-bge-large-en/invocations" \\
  -H "Authorization: Bearer $DATABRICKS_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"input": ["Where does a custom model run?"]}}'"""
