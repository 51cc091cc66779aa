"""What FeatureLookup and its like refuse, the frames, and the name under which all is importable."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from proving_ground_client import FeatureLookup, Frame
from proving_ground_client.frames import arrow_of

SOURCE = str(Path(__file__).resolve().parents[4] / "sandbox" / "client" / "src")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"lookback_window": timedelta(days=1)}, "only be set together with timestamp_lookup_key"),
        ({"lookback_window": timedelta(days=-1), "timestamp_lookup_key": "t"}, "must not be negative"),
        ({"lookback_window": 7, "timestamp_lookup_key": "t"}, "must be a datetime.timedelta, not int"),
        ({"feature_name": "a", "feature_names": ["b"]}, "Use feature_names only"),
        ({"feature_names": ["a", "b"], "output_name": "c"}, "renames a single feature_name"),
        ({"rename_outputs": ["a"]}, "must be a dictionary"),
        ({"default_values": {"a": [1]}}, "must be a number, a text or a boolean, not list"),
        ({"timestamp_lookup_key": ["a", "b"]}, "takes one column, not 2"),
        ({"lookup_key": []}, "needs a lookup_key"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        FeatureLookup(**{"table_name": "t", "lookup_key": "id", **arguments})


def test_frames() -> None:
    frame = Frame(arrow_of(pd.DataFrame({"Id": [2, 1, 2], "name": ["b", "a", "b"]})))
    assert (frame.columns, frame.count(), frame.drop("NAME", "other").columns) == (["Id", "name"], 3, ["Id"])
    assert frame.select("id").limit(2).toPandas().to_dict("list") == {"Id": [2, 1]}
    assert frame.where("Id > 1").distinct().collect() == [{"Id": 2, "name": "b"}]
    other = Frame(arrow_of({"Id": [1, 3], "score": [0.5, 1.5]}))
    joined = frame.join(other, on="Id", how="left").orderBy("Id").collect()
    assert [row["score"] for row in joined] == [0.5, None, None]
    assert frame.dtypes == [("Id", "bigint"), ("name", "string")]
    with pytest.raises(ValueError, match="There is no column 'nothing'; there are Id, name"):
        frame.select("nothing")


def test_activate_gives_the_name_of_notebooks() -> None:
    script = (
        "import proving_ground_client as ours; ours.activate(); ours.activate()\n"
        "from databricks.feature_engineering import FeatureEngineeringClient, FeatureFunction, FeatureLookup\n"
        "from databricks.feature_engineering.entities.feature_lookup import FeatureLookup as Same\n"
        "from databricks.sdk import WorkspaceClient\n"
        "assert Same is FeatureLookup is ours.FeatureLookup"
    )
    done = subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": SOURCE}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
