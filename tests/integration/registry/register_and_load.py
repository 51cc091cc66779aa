"""What a learner does with the registry; prints one JSON object. Arguments: `site` or `databricks`, then a three-level name.

`site`: the site's address is tracking and registry URI. `databricks`: DATABRICKS_HOST and DATABRICKS_TOKEN alone are set.
"""

import json
import logging
import os
import sys
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.store._unity_catalog.registry.rest_store import UcModelRegistryStore
from sklearn.linear_model import LogisticRegression

pair, name = sys.argv[1:]
logging.getLogger("mlflow").setLevel(logging.ERROR)
tracking, registry = ("databricks", "databricks-uc") if pair == "databricks" else (os.environ["MLFLOW_TRACKING_URI"],) * 2
mlflow.set_tracking_uri(tracking)
mlflow.set_registry_uri(registry)
client = mlflow.MlflowClient()
X = pd.DataFrame({"tenure": [1.0, 3.0, 40.0, 60.0], "charges": [90.0, 85.0, 40.0, 25.0]})
model = LogisticRegression().fit(X, ["Yes", "Yes", "No", "No"])
model.ballast_ = np.random.default_rng(1).random(131_072)  # makes it 1 MB
signature = mlflow.models.infer_signature(X, model.predict(X))
shown: dict[str, Any] = {}


def log(registered: str, **options: Any) -> Any:
    with mlflow.start_run():
        return mlflow.sklearn.log_model(
            model, name="model", registered_model_name=registered, pip_requirements=["scikit-learn"], **options
        )


def refusal(action: Any, *arguments: Any) -> str:
    """The code with which the registry refuses something."""
    try:
        action(*arguments)
    except MlflowException as error:
        return str(error.error_code)
    return "nothing was refused"


mlflow.set_experiment(f"registry-{pair}")
first = log(name, signature=signature)
log(name, signature=signature)
log(name, signature=signature)
second = log(name, signature=signature)
client.set_registered_model_alias(name, "Champion", second.registered_model_version)
client.set_model_version_tag(name, "1", "checked.by", "ada")
client.update_model_version(name, "1", description="the first")

by_alias = mlflow.pyfunc.load_model(f"models:/{name}@champion")
by_number = mlflow.sklearn.load_model(f"models:/{name}/1")
shown["equal"] = list(by_alias.predict(X)) == list(model.predict(X))
shown["probabilities_equal"] = bool((by_number.predict_proba(X) == model.predict_proba(X)).all())
version = client.get_model_version(name, "1")
shown["version"] = [version.status, version.description, version.tags, version.run_id == first.run_id]
shown["champion"] = client.get_model_version_by_alias(name, "CHAMPION").version
shown["aliases"] = client.get_registered_model(name).aliases
shown["versions"] = sorted(int(each.version) for each in client.search_model_versions(f"name='{name}'"))
shown["found"] = name in [each.name for each in client.search_registered_models()]

copied = client.copy_model_version(f"models:/{name}/1", f"{name}_promoted")
shown["copied"] = [copied.version, copied.status]
client.rename_registered_model(f"{name}_promoted", f"{name}_renamed")
promoted = mlflow.pyfunc.load_model(f"models:/{name}_renamed/1")
shown["copy_equal"] = list(promoted.predict(X)) == list(model.predict(X))
client.delete_registered_model(f"{name}_renamed")
client.delete_model_version(name, "2")
client.delete_registered_model_alias(name, "champion")

shown["refused"] = {
    "existing": refusal(client.create_registered_model, name),
    "missing": refusal(client.get_registered_model, f"{name}_nothing"),
    "deleted": refusal(client.get_model_version, name, "2"),
    "alias": refusal(client.get_model_version_by_alias, name, "champion"),
    "two_levels": refusal(client.create_registered_model, "main.churn"),
    "unsigned": refusal(log, f"{name}_unsigned"),
}

if pair == "databricks":
    finish = UcModelRegistryStore._finalize_model_version

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    UcModelRegistryStore._finalize_model_version = stop
    try:
        log(name, signature=signature)
    except KeyboardInterrupt:
        UcModelRegistryStore._finalize_model_version = finish
    shown["left"] = client.get_model_version(name, "5").status
    shown["second_try"] = log(name, signature=signature).registered_model_version
else:
    loose = log("Loose churn")  # the workspace registry takes models without a signature, and keeps the case
    shown["latest"] = list(mlflow.sklearn.load_model("models:/Loose churn/latest").predict(X)) == list(model.predict(X))
    shown["stages"] = refusal(client.transition_model_version_stage, "Loose churn", "1", "Production")
    shown["liked"] = [each.name for each in client.search_registered_models("name ILIKE 'loose%'")]
print("RESULT" + json.dumps(shown))
