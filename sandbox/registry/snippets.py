"""Code that a learner copies to log a model of her own; a test runs it as it stands."""

from sandbox.registry.mlflow_store import CLIENT_VERSION

_TERMINAL = """\
pip install mlflow=={version} scikit-learn pandas
export MLFLOW_TRACKING_URI={host}
export MLFLOW_TRACKING_TOKEN=<your access token>
"""

_PYTHON = """\
import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression

X = pd.DataFrame({"tenure": [1.0, 3.0, 40.0, 60.0], "MonthlyCharges": [90.0, 85.0, 40.0, 25.0]})
y = ["Yes", "Yes", "No", "No"]
model = LogisticRegression().fit(X, y)

mlflow.set_experiment("churn")
with mlflow.start_run():
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        input_example=X,
        registered_model_name="main.default.my_churn",
    )
print("version", logged.registered_model_version)

client = mlflow.MlflowClient()
client.set_registered_model_alias("main.default.my_churn", "champion", logged.registered_model_version)
"""


def log_a_model(host: str) -> list[dict[str, str]]:
    """Tabs of `_code_tabs.html`: the terminal's lines, then the program."""
    return [
        {"label": "1. Terminal", "code": _TERMINAL.format(version=CLIENT_VERSION, host=host)},
        {"label": "2. Python", "code": _PYTHON},
    ]
