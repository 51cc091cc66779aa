"""Forests in compiled code: the same answers as ONNX Runtime's, bit for bit, and nothing read outside of the arrays."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from sandbox.builds import forests
from sandbox.builds.forest_arrays import MAX_TEXT, ForestArrays
from sandbox.builds.forests import forest_of
from sandbox.builds.operations import BuiltModel
from sandbox.builds.signature import FOREST_KEY
from sandbox.replicas.runtimes import onnx as runtimes
from sandbox.replicas.runtimes.onnx import FEW_ROWS, OnnxRuntime

from .data import numbers

Built = Callable[..., tuple[BuiltModel, OnnxRuntime]]
FOREST = RandomForestClassifier(20, max_depth=7, random_state=0)


@pytest.fixture
def _compiled() -> Iterator[None]:
    runtimes.compile_forests()
    yield
    runtimes._forests = None


def edges(content: bytes) -> Any:
    """Rows on the thresholds of the stored forest, some of them too large for a float, and ordinary ones."""
    forest = ForestArrays.from_text(metadata(content)[FOREST_KEY])
    finite = forest.thresholds[np.isfinite(forest.thresholds)]
    drawn = np.random.default_rng(1).choice([*finite, 1e300, -1e300, 0.0], (300, forest.width))
    return np.vstack([drawn, np.nextafter(drawn, np.inf), np.nextafter(drawn, -np.inf), numbers(200, forest.width, 9).to_numpy()])


def metadata(content: bytes) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load_from_string(content).metadata_props}


def with_metadata(content: bytes, text: str) -> bytes:
    model = onnx.load_from_string(content)
    for each in model.metadata_props:
        each.value = text if each.key == FOREST_KEY else each.value
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("model", "classes", "method"),
    [
        (FOREST, ["No", "Yes"], "predict"),
        (FOREST, [3, 1, 7], "predict_proba"),
        (ExtraTreesClassifier(20, random_state=0), [0.0, 1.0], "predict"),
        (DecisionTreeClassifier(max_depth=1, random_state=0), [False, True], "predict_proba"),
    ],
)
@pytest.mark.usefixtures("_compiled")
def test_answers_are_those_of_the_onnx_form(model: Any, classes: list[Any], method: str, built: Built) -> None:
    table = numbers()
    model.fit(table, np.array(classes)[np.random.default_rng(0).integers(0, len(classes), len(table))])
    stored, compiled = built(model, table, pyfunc_predict_fn=method)
    content = stored.path.read_bytes()
    runtimes._forests = None
    plain, rows = OnnxRuntime(content), edges(content)
    expected = plain.predict([rows])
    gaps = np.where(rows > 4, np.nan, rows)
    assert compiled.predict([gaps]) == plain.predict([gaps])
    assert [value for row in rows for value in compiled.predict([row.reshape(1, -1)])] == expected
    compiled._run = _must_not_run
    assert compiled.predict([rows]) == expected
    for count in range(FEW_ROWS + 1, 3 * FEW_ROWS):  # whole groups of rows side by side, and others
        assert compiled.predict([rows[:count]]) == expected[:count]
    assert len({json.dumps(each) for each in expected}) > 1
    with pytest.raises(AssertionError):
        compiled.predict([rows[:FEW_ROWS]])


def _must_not_run(feed: Any) -> Any:
    raise AssertionError("ONNX Runtime was asked")


@pytest.mark.usefixtures("_compiled")
def test_what_is_no_such_forest_is_not_used(built: Built) -> None:
    table = numbers()
    stored, compiled = built(FOREST.fit(table, table["f0"] > 0), table)
    content = stored.path.read_bytes()
    assert compiled._forest is not None
    text = metadata(content)[FOREST_KEY]
    other = ForestArrays.from_text(text)
    other = replace(other, values=other.values[:, ::-1].copy())
    for wrong in (other.to_text(), "no JSON", "{}", text.replace('"width": 6', '"width": 1')):
        assert OnnxRuntime(with_metadata(content, wrong))._forest is None


@pytest.mark.usefixtures("_compiled")
def test_a_large_forest_is_stored_and_one_that_is_too_large_is_left_out(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    table = numbers(1000)
    model = RandomForestClassifier(100, random_state=0).fit(table, np.random.default_rng(0).integers(0, 3, 1000))
    stored, compiled = built(model, table)
    text = metadata(stored.path.read_bytes())[FOREST_KEY]
    assert 500_000 < len(text) < MAX_TEXT
    assert compiled.predict([table.to_numpy()]) == model.predict(table).tolist()
    monkeypatch.setattr(forests, "MAX_TEXT", len(text) - 1)
    assert forest_of(model, compiled.signature) == ""


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("children", 0, 10**6),
        ("children", 0, -1),
        ("features", 0, 6),
        ("roots", 0, 10**6),
        ("thresholds", -1, 0.0),
        ("children", -2, -1),
    ],
)
def test_arrays_that_lead_out_of_themselves_are_refused(name: str, place: int, value: float) -> None:
    good = {
        "thresholds": [0.5, np.inf, np.inf], "features": [5, 0, 0], "children": [1, 1, 2],
        "values": [[0.0], [1.0], [2.0]], "roots": [0], "depths": [1],
    }  # fmt: skip
    arrays = {key: np.array(values) for key, values in good.items()}
    assert ForestArrays.from_text(ForestArrays([1], False, 6, **arrays).to_text()).width == 6
    arrays[name][place] = value
    with pytest.raises(ValueError, match="not those of a forest"):
        ForestArrays.from_text(ForestArrays([1], False, 6, **arrays).to_text())
