"""A model from code that runs the attack battery in its own process and answers what got through."""

import json

import mlflow


class Attacker(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow is not typed here
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # MLflow's own shape
        from sandbox.jail import attacks

        return json.loads(attacks.run(str(model_input["bait"].iloc[0]).encode()))


mlflow.models.set_model(Attacker())
