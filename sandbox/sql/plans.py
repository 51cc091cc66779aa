"""Carries out what a statement plans: each plan goes to the catalog's own operation, which asks for the caller's privileges.

A plan comes from the jailed process and is not trusted: whatever it holds is used as a name, a text or a flag of an operation,
never as a path or a piece of code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalog import access, containers, functions, grants, securables, table_rows, table_schema, tables, tags, volumes
from sandbox.catalog.column_types import Column, columns_of
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from sandbox.sql import function_check, shows
from sandbox.sql.job import SqlRequest
from sandbox.sql.limits import SqlColumn
from sandbox.sql.objects import CATALOG, FUNCTIONS, READS, SCHEMA, Objects, moment, quoted
from sandbox.sql.row_changes import row_changes
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

Plan = dict[str, Any]
Tables = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """What a statement that is no query answers with."""

    statement_type: str
    columns: tuple[SqlColumn, ...] = ()
    rows: list[list[str | None]] = field(default_factory=list)
    target: str = ""
    """Full name of the table that was written or created, for its lineage."""


@dataclass(frozen=True)
class Job:
    """All that carrying out a plan takes."""

    caller: Caller
    plan: Plan
    tables: Tables
    objects: Objects
    request: SqlRequest

    @property
    def name(self) -> str:
        """As the catalog takes names."""
        return quoted(str(self.plan["name"]))

    def securable(self) -> Securable:
        return securables.find(self.caller.workspace, SecurableType(str(self.plan["kind"])), self.name)


def carry_out(caller: Caller, plan: Plan, tables: Tables, objects: Objects, request: SqlRequest) -> Done:
    """Raises ApiError of the catalog's operations; ResourceConflict means that it can be tried again."""
    try:
        return _OPERATIONS[plan["do"]](Job(caller, plan, tables, objects, request))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"The statement could not be carried out ({type(error).__name__}: {error}).") from error


def counted(**counts: int) -> Done:
    """The one row of numbers that INSERT and its like answer with."""
    columns = tuple(SqlColumn(name, "LONG", "BIGINT") for name in counts)
    return Done("", columns, [[str(count) for count in counts.values()]])


def _columns(described: list[Any]) -> list[Column]:
    return [Column(str(each["name"]), str(each["type_text"]), bool(each["nullable"]), str(each["comment"])) for each in described]


def _create_table(job: Job) -> Done:
    plan = job.plan
    rows = job.tables.get("rows")
    columns = _columns(plan["columns"])
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


def _create_view(job: Job) -> Done:
    plan = job.plan
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
        if_not_exists=bool(plan["if_not_exists"]),
    )
    if view.table.view_definition == text:
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


def _create_function(job: Job) -> Done:
    plan = job.plan
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
        if_not_exists=bool(plan["if_not_exists"]),
    )
    _note(job, made)
    return Done("CREATE")


def _create_container(job: Job) -> Done:
    plan, kind = job.plan, job.plan["kind"]
    comment = str(plan["comment"])
    if plan["or_replace"]:
        raise InvalidParameterValue(f"CREATE OR REPLACE is for tables, views and functions, not for a {kind.lower()}.")
    if plan["if_not_exists"] and _exists(job, kind):
        return Done("CREATE")
    if kind == "CATALOG":
        containers.create_catalog(job.caller, str(plan["name"]), comment=comment)
    elif kind == "SCHEMA":
        containers.create_schema(job.caller, job.name, comment=comment)
    else:
        volumes.create_volume(job.caller, job.name, comment=comment)
    return Done("CREATE")


def _exists(job: Job, kind: str) -> bool:
    try:
        securables.find(job.caller.workspace, SecurableType(kind), job.name)
    except ResourceDoesNotExist:
        return False
    return True


def _drop(job: Job) -> Done:
    plan, kind = job.plan, job.plan["kind"]
    if plan["if_exists"] and not _exists(job, kind):
        return Done("DROP")
    if kind == "TABLE":
        table = tables.find(job.caller, job.name)
        is_view = table.table.table_type == tables.VIEW
        if is_view != bool(plan["view"]):
            what, right = ("view", "DROP VIEW") if is_view else ("table", "DROP TABLE")
            raise InvalidParameterValue(f"[WRONG_COMMAND_FOR_OBJECT_TYPE] {plan['name']} is a {what}; use {right}.")
        tables.drop_table(job.caller, job.name)
    elif kind == "CATALOG":
        containers.drop_catalog(job.caller, job.name, force=bool(plan["cascade"]))
    elif kind == "SCHEMA":
        containers.drop_schema(job.caller, job.name, force=bool(plan["cascade"]))
    elif kind == "VOLUME":
        volumes.drop_volume(job.caller, job.name)
    elif kind == "FUNCTION":
        functions.drop_function(job.caller, job.name)
    else:
        raise InvalidParameterValue("Registered models are deleted by the REST API and MLflow, not by SQL.")
    return Done("DROP")


def _insert(job: Job) -> Done:
    rows = job.tables["rows"]
    name = str(job.plan["name"])
    if job.plan["overwrite"]:
        table_rows.replace(job.caller, job.name, rows, job.objects.snapshots[name].version)
    else:
        table_rows.append(job.caller, job.name, rows)
    done = counted(num_affected_rows=rows.num_rows, num_inserted_rows=rows.num_rows)
    return Done("INSERT", done.columns, done.rows, name)


def _change_rows(job: Job) -> Done:
    """UPDATE, DELETE, MERGE: of the version that the statement has seen, or not at all."""
    name, operation = str(job.plan["name"]), str(job.plan["operation"])
    before = job.objects.snapshots[name]
    changes, counts = row_changes(before, job.tables)
    if any(counts.values()):
        table_rows.change_rows(job.caller, job.name, before, changes, operation, str(job.plan["predicate"]))
    total = sum(counts.values())
    done = counted(
        num_affected_rows=total, **({f"num_{key}_rows": n for key, n in counts.items()} if operation == "MERGE" else {})
    )
    return Done(operation, done.columns, done.rows, name)


