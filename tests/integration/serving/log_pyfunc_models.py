"""Logs models that cannot become ONNX as a learner's notebook would, and prints what MLflow answers for given bodies.

Run as a script, with the registry pointed at the site: ``log_pyfunc_models.py <schema> <folder of models from code>``.
"""

import json
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pydantic
from mlflow.models import infer_signature
from mlflow.pyfunc import load_model, scoring_server
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

SCHEMA, CODE = sys.argv[1], Path(sys.argv[2])
KINDS = ("frame", "series", "array", "matrix", "list", "dict", "text", "dates", "missing", "temporary")


class Threshold(ClassifierMixin, BaseEstimator):
    """A classifier of the learner's own."""

    def fit(self, table, labels):
        self.classes_ = np.unique(labels)
        self.cut_ = float(np.asarray(table)[:, 0].mean())
        return self

    def predict(self, table):
        return np.where(np.asarray(table)[:, 0] > self.cut_, self.classes_[-1], self.classes_[0])


class Person(pydantic.BaseModel):
    name: str
    age: int


class Greeter(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[Person]) -> list[str]:
        return [f"{person.name} is {person.age + 1} soon" for person in model_input]


def classifier_of(texts):
    """Categorical and text columns: ONNX has no operator that takes texts apart as scikit-learn does."""
    columns = ColumnTransformer(
        [
            ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
            ("words", TfidfVectorizer(), "comment"),
            ("numbers", "passthrough", ["tenure"]),
        ]
    )
    leaves = texts["comment"].str.contains("slow").map({True: "Yes", False: "No"})
    return make_pipeline(columns, LogisticRegression()).fit(texts, leaves)


def log(name, bodies, **options):
    log_model = options.pop("log_model", mlflow.pyfunc.log_model)
    with mlflow.start_run():
        logged = log_model(name="model", registered_model_name=f"{SCHEMA}.{name}", pip_requirements=["mlflow"], **options)
    model = load_model(logged.model_uri)
    schema = model.metadata.get_input_schema()
    answers = {}
    for body in bodies:
        text = json.dumps(body)
        try:
            answers[text] = [200, scoring_server.invocations(text, "application/json", model, schema).response]
        except mlflow.exceptions.MlflowException as error:
            answers[text] = [error.get_http_status_code(), error.serialize_as_json()]
    return {"answers": answers}


def main():
    mlflow.set_experiment("pyfunc")
    offset = Path(tempfile.mkdtemp()) / "offset"
    offset.write_text("2.5")
    frame = pd.DataFrame({"x": [1.0, 2.0], "name": ["a", "é"]})
    records = {"dataframe_records": frame.to_dict("records")}
    numbers = pd.DataFrame({"a": [1.0, 2.0, 9.0], "b": [0.0, 1.0, 0.0]})
    thresholds = make_pipeline(FunctionTransformer(np.log1p), Threshold()).fit(numbers, ["No", "No", "Yes"])
    comments = ["great service", "awful and slow", "it is ok", "so slow", "would stay", "slow, slow, slow"]
    texts = pd.DataFrame({"plan": ["basic", "pro"] * 3, "comment": comments, "tenure": range(6)})
    people = {"inputs": [{"name": "Ada", "age": 36}]}
    found = {
        "kinds": log(
            "kinds",
            [
                *({**records, "params": {"kind": kind}} for kind in KINDS),
                {"dataframe_split": {"columns": ["name", "x"], "data": [["b", 1]]}, "params": {"kind": "frame", "more": 1}},
                {"inputs": {"x": [1.5], "name": ["c"]}},
                {"dataframe_records": [{"x": 1}]},
                {"dataframe_records": [{"x": "text", "name": "a"}]},
                {"dataframe_records": [], "instances": []},
                {**records, "params": {"kind": 3}},
                {**records, "params": {"kind": "unheard of"}},
            ],
            python_model=str(CODE / "kinds.py"),
            artifacts={"offset": str(offset)},
            signature=infer_signature(frame, [1.0], params={"kind": "list"}),
            input_example=(frame, {"kind": "list"}),
        ),
        "threshold": log(
            "threshold",
            [
                {"dataframe_records": numbers.to_dict("records")},
                {"dataframe_split": numbers.to_dict("split")},
                {"inputs": [[1, 2]]},
            ],
            log_model=mlflow.sklearn.log_model,
            sk_model=thresholds,
            serialization_format="cloudpickle",
            input_example=numbers,
        ),
        "words": log(
            "words",
            [
                {"dataframe_records": texts.head(4).to_dict("records")},
                {"dataframe_split": texts.tail(3).to_dict("split")},
                {"dataframe_records": [{"plan": "unheard of", "comment": "é, nothing known", "tenure": 3}]},
                {"dataframe_records": [{"plan": "pro", "tenure": 3}]},
            ],
            log_model=mlflow.sklearn.log_model,
            sk_model=classifier_of(texts),
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
            input_example=texts.head(2),
        ),
        "greeter": log(
            "greeter",
            [people, {"dataframe_records": people["inputs"]}, {"inputs": [{"name": 3}]}],
            python_model=Greeter(),
        ),
        "poisoned": log(
            "poisoned",
            [],
            python_model=str(CODE / "poisoned.py"),
            signature=infer_signature(frame[["x"]], [1.0]),
        ),
    }  # fmt: skip
    print("ANSWERS " + json.dumps(found))


main()
