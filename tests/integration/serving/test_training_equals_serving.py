"""A property: what a training set gets offline is what its model gets when it is served, over 800 random cases.

Offline is the client's own path, against the running site: create_training_set, and what score_batch does with features that
are sent. Online are the site's syncs into its Redis, the plans that deployments make, and the look-ups of a replica.
"""

import json
import math
import re
import shutil
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
import redis
from proving_ground_client import FeatureEngineeringClient
from proving_ground_client.computing import computed
from proving_ground_client.site import Site
from proving_ground_client.training_set import TrainingSet

from sandbox.features.plan import LookupPlan
from sandbox.replicas.lookups import Lookups
from sandbox.replicas.requests import Pending
from tests.integration.serving.feature_cases import (
    LATER,
    NUMBERS,
    Asked,
    Draw,
    FeatureTable,
    Recipe,
    function_statements,
    table_of,
)
from tests.stack import ROOT, Stack

SEED, TABLES, RECIPES, SENDING, CASES = 4, 6, 5, 3, 100
NAN, NONE = "<NaN>", "<None>"
SITE = "from tests.integration.serving import publish_feature_tables as site; site"


@pytest.fixture(scope="module")
def draw() -> Draw:
    return Draw(SEED, CASES)


@pytest.fixture(scope="module")
def tables(stack: Stack, sdk: Any, draw: Draw, tmp_path_factory: pytest.TempPathFactory) -> list[FeatureTable]:
    """On the site and online; the feature functions are there too."""
    folder, described = tmp_path_factory.mktemp("tables"), []
    made = [draw.table(number) for number in range(TABLES)]
    for number, table in enumerate(made):
        parts = [f"{number}-{part}.parquet" for part in range(2)]
        for name, rows in zip(parts, table.parts(), strict=True):
            pq.write_table(rows, folder / name)
        timeseries = ["at"] if table.has_times else []
        described.append(
            {"name": table.name, "columns": table.columns, "keys": table.keys, "timeseries": timeseries, "parts": parts}
        )
    (folder / "tables.json").write_text(json.dumps(described))
    stack.manage("shell", "-c", f"{SITE}.publish({str(folder)!r})")
    site = Site(sdk)
    for statement in function_statements():
        site.run(statement)
    return made


@pytest.fixture(scope="module")
def recipes(draw: Draw, tables: list[FeatureTable]) -> list[Recipe]:
    return [draw.recipe(tables) for _ in range(RECIPES)]


@pytest.fixture(scope="module")
def training_sets(sdk: Any, recipes: list[Recipe]) -> list[TrainingSet]:
    """Of the rows of all cases of a recipe, without what callers send themselves."""
    fe = FeatureEngineeringClient(workspace=sdk)
    made = []
    for recipe in recipes:
        rows = [[row[name] for name in recipe.data] for of_case in recipe.rows for row in of_case]
        keys = [name for name in recipe.data if name not in {"raw", "word"}]
        features = [*(each.lookup for each in recipe.asked), *recipe.functions]
        data = table_of(recipe.data, rows)
        made.append(fe.create_training_set(df=data, feature_lookups=features, label=None, exclude_columns=keys))
    return made


@pytest.fixture(scope="module")
def lookups(stack: Stack, training_sets: list[TrainingSet], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lookups]]:
    """Those of a replica, one for each recipe, with the plans that the site makes of the specs."""
    folder = tmp_path_factory.mktemp("specs")
    for number, training in enumerate(training_sets):
        model = folder / f"spec{number}"
        shutil.copytree(ROOT / "fixtures" / "models" / "fraud" / "model", model)
        (model / "feature_spec.json").write_text(training.spec.to_json())
    printed = stack.manage("shell", "-c", f"{SITE}.plans({str(folder)!r})")
    line = re.search(r"^PLANS (.*)$", printed, re.MULTILINE)
    assert line is not None, printed
    plans = json.loads(line[1])
    with redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock")) as client:
        yield [Lookups(LookupPlan.from_dict(plans[f"spec{number}"]), client) for number in range(RECIPES)]


def test_training_equals_serving(recipes: list[Recipe], training_sets: list[TrainingSet], lookups: list[Lookups]) -> None:
    compared = 0
    for recipe, training, served in zip(recipes, training_sets, lookups, strict=True):
        offline = iter(training.load_df().toArrow().to_pylist())
        online = _served(served, recipe, [*recipe.data])
        for case, (rows, answer) in enumerate(zip(recipe.rows, online, strict=True)):
            _compare(recipe, case, rows, [next(offline) for _ in rows], answer)
            compared += 1
    assert compared == RECIPES * CASES