def _truncate(job: Job) -> Done:
    table_rows.truncate(job.caller, job.name)
    return Done("TRUNCATE")


def _restore(job: Job) -> Done:
    plan = job.plan
    timestamp = None if plan["timestamp"] is None else moment(str(plan["timestamp"]))
    restored = table_rows.restore(
        job.caller, job.name, version=None if plan["version"] is None else int(plan["version"]), timestamp=timestamp
    )
    done = counted(table_size_after_restore=restored.size_bytes, num_of_files_after_restore=len(restored.files))
    return Done("RESTORE", done.columns, done.rows)


def _rename(job: Job) -> Done:
    if job.plan["kind"] != "TABLE":
        raise InvalidParameterValue("Only tables and views can be renamed here.")
    tables.rename_table(job.caller, job.name, quoted(str(job.plan["new_name"])))
    return Done("ALTER")


def _set_owner(job: Job) -> Done:
    securable = job.securable()
    access.require(job.caller, securable, access.MANAGE)
    owner = str(job.plan["owner"])
    grants.require_principal(job.caller.workspace, owner)
    securable.owner = owner
    securables.touch(securable, person(job.caller.user))
    return Done("ALTER")


def _set_tags(job: Job) -> Done:
    wanted = {str(key): str(value) for key, value in job.plan["tags"].items()}
    tags.set_tags(job.caller, job.securable(), wanted, str(job.plan["column"]))
    return Done("ALTER")


def _unset_tags(job: Job) -> Done:
    tags.unset_tags(job.caller, job.securable(), [str(key) for key in job.plan["tags"]], str(job.plan["column"]))
    return Done("ALTER")


def _comment(job: Job) -> Done:
    securable, comment = job.securable(), str(job.plan["comment"])
    if job.plan["kind"] == "TABLE":
        table_schema.set_comment(job.caller, job.name, comment)
        return Done("COMMENT")
    access.require(job.caller, securable, access.MANAGE)
    securable.comment = comment
    securables.touch(securable, person(job.caller.user))
    return Done("COMMENT")


def _altered(change: Callable[[Job], Any]) -> Callable[[Job], Done]:
    def carry(job: Job) -> Done:
        change(job)
        return Done("ALTER")

    return carry


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values]


def _grant(job: Job) -> Done:
    wanted = {str(job.plan["principal"]): _texts(job.plan["privileges"])}
    is_grant = job.plan["do"] == "grant"
    grants.change(job.caller, job.securable(), wanted if is_grant else {}, {} if is_grant else wanted)
    return Done("GRANT" if is_grant else "REVOKE")


def _use(job: Job) -> Done:
    """Checks that the place is there; a statement of the API stands for itself, so it has no lasting effect."""
    plan = job.plan
    catalog = containers.get_catalog(job.caller, quoted(str(plan["catalog"])))
    containers.get_schema(job.caller, quoted(f"{catalog.full_name}.{plan['schema']}"))
    return Done("USE")


def _shown(job: Job) -> Done:
    columns, rows = shows.show(job.caller, job.plan)
    return Done(str(job.plan["do"]).split("_")[0].upper(), columns, rows)


_OPERATIONS: dict[str, Callable[[Job], Done]] = {
    "add_columns": _altered(lambda job: table_schema.add_columns(job.caller, job.name, _columns(job.plan["columns"]))),
    "add_primary_key": _altered(
        lambda job: table_schema.add_primary_key(
            job.caller,
            job.name,
            _texts(job.plan["key"]["columns"]),
            name=str(job.plan["key"]["name"]),
            timeseries=_texts(job.plan["key"]["timeseries"]),
        )
    ),
    "change_rows": _change_rows,
    "comment": _comment,
    "comment_column": _altered(
        lambda job: table_schema.change_column(job.caller, job.name, str(job.plan["column"]), comment=str(job.plan["comment"]))
    ),
    "create_container": _create_container,
    "create_function": _create_function,
    "create_table": _create_table,
    "create_view": _create_view,
    "drop": _drop,
    "drop_columns": _altered(lambda job: table_schema.drop_columns(job.caller, job.name, _texts(job.plan["columns"]))),
    "drop_primary_key": _altered(
        lambda job: table_schema.drop_constraint(
            job.caller, job.name, str(job.plan["constraint"]) or None, if_exists=bool(job.plan["if_exists"])
        )
    ),
    "grant": _grant,
    "insert": _insert,
    "nothing": lambda job: Done("ALTER"),
    "rename": _rename,
    "rename_column": _altered(
        lambda job: table_schema.rename_column(job.caller, job.name, str(job.plan["column"]), str(job.plan["new_name"]))
    ),
    "restore": _restore,
    "revoke": _grant,
    "set_nullable": _altered(
        lambda job: table_schema.change_column(job.caller, job.name, str(job.plan["column"]), nullable=bool(job.plan["nullable"]))
    ),
    "set_owner": _set_owner,
    "set_properties": _altered(
        lambda job: table_schema.set_properties(
            job.caller, job.name, {str(key): str(value) for key, value in job.plan["properties"].items()}
        )
    ),
    "set_tags": _set_tags,
    "truncate": _truncate,
    "unset_properties": _altered(
        lambda job: table_schema.unset_properties(
            job.caller, job.name, _texts(job.plan["keys"]), if_exists=bool(job.plan["if_exists"])
        )
    ),
    "unset_tags": _unset_tags,
    "use": _use,
    **dict.fromkeys(shows.KINDS, _shown),
}
