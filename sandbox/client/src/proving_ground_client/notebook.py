"""What Databricks' notebooks have, for IPython: `display`, `%sql`, data sets of tables; and names that a course forgot."""

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
from IPython import display as shown_by
from IPython.core.getipython import get_ipython
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.pandas_dataset import PandasDataset

import proving_ground_client
from proving_ground_client import lenient
from proving_ground_client.frames import Frame
from proving_ground_client.site import Site
from proving_ground_client.spark import SparkSession

DISPLAYED_ROWS = 1_000
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\$\$.*?\$\$|--[^\n]*|/\*.*?\*/|;""", re.DOTALL)


def start(site: Site, experiment: str) -> SparkSession:
    """What a course's set-up does first: `databricks.feature_engineering`, `%sql`, MLflow on the site, lenient mode."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a hundred lines below a cell
    proving_ground_client.activate()
    lenient.switch_on()
    mlflow.set_tracking_uri("databricks")
    mlflow.set_registry_uri("databricks-uc")
    mlflow.set_experiment(f"/Users/{site.workspace.current_user.me().user_name}/{experiment}")
    spark = SparkSession(site)
    offer_sql(spark)
    return spark


def display(value: Any) -> None:
    """Show it below the cell; of a frame at most DISPLAYED_ROWS rows."""
    if isinstance(value, Frame):
        value = value.limit(DISPLAYED_ROWS).toPandas()
    shown_by.display(value.head(DISPLAYED_ROWS) if isinstance(value, pd.DataFrame) else value)


# --- %sql ----------------------------------------------------------------------------------------


def statements(text: str) -> list[str]:
    """Cut at each semicolon that stands in no text, name, comment or function's body."""
    cuts = [found.start() for found in _TOKEN.finditer(text) if found.group() == ";"]
    parts = [text[first + 1 : last].strip() for first, last in zip([-1, *cuts], [*cuts, len(text)], strict=True)]
    return [part for part in parts if part]


def offer_sql(spark: SparkSession) -> None:
    """A cell whose first line is `%sql` is SQL; the rows of its last statement are shown, and kept as `_sqldf`."""
    shell = get_ipython()

    def sql(line: str, cell: str | None = None) -> None:
        frames = [spark.sql(statement) for statement in statements(f"{line}\n{cell or ''}")]
        if frames and frames[-1].columns:
            shell.user_ns["_sqldf"] = frames[-1]
            display(frames[-1])

    shell.register_magic_function(sql, "line_cell", "sql")
    if _as_cell_magic not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(_as_cell_magic)


def _as_cell_magic(lines: list[str]) -> list[str]:
    """Databricks writes `%sql` where IPython writes `%%sql`."""
    if lines and re.match(r"%sql\s", lines[0]):
        return ["%" + lines[0], *lines[1:]]
    return lines


# --- data sets -----------------------------------------------------------------------------------


class TableDataset(PandasDataset):  # type: ignore[misc]  # MLflow's types are not read
    """Rows of a table as MLflow logs them; `df` is a frame, as of a data set of Spark's."""

    def __init__(self, frame: Frame, name: str) -> None:
        super().__init__(frame.toPandas(), DeltaDatasetSource(delta_table_name=name), name=name)
        self._frame = frame

    @property
    def df(self) -> Frame:
        return self._frame


# --- names that a course forgot ------------------------------------------------------------------


@dataclass(frozen=True)
class _Forgotten:
    value: Callable[[], Any]
    defect: str
    right: str


_forgotten: dict[str, _Forgotten] = {}
_said: set[str] = set()
_own: set[str] = set()
_last_code = ""


def supply(name: str, value: Callable[[], Any], defect: str, right: str) -> None:
    """Give `name` its value in every cell that reads it and no cell has set, and say so the first time. Lenient mode only."""
    _forgotten[name] = _Forgotten(value, defect, right)
    _said.discard(name)
    events = get_ipython().events
    for event, callback in (("pre_run_cell", _before), ("post_run_cell", _after)):
        if callback not in events.callbacks[event]:
            events.register(event, callback)


def names_of(code: str) -> tuple[set[str], set[str]]:
    """Names that the code reads, and names that it sets."""
    reads: set[str] = set()
    sets: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else sets).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            sets |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            sets.add(node.name)
    return reads, sets


def _before(info: Any) -> None:
    if not lenient.is_on():
        return
    shell = get_ipython()
    code = shell.transform_cell(info.raw_cell)
    if code == _last_code and "serving_endpoints.create" in code:
        lenient.absorbed(
            "this cell is the one before it once more; its endpoint exists, and no second one is made",
            "create an endpoint once, and change it with update_config",
        )
    try:
        reads, sets = names_of(code)
    except SyntaxError:  # IPython shows it
        return
    _own.update(sets)
    for name in (reads - _own) & set(_forgotten):
        _supply(shell, name)


def _supply(shell: Any, name: str) -> None:
    forgotten = _forgotten[name]
    try:
        shell.user_ns[name] = forgotten.value()
    except LookupError:  # not known yet: the cell's own NameError says so
        return
    if name not in _said:
        _said.add(name)
        lenient.absorbed(forgotten.defect, forgotten.right)


def _after(result: Any) -> None:
    global _last_code
    _last_code = get_ipython().transform_cell(result.info.raw_cell) if result.success else ""
