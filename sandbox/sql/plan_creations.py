"""Carries out plans that create: tables, views, functions, and what holds them."""

from typing import Any

from sandbox.catalog import access, containers, functions, tables, volumes
from sandbox.catalog.column_types import Column, columns_of
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidParameterValue
from sandbox.sql import function_check
from sandbox.sql.limits import SqlColumn
from sandbox.sql.objects import CATALOG, FUNCTIONS, READS, SCHEMA, quoted
from sandbox.sql.plan_jobs import Done, Job, counted, exists


def described_columns(described: list[Any]) -> list[Column]:
    return [Column(str(each["name"]), str(each["type_text"]), bool(each["nullable"]), str(each["comment"])) for each in described]


def create_table(job: Job) -> Done:
    plan = job.plan
    rows = job.tables.get("rows")
    columns = described_columns(plan["columns"])
    if plan["like"]:
        like = tables.find(job.caller, quoted(str(plan["like"])))
        access.require(job.caller, like, "SELECT", access.MANAGE)
        columns = [Column.from_json(each) for each in like.table.columns]
    if rows is not None:
        columns = [Column(each.name, each.type_text) for each in columns_of(rows.schema)]
    primary = plan["primary_key"] or {"name": "", "columns": [], "timeseries": []}
    tables.create_table(
        job.caller,
        job.name,
        columns,
        rows=rows,
        primary_key=[str(each) for each in primary["columns"]],
        primary_key_name=str(primary["name"]),
        timeseries=[str(each) for each in primary["timeseries"]],
        properties={str(key): str(value) for key, value in plan["properties"].items()},
        comment=str(plan["comment"]),
        or_replace=bool(plan["or_replace"]),
        if_not_exists=bool(plan["if_not_exists"]),
    )
    if rows is None:
        return Done("CREATE", target=str(plan["name"]))
    return Done("CREATE", *_fields(counted(num_affected_rows=rows.num_rows, num_inserted_rows=rows.num_rows)), str(plan["name"]))


def _fields(done: Done) -> tuple[tuple[SqlColumn, ...], list[list[str | None]]]:
    return done.columns, done.rows


def create_view(job: Job) -> Done:
    plan = job.plan
    if plan["if_not_exists"] and exists(job, "TABLE"):  # somebody else's perhaps: nothing of it may change
        return Done("CREATE", target=str(plan["name"]))
    found = [Column(str(name), str(type_text).lower()) for name, type_text in plan["found"]]
    if plan["columns"]:
        found = [
            Column(str(name), each.type_text, True, str(comment))
            for (name, comment), each in zip(plan["columns"], found, strict=True)
        ]
    text = str(plan["query"])
    if plan["columns"]:
        names = ", ".join("`" + column.name.replace("`", "``") + "`" for column in found)
        text = f"SELECT * FROM ({text}) AS `view`({names})"  # noqa: S608 - parsed in the jail only, as all of it
    view = tables.create_view(
        job.caller,
        job.name,
        text,
        found,
        comment=str(plan["comment"]),
        or_replace=bool(plan["or_replace"]),
    )
    _note(job, view)
    return Done("CREATE", target=str(plan["name"]))


def _note(job: Job, made: Securable) -> None:
    """What the view or function reads and calls, and where its names are looked up."""
    made.properties = {
        **made.properties,
        READS: [str(name) for name in job.plan.get("reads", [])],
        FUNCTIONS: [str(name) for name in job.plan.get("functions", [])],
        CATALOG: job.request["catalog"],
        SCHEMA: job.request["schema"],
    }
    made.save(update_fields=["properties"])


def create_function(job: Job) -> Done:
    plan = job.plan
    if plan["if_not_exists"] and exists(job, "FUNCTION"):
        return Done("CREATE")
    parameters = tuple(
        functions.Parameter(
            str(each["name"]),
            str(each["type_text"]),
            None if each["default"] is None else str(each["default"]),
            str(each["comment"]),
        )
        for each in plan["parameters"]
    )
    returns = str(plan["returns"])
    if not returns:
        raise InvalidParameterValue("A Python function needs RETURNS and a type.")
    definition = functions.Definition(
        str(plan["language"]), str(plan["definition"]), parameters, returns, bool(plan["is_deterministic"])
    )
    if definition.language == functions.PYTHON:
        function_check.check(job.caller, definition)
    made = functions.create_function(
        job.caller,
        job.name,
        definition,
        comment=str(plan["comment"]),
        or_replace=bool(plan["or_replace"]),
    )
    _note(job, made)
    return Done("CREATE")


def create_container(job: Job) -> Done:
    plan, kind = job.plan, job.plan["kind"]
    comment = str(plan["comment"])
    if plan["or_replace"]:
        raise InvalidParameterValue(f"CREATE OR REPLACE is for tables, views and functions, not for a {kind.lower()}.")
    if plan["if_not_exists"] and exists(job, kind):
        return Done("CREATE")
    if kind == "CATALOG":
        containers.create_catalog(job.caller, str(plan["name"]), comment=comment)
    elif kind == "SCHEMA":
        containers.create_schema(job.caller, job.name, comment=comment)
    else:
        volumes.create_volume(job.caller, job.name, comment=comment)
    return Done("CREATE")
