"""A course's notebook and an article's snippets, cells unchanged, in a fresh kernel; predictions are the models' own."""

import io
import json
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.notebooks.kernel import Kernel, cells_of, started, warnings_of
from tests.stack import ROOT, Stack, wait_for

NOTEBOOK = "4.1 Real-time Deployment with Model Serving.ipynb"
ARTICLE = "Snippets of an article on Model Serving.ipynb"
NO_NAME = (
    "Warning: EndpointCoreConfigInput is made without its name, which the SDK demands. "
    "Right: EndpointCoreConfigInput(name=…), the endpoint's name."
)
SAID = {
    4: "Warning: the notebook uses mlflow and never imports it. Right: import mlflow.",
    8: "Warning: this cell is the one before it once more; its endpoint exists, and no second one is made. "
    "Right: create an endpoint once, and change it with update_config.",
    19: "Warning: lookup_key='primary_key' names no column of the data; the primary key of 'dbacademy.author.features' is taken. "
    "Right: lookup_key='customerID'.\n"
    "Warning: _infer_schema is a private function of MLflow, which the notebook neither defines nor imports. "
    "Right: mlflow.models.infer_signature(model_output=y).outputs.",
    20: "Warning: fs_model_version is set nowhere; the version with the alias Online is taken. "
    'Right: fs_model_version = client.get_model_version_by_alias(model_name, "Online").version.',
    21: "Warning: fs_endpoint_name_online is set nowhere. "
    "Right: fs_endpoint_name_online = f\"ML_AS_03_Demo4_FS_{DA.unique_name('_')}\".",
}
"""Number of a cell -> what it absorbs."""
AGAIN = (1, 5, 6, 7, 16, 17, 18, 20, 21, 22, 23)
"""Cells that find something there when a person runs the notebook once more, and what those need. No model is trained anew."""


@pytest.fixture(scope="module")
def token(stack: Stack) -> str:
    return stack.token("author")


