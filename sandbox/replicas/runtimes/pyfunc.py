"""The runtime of models that are served as they are: MLflow's own scoring, on the model's folder; an importer of mlflow.

It is imported before the jail is entered; `PyfuncRuntime` is made inside. Bodies are read, enforced and written by the functions
of MLflow's scoring server, which the real containers are built on, so that both answer the same bytes.
"""

import logging
import os
import warnings
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import load_model, scoring_server

_JSON = "application/json"


class OutOfMemoryError(Exception):
    """The model needed more memory than its process may use."""


class PyfuncRuntime:
    """One loaded model. Not thread-safe."""

    def __init__(self, folder: str) -> None:
        """Raises whatever the model's code or MLflow raises while it is loaded."""
        os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
        # its warnings compare requirements, which takes most of a second; the build has compared them
        self._model = load_model(folder, suppress_warnings=True)
        self._input_schema = self._model.metadata.get_input_schema()

    def describe(self) -> dict[str, Any]:
        """Plain data: the signature as MLflow writes it into the MLmodel file, and the flavours."""
        metadata = self._model.metadata
        return {
            "signature": metadata.signature.to_dict() if metadata.signature is not None else {},
            "flavors": sorted(metadata.flavors),
            "mlflow_version": str(metadata.mlflow_version or ""),
        }

    def example(self, folder: str) -> str:
        """The logged input example as the body of an invocation; empty without one."""
        metadata = self._model.metadata
        return str(metadata.get_serving_input(folder) or "") if metadata.saved_input_example_info else ""

    def answer(self, body: str, content_type: str = _JSON) -> tuple[int, str]:
        """Status and JSON text of one invocation. Raises OutOfMemoryError; nothing else."""
        try:
            result = scoring_server.invocations(body, content_type, self._model, self._input_schema)
        except MlflowException as error:
            if isinstance(error.__context__, MemoryError):
                raise OutOfMemoryError from None
            return error.get_http_status_code(), error.serialize_as_json()
        except MemoryError:
            raise OutOfMemoryError from None
        except Exception as error:
            # parsing and writing lie outside of MLflow's own net; the model's result is what they trip over
            reason = f"The request or the model's result cannot be handled: {type(error).__name__}: {error}"
            return 400, MlflowException(reason[:2000], error_code=BAD_REQUEST).serialize_as_json()
        return result.status, result.response


def missing_module(error: BaseException) -> str:
    """The module whose absence is behind the exception, which MLflow may have wrapped; empty when it is something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError):
            return str(cause.name)
        cause = cause.__cause__
    return ""


def quiet() -> None:
    """Leave out what MLflow says about itself; what the model says stays."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="mlflow")
