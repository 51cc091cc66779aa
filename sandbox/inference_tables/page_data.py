"""What the inference table page shows: whose table it is, rows page by page, counts and their chart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import Http404

from sandbox import live
from sandbox.connections import redis_client
from sandbox.inference_tables import operations
from sandbox.inference_tables.names import TableName
from sandbox.inference_tables.operations import CapturedRequest, RequestCount

ROWS_PER_PAGE = 15
MAX_LISTED_ROWS = 1_000
"""Deeper rows are found with SQL."""
_ANSWERS = {
    "Custom model": "response:predictions[0]",
    "Feature serving": "response:outputs[0]",
    "Foundation model": "response:usage.total_tokens::int",
    "External model": "response:choices[0].message.content",
}
"""The telling part of a response, by the endpoint's kind."""
_KIND_WORDS = {"embedding": "Foundation model", "external": "External model", "spec": "Feature serving"}
"""Every other runtime has a custom model."""


@dataclass(frozen=True)
class TablePage:
    """An endpoint as the head of its pages shows it, and its inference table."""

    name: str
    kind_word: str
    task: str
    table: str
    """Three-level name; empty when capture is switched off."""
    entity_names: dict[str, str]
    """served_entity_id -> name, of the active config."""
    description: str = ""
    can_manage: bool = False
    """Only the workspace's admins see its tables, and they manage its own endpoints."""

    @property
    def kind(self) -> str:
        """As the tabs ask for it: those of custom models and feature specs have features."""
        return "custom" if self.can_manage and self.kind_word in {"Custom model", "Feature serving"} else ""

    def entity_name(self, entity_id: str | None) -> str:
        """The name while the entity is in the active config, else its id."""
        return self.entity_names.get(entity_id or "", entity_id or "none")

    @property
    def quoted_table(self) -> str:
        """The table as a statement names it."""
        return ".".join(part if part.isidentifier() else f"`{part}`" for part in self.table.split("."))


@dataclass(frozen=True)
class RowView:
    """A row and the name of the entity that answered."""

    captured: CapturedRequest
    entity_name: str

    @property
    def is_error(self) -> bool:
        return self.captured.status_code >= 400


@dataclass(frozen=True)
class CountView:
    """A line of the counts: how many of all requests, in percent."""

    entity_name: str
    status_code: int
    requests: int
    percentage: float
    mean_duration_ms: float


def table_page(workspace_id: str, endpoint_name: str) -> TablePage:
    """The endpoint of this workspace (or a preconfigured one) and its table.

    Raises Http404 unless it is served, or left a table behind.
    """
    for owner in (workspace_id, live.SYSTEM_WORKSPACE):
        snapshot = redis_client().get(live.endpoint_key(owner, endpoint_name))
        if snapshot:
            endpoint = live.LiveEndpoint.from_json(snapshot)
            kind = _KIND_WORDS.get(endpoint.entities[0].runtime if endpoint.entities else "", "Custom model")
            names = {entity.entity_id: entity.name for entity in endpoint.entities}
            return TablePage(
                endpoint.name, kind, endpoint.task, endpoint.inference_table, names, can_manage=owner == workspace_id
            )
    left_behind = [name for name in operations.tables(workspace_id) if name.table == f"{endpoint_name}_payload"]
    if not left_behind:
        raise Http404(f"There is no endpoint {endpoint_name}.")
    return TablePage(endpoint_name, "Deleted endpoint", "", str(left_behind[0]), {})


def has_table(workspace_id: str, page: TablePage) -> bool:
    """Whether anything was captured yet."""
    return bool(page.table) and TableName.parse(page.table) in operations.tables(workspace_id)


class _NewestRows(Sequence[RowView]):
    """Rows newest first, read when a page asks for them."""

    def __init__(self, workspace_id: str, page: TablePage, rows: int) -> None:
        self._workspace_id = workspace_id
        self._page = page
        self._rows = min(rows, MAX_LISTED_ROWS)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: Any) -> Any:
        assert isinstance(index, slice)
        start, stop = index.start or 0, index.stop or self._rows
        rows = operations.read_rows(self._workspace_id, self._page.table, stop - start, start)
        return [RowView(row, self._page.entity_name(row.served_entity_id)) for row in rows]


def row_page(workspace_id: str, page: TablePage, rows: int, number: str | None) -> "Page[RowView]":
    """The page of rows with this number; the nearest one when there is none."""
    return Paginator(_NewestRows(workspace_id, page, rows), ROWS_PER_PAGE).get_page(number)


def count_views(page: TablePage, counts: Sequence[RequestCount]) -> list[CountView]:
    total = sum(count.requests for count in counts)
    return [
        CountView(
            entity_name=page.entity_name(count.served_entity_id),
            status_code=count.status_code,
            requests=count.requests,
            percentage=100 * count.requests / total,
            mean_duration_ms=count.mean_duration_ms,
        )
        for count in counts
    ]


def count_chart(counts: Sequence[CountView]) -> str:
    """An ECharts option as JSON: a bar for each served entity, stacked by status."""
    entities = sorted({count.entity_name for count in counts})
    statuses = sorted({count.status_code for count in counts})
    requests = {(count.entity_name, count.status_code): count.requests for count in counts}
    series = [
        {
            "type": "bar",
            "name": str(status),
            "stack": "requests",
            "barMaxWidth": 28,
            "data": [requests.get((entity, status), 0) for entity in entities],
        }
        for status in statuses
    ]
    return json.dumps(
        {
            "grid": {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True},
            "legend": {"top": 0, "left": 0},
            "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
            "xAxis": {"type": "value", "minInterval": 1},
            "yAxis": {"type": "category", "data": entities, "inverse": True},
            "series": series,
        }
    )


@dataclass(frozen=True)
class Example:
    """A statement to begin with, and what it answers."""

    label: str
    sql: str


def example_statements(page: TablePage) -> list[Example]:
    """The first one stands in the SQL box."""
    table = page.quoted_table
    return [
        Example(
            "Requests by served entity",
            "SELECT served_entity_id, status_code, count(*) AS requests,\n"
            "       round(avg(execution_duration_ms), 1) AS mean_ms\n"
            f"FROM {table}\n"
            "GROUP BY ALL\n"
            "ORDER BY requests DESC",
        ),
        Example(
            "Error rate and p95, A against B",
            "SELECT served_entity_id, count(*) AS requests,\n"
            "       count_if(status_code >= 400) / count(*) AS error_rate,\n"
            "       percentile_approx(execution_duration_ms, 0.95) AS p95_ms\n"
            f"FROM {table}\n"
            "GROUP BY served_entity_id",
        ),
        Example(
            "What was answered",
            f"SELECT {_ANSWERS.get(page.kind_word, 'response')} AS answer, count(*) AS requests\n"
            f"FROM {table}\n"
            "WHERE status_code = 200\n"
            "GROUP BY answer\n"
            "ORDER BY requests DESC",
        ),
        Example(
            "Requests in each five minutes",
            "SELECT window(request_time, '5 minutes').start AS since, count(*) AS requests\n"
            f"FROM {table}\n"
            "GROUP BY since\n"
            "ORDER BY since",
        ),
    ]
