"""What the MLflow server process runs: MLflow's own application, its tables made before the first request."""

import os

from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR
from mlflow.server.handlers import initialize_backend_stores

initialize_backend_stores(
    backend_store_uri=os.environ[BACKEND_STORE_URI_ENV_VAR],
    registry_store_uri=os.environ[REGISTRY_STORE_URI_ENV_VAR],
    default_artifact_root=os.environ[ARTIFACT_ROOT_ENV_VAR],
)

from mlflow.server.fastapi_app import app  # noqa: E402  (the stores first: a failure must stop the start)

__all__ = ["app"]
