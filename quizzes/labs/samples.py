"""The first lines of code for a lab, with the reader's own host: enough to begin, not the solution."""

from quizzes.labs.specification import LabSpec


def samples(spec: LabSpec, host: str) -> list[dict[str, str]]:
    """Tabs of a code box: `label` and `code`."""
    return [{"label": "Python", "code": _python(spec, host)}, {"label": "curl", "code": _curl(spec, host)}]


def _python(spec: LabSpec, host: str) -> str:
    return f"""\
# pip install databricks-sdk
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import EndpointCoreConfigInput

w = WorkspaceClient(host="{host}", token="<your token>")
w.serving_endpoints.create_and_wait(
    name="{spec.endpoint}",
    config=EndpointCoreConfigInput(
        served_entities=[...],   # {spec.model}, the versions of {spec.champion_alias} and {spec.challenger_alias}
        traffic_config=...,      # a route for each, 80 and 20
    ),
)
answer = w.serving_endpoints.query("{spec.endpoint}", dataframe_records=[{{...}}])
print(answer.predictions, answer.served_model_name)
"""


def _curl(spec: LabSpec, host: str) -> str:
    return f"""\
export TOKEN=<your token>
curl {host}/api/2.0/serving-endpoints/{spec.endpoint} -H "Authorization: Bearer $TOKEN"
curl {host}/serving-endpoints/{spec.endpoint}/invocations \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{"dataframe_records": [{{ }}]}}' -i
"""
