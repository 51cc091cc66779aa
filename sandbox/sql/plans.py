"""Carries out what a statement plans: each plan goes to the catalog's own operation, which asks for the caller's privileges.

A plan comes from the jailed process and is not trusted: whatever it holds is used as a name, a text or a flag of an operation,
never as a path or a piece of code.
"""

from collections.abc import Callable
from typing import Any

from sandbox.catalog import access, containers, functions, grants, securables, table_rows, table_schema, tables, tags, volumes
from sandbox.errors import BadRequest, InvalidParameterValue
from sandbox.files import quota
from sandbox.sql import plan_creations, shows
from sandbox.sql.job import SqlRequest
from sandbox.sql.objects import Objects, moment, quoted
from sandbox.sql.plan_jobs import Done, Job, Plan, Tables, counted, exists
from sandbox.sql.row_changes import row_changes
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person


def carry_out(caller: Caller, plan: Plan, tables: Tables, objects: Objects, request: SqlRequest) -> Done:
    """Raises ApiError of the catalog's operations; ResourceConflict means that it can be tried again.

    ResourceExhausted: the rows to be written do not fit into the workspace's quota or on the disk.
    """
    if tables or plan.get("do") == "create_table":
        quota.take(caller.workspace.id, quota.counted(sum(rows.nbytes for rows in tables.values())))
    try:
        return _OPERATIONS[plan["do"]](Job(caller, plan, tables, objects, request))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"The statement could not be carried out ({type(error).__name__}: {error}).") from error


def _drop(job: Job) -> Done:
    plan, kind = job.plan, job.plan["kind"]
    if plan["if_exists"] and not exists(job, kind):
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
    "add_columns": _altered(
        lambda job: table_schema.add_columns(job.caller, job.name, plan_creations.described_columns(job.plan["columns"]))
    ),
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
    "create_container": plan_creations.create_container,
    "create_function": plan_creations.create_function,
    "create_table": plan_creations.create_table,
    "create_view": plan_creations.create_view,
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