@pytest.fixture(scope="module")
def kernel(stack: Stack, token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """In the folder that the site offers for download. At the end the endpoints are deleted."""
    folder = tmp_path_factory.mktemp("downloaded")
    downloaded = httpx.get(f"{stack.url}/client/notebooks.zip")
    zipfile.ZipFile(io.BytesIO(downloaded.content)).extractall(folder)
    environment = {
        "DATABRICKS_HOST": stack.url,
        "DATABRICKS_TOKEN": token,
        "PYTHONPATH": str(ROOT / "sandbox" / "client" / "src"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "LANG": "C.UTF-8",
    }
    with started(folder / "notebooks" / "Demo", environment) as kernel:
        yield kernel
        kernel.run(
            "for each in w.serving_endpoints.list():\n"
            "    if each.creator == DA.username:\n        w.serving_endpoints.delete(each.name)"
        )


def run_notebook(kernel: Kernel, numbers: Collection[int] = range(1, 24)) -> dict[int, str]:
    """Number of a cell, from 1 -> what it printed."""
    cells = enumerate(cells_of(ROOT / "fixtures/notebooks/Demo" / NOTEBOOK), 1)
    return {number: kernel.run(source) for number, source in cells if number in numbers}


def test_the_course_s_notebook(kernel: Kernel) -> None:
    printed = run_notebook(kernel)
    assert len(printed) == len(cells_of(ROOT / "fixtures/notebooks/Demo" / NOTEBOOK)) == 23
    assert {number: "\n".join(warnings_of(text)) for number, text in printed.items() if warnings_of(text)} == SAID
    assert printed[2].splitlines()[:3] == ["Username:       author", "Catalog Name:   dbacademy", "Schema Name:    author"]
    assert printed[5] == "Model version Champion: 1\nModel version Challenger: 2\n"
    assert "already exists" not in printed[7]
    assert "already exists" in printed[8]
    check_part_1(kernel)
    check_part_2(kernel, version="3")

    again = run_notebook(kernel, AGAIN)
    assert "already exists" in again[7]
    assert "is deleted" in again[1]
    assert "already exists" not in again[21]
    check_part_2(kernel, version="3")


def check_part_1(kernel: Kernel) -> None:
    """Each answer is that of the version that the answer names; the two versions differ, so a wrong name would be seen."""
    kernel.run(
        "import mlflow\n"
        "_rows = X_train_pdf.iloc[:1000]\n"
        "_own = {f'ml_model-{v}': mlflow.sklearn.load_model(f'models:/{model_name}/{v}').predict(_rows).tolist() for v in (1, 2)}"
    )
    own, answers = kernel.value("_own"), kernel.value("list(zip(all_models, all_predictions))")
    assert sum(one != other for one, other in zip(own["ml_model-1"], own["ml_model-2"], strict=True)) > 100
    assert [own[model][row] for row, (model, _) in enumerate(answers)] == [prediction for _, prediction in answers]
    assert len(answers) == 1000


def check_part_2(kernel: Kernel, version: str) -> None:
    """Nothing but keys is sent; the features are those of the table, and the function's."""
    kernel.run(
        "_rows = X_train_df.limit(1000).toPandas()\n"
        "_rows['m_charges_avrg'] = _rows['TotalCharges'] / _rows['tenure']\n"
        "_model = mlflow.sklearn.load_model(f'models:/{model_name}/{fs_model_version}')\n"
        "_own = _model.predict(_rows[list(_model.feature_names_in_)]).tolist()"
    )
    assert kernel.value("sorted({name for row in dataframe_records_lookups_only for name in row})") == ["customerID"]
    own, answers = kernel.value("_own"), kernel.value("query_response.predictions")
    assert len(own) == 1000
    assert answers == own
    assert set(own) == {"Yes", "No"}
    assert kernel.value("query_response.served_model_name") == f"ml_model-{version}"


def test_without_lenience_the_slips_are_errors(kernel: Kernel) -> None:
    kernel.run("from proving_ground_client import lenient\nlenient.switch_off()")
    sentence = kernel.run(
        "try:\n    fe.create_training_set(df=Y_train_df, label='Churn', feature_lookups=features)\n"
        "except ValueError as error:\n    print(error)"
    )
    assert sentence == (
        "The data has no column 'primary_key' to look up features in 'dbacademy.author.features'; it has customerID, Churn.\n"
    )
    config = (
        "from databricks.sdk.service.serving import EndpointCoreConfigInput\n"
        "try:\n    EndpointCoreConfigInput({}traffic_config={{'routes': []}}).as_dict()\n"
        "except (TypeError, AttributeError) as error:\n    print(error)"
    )
    assert "missing 1 required positional argument: 'name'" in kernel.run(config.format(""))
    assert kernel.run(config.format("name='x', ")) == "'dict' object has no attribute 'as_dict'\n"


def test_the_article_s_snippets(kernel: Kernel, stack: Stack, token: str) -> None:
    set_up, first, with_features, split = cells_of(ROOT / "fixtures/notebooks/Demo" / ARTICLE)
    rest, capture = cells_of(ROOT / "fixtures/notebooks/Demo" / ARTICLE, "raw")
    kernel.run(set_up)

    assert warnings_of(kernel.run(first)) == [NO_NAME]
    query = "w.serving_endpoints.query('fraud-detection-endpoint', dataframe_records={}.to_dict('records')).predictions"
    kernel.run("_own = mlflow.sklearn.load_model(f'models:/{FRAUD}/1').predict(plain).tolist()")
    own = kernel.value("_own")
    assert len(set(own)) == 2
    assert kernel.value(query.format("plain")) == own
    served = "w.serving_endpoints.get('fraud-detection-endpoint').config.served_entities[0].entity_name"
    assert kernel.value(served) == "fraud_detector"

    said = warnings_of(kernel.run(split))
    assert [said[0], said[1].partition(",")[0]] == [NO_NAME, "Warning: traffic_config is a dictionary"]
    check_the_split(kernel)

    kernel.run(with_features)
    line, _, body = rest.partition("\n")
    wanted = json.loads(body)
    assert kernel.value("_.as_dict()") == wanted["config"]["served_entities"][0]  # _ is what the cell showed
    kernel.run("w.serving_endpoints.delete('fraud-detection-endpoint')")
    wanted["config"] |= json.loads(capture)
    answer = httpx.request(
        *(line.split()[0], stack.url + line.split()[1]), json=wanted, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    kernel.run("w.serving_endpoints.wait_get_serving_endpoint_not_updating('fraud-detection-endpoint')")
    assert kernel.value(query.format("labels[['user_id']]")) == own
    wait_for(lambda: captured(kernel) == 1, 60, "the call is no row", stack.log_tails)


def captured(kernel: Kernel) -> int:
    """Answered calls in the table that the article's snippet names; none while it is not there."""
    name = "ml_prod.inference_logs.fraud_detection_payload"
    if not kernel.value(f"bool(site.workspace.tables.exists('{name}').table_exists)"):
        return 0
    return int(kernel.value(f"spark.sql('SELECT count(*) AS n FROM {name} WHERE status_code = 200').collect()[0]['n']"))


def check_the_split(kernel: Kernel) -> None:
    """200 calls: between 68 and 92 of a hundred go to the version of 80, which has four standard deviations to both sides."""
    kernel.run(
        "_inputs = customers.drop(columns='Contract').head(200)\n"
        "_load = mlflow.sklearn.load_model\n"
        "_own = {f'model-v{v}': _load(f'models:/{RECOMMENDER}/{v}').predict(_inputs).tolist() for v in (2, 3)}\n"
        "_answers = [w.serving_endpoints.query('recommendation-endpoint', dataframe_records=[row]) "
        "for row in _inputs.to_dict('records')]"
    )
    own: dict[str, Any] = kernel.value("_own")
    answers = kernel.value("[(each.served_model_name, each.predictions[0]) for each in _answers]")
    assert own["model-v2"] != own["model-v3"]
    assert [own[model][row] for row, (model, _) in enumerate(answers)] == [prediction for _, prediction in answers]
    assert 136 <= sum(model == "model-v2" for model, _ in answers) <= 184


def seed(number: str) -> str:
    found = next(iter((ROOT.parent / "shared" / "seeds").glob(f"{number}_*.txt")), None)
    if found is None:
        pytest.skip("the printed originals are not beside the repository")
    return Path(found).read_text()


def test_the_copies_are_the_originals() -> None:
    parts = seed("004").split("In [0]:\n")[1:]
    assert cells_of(ROOT / "fixtures/notebooks/Demo" / NOTEBOOK) == [part.split("\n\n\n")[0].strip("\n") for part in parts]
    article = seed("000")
    own = cells_of(ROOT / "fixtures/notebooks/Demo" / ARTICLE)[1:] + cells_of(ROOT / "fixtures/notebooks/Demo" / ARTICLE, "raw")
    assert [snippet for snippet in own if snippet not in article] == []