def test_scoring_with_features_that_are_sent_equals_serving(
    sdk: Any, recipes: list[Recipe], training_sets: list[TrainingSet], lookups: list[Lookups]
) -> None:
    for recipe, training, served in list(zip(recipes, training_sets, lookups, strict=True))[:SENDING]:
        columns = recipe.data | {name: recipe.found[name] for name in recipe.overrides}
        data = table_of(columns, [[row[name] for name in columns] for of_case in recipe.rows for row in of_case])
        offline = iter(computed(Site(sdk), training.spec, data).select(training.spec.inputs).to_pylist())
        for case, (rows, answer) in enumerate(zip(recipe.rows, _served(served, recipe, [*columns]), strict=True)):
            _compare(recipe, case, rows, [next(offline) for _ in rows], answer, sent=recipe.overrides)


# --- serving ----------------------------------------------------------------------------------------


def _served(lookups: Lookups, recipe: Recipe, columns: list[str]) -> list[list[dict[str, Any]]]:
    """What the model is given for each case; the cases of ten requests travel together, as under load."""
    requests = [_request([{name: row[name] for name in columns} for row in rows]) for rows in recipe.rows]
    for first in range(0, len(requests), 10):
        lookups.complete(requests[first : first + 10])
    return [_rows(request) for request in requests]


def _request(rows: list[dict[str, Any]]) -> Pending:
    body = json.dumps({"dataframe_records": [{name: _as_json(value) for name, value in row.items()} for row in rows]})
    return Pending("id", body, "w", "", "learner", 0.0, time.time() + 60)


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _rows(request: Pending) -> list[dict[str, Any]]:
    assert request.is_completed, request.answer
    split = request.payload["dataframe_split"]
    return [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]


# --- what is equal ----------------------------------------------------------------------------------


def _compare(
    recipe: Recipe,
    case: int,
    rows: list[dict[str, Any]],
    offline: list[dict[str, Any]],
    online: list[dict[str, Any]],
    sent: tuple[str, ...] = (),
) -> None:
    """Equal but for two documented differences.

    Where no row has the key and there is no default, serving has NaN if other keys of the request have rows, training None;
    and a lookback window is one of training only: serving has the latest values of any age.
    """
    gaps = {name: gap for each in recipe.asked for name, gap in _gaps(each, case, rows).items() if name not in sent}
    old = [{name for each in recipe.asked for name in _outside_window(each, case, row)} - {*sent} for row in rows]
    for row, trained, served, number in zip(rows, offline, online, range(len(rows)), strict=True):
        where = f"case {case}, row {number}: {row}\noffline {trained}\nonline  {served}"
        assert list(trained) == list(served), where
        for name, kind in recipe.outputs.items():
            one, other = _plain(trained[name], kind), _plain(served[name], kind)
            source = next(iter(recipe.found)) if name == "kind" else name
            if source in gaps and gaps[source][number]:
                none, nan = ("none", "nan") if name == "kind" else (None, None if _is_number(kind) else NAN)
                assert (one, other) == (none, nan if gaps[source][number] == NAN else none), f"{name}, {where}"
            elif not recipe.sources(name) & old[number]:
                assert one == other, f"{name}, {where}"


def _gaps(each: Asked, case: int, rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """For each feature without default what serving has where no row has the key: NAN, NONE, or "" where one has it."""
    there = [_latest(each, case, row) is not None for row in rows]
    gap = NAN if any(there) else NONE
    defaults = each.lookup.default_values or {}
    return {name: ["" if one else gap for one in there] for name in each.outputs if name not in defaults}


def _outside_window(each: Asked, case: int, row: dict[str, Any]) -> set[str]:
    """Features whose latest values training does not take."""
    window, latest = each.lookup.lookback_window, _latest(each, case, row)
    return set(each.outputs) if window is not None and latest is not None and latest < LATER - window else set()


def _latest(each: Asked, case: int, row: dict[str, Any]) -> datetime | None:
    return each.table.latest(case, tuple(row[name] for name in each.keys))


def _plain(value: Any, kind: str) -> Any:
    """As JSON has it. In a column of numbers null is NaN, for a model's process as for JSON; elsewhere they are kept apart."""
    if isinstance(value, list):
        return [_plain(each, "double") for each in value]
    if isinstance(value, float) and math.isnan(value):
        return None if _is_number(kind) else NAN
    return _as_json(value)


def _is_number(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith("decimal")
