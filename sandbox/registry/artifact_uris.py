"""How clients of the `databricks` tracking URI name artifacts, and how the MLflow server names the same ones.

`mlflow-artifacts:/workspaces/<workspace>/5/<run>/artifacts` is to them
`dbfs:/databricks/mlflow-tracking/5/<run>/artifacts`, which
they read and write by the Files API below /WorkspaceInternal/Mlflow/Artifacts [mlflow 3.17: databricks_run_artifact_repo].
"""

import re

from sandbox.registry.artifact_paths import SCHEME, workspace_folder

DBFS = "dbfs:/databricks/mlflow-tracking/"
_FOLDERS = {b"/models/": b"/logged_models/", b"/traces/": b"/", b"": b""}
_USER_AGENT = b"databricks-sdk"


def is_databricks_client(user_agent: bytes) -> bool:
    """Whether the caller came by DATABRICKS_HOST: MLflow then sends everything through the SDK."""
    return _USER_AGENT in user_agent.lower()


def as_dbfs(mlflow_workspace: str, answer: bytes) -> bytes:
    """The JSON text with every artifact address of the workspace written as a databricks client expects it.

    On the text, because MLflow's JSON may hold NaN, which strict readers refuse.
    """
    if SCHEME.encode() not in answer:
        return answer
    root = f'"{SCHEME}/{workspace_folder(mlflow_workspace)}/'.encode()
    pattern = re.compile(re.escape(root) + rb"(\d+)(/models/|/traces/|)")
    return pattern.sub(lambda found: b'"' + DBFS.encode() + found[1] + _FOLDERS[found[2]], answer)
