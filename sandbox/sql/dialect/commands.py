"""Statements that change or show the catalog, read into plans: JSON that says what to do and is checked again by the site.

Each plan has `do` and the full names of what it is about; the site looks after privileges. Sources: the SQL language reference's
pages of the statements.
"""

from collections.abc import Callable
from typing import Any

from sandbox.sql.dialect import alterations, creations
from sandbox.sql.dialect.plan_names import KINDS, full_name, kind_and_name, plan_kind
from sandbox.sql.dialect.reader import Reader
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused

Plan = dict[str, Any]
_SHOWN = "CATALOGS, SCHEMAS, TABLES, VIEWS, COLUMNS, FUNCTIONS, VOLUMES, GRANTS, TBLPROPERTIES and CREATE TABLE"
_NOT_HERE = {
    "COPY": "Parquet files of a volume are loaded by INSERT INTO … SELECT * FROM parquet.`/Volumes/…`.",
    "SET": "SET has no lasting effect through the statement API; parameters look like :name.",
    "EXPLAIN": "Plans of queries are not shown here, because another engine than Spark runs them.",
    "CALL": "There are no stored procedures here.",
    "CACHE": "There is nothing to cache here.",
    "REFRESH": "Tables and views are always fresh here.",
    "ANALYZE": "Statistics are kept by themselves here.",
    "DECLARE": "Variables are not supported here; parameters look like :name.",
    "BEGIN": "SQL scripts are not supported here; send one statement at a time.",
    "EXECUTE": "EXECUTE IMMEDIATE is not supported here.",
    "UNDROP": "UNDROP is not supported here: what was dropped is gone.",
}


def plan_of(reader: Reader, scope: Scope) -> Plan:
    """The plan of the statement. Raises Refused, naming what is not supported."""
    first = reader.word().split()[0] if reader.word() else ""
    read = _READERS.get(first)
    if read is None:
        why = _NOT_HERE.get(first, "")
        raise Refused(f"{first or reader.sql.strip()[:30]} statements are not supported here. {why}".strip())
    plan = read(reader, scope)
    reader.end()
    return plan


def _drop(reader: Reader, scope: Scope) -> Plan:
    reader.expect("DROP")
    word = reader.expect_one(*KINDS)
    plan: Plan = {"do": "drop", "kind": plan_kind(word), "view": word == "VIEW", "if_exists": reader.accept("IF", "EXISTS")}
    plan["name"] = full_name(plan["kind"], reader.name(), scope)
    return {**plan, "cascade": reader.accept_one("CASCADE", "RESTRICT") == "CASCADE"}


def _describe(reader: Reader, scope: Scope) -> Plan:
    if not (reader.accept("DESCRIBE") or reader.accept("DESC")):
        reader.fail("DESCRIBE was expected")
    if (style := reader.accept_one("HISTORY", "DETAIL")) and not reader.is_done:
        return {"do": f"describe_{style.lower()}", "name": full_name("TABLE", reader.name(), scope)}
    kind = reader.accept_one("CATALOG", "SCHEMA", "DATABASE", "FUNCTION", "VOLUME", "TABLE") or "TABLE"
    kind = "SCHEMA" if kind == "DATABASE" else kind
    extended = reader.accept("EXTENDED") or reader.accept("FORMATTED")
    name = full_name(kind, reader.name(), scope)
    if reader.accept("AS", "JSON"):
        raise Refused("DESCRIBE … AS JSON is not supported here; leave AS JSON out.")
    return {"do": "describe", "kind": kind, "name": name, "extended": extended}


def _show(reader: Reader, scope: Scope) -> Plan:
    reader.expect("SHOW")
    if reader.accept("CREATE", "TABLE") or reader.accept("CREATE"):
        return {"do": "show_create_table", "name": full_name("TABLE", reader.name(), scope)}
    if reader.accept("TBLPROPERTIES"):
        name = full_name("TABLE", reader.name(), scope)
        wanted = reader.listed(lambda: _property_key(reader)) if reader.word() == "(" else []
        return {"do": "show_properties", "name": name, "keys": wanted}
    if reader.accept("GRANTS") or reader.accept("GRANT"):
        principal = "" if reader.word() == "ON" else reader.identifier("a principal")
        reader.expect("ON")
        kind, name = kind_and_name(reader, scope)
        return {"do": "show_grants", "kind": kind, "name": name, "principal": principal}
    if reader.accept("COLUMNS"):
        reader.expect_one("IN", "FROM")
        return {"do": "show_columns", "name": full_name("TABLE", reader.name(), scope)}
    reader.accept_one("USER", "ALL", "SYSTEM")
    what = reader.accept_one("CATALOGS", "SCHEMAS", "DATABASES", "TABLES", "VIEWS", "FUNCTIONS", "VOLUMES")
    if not what:
        raise Refused(f"SHOW {reader.word()[:40]} is not supported here. SHOW knows {_SHOWN}.")
    what = "SCHEMAS" if what == "DATABASES" else what
    kind = {"CATALOGS": "", "SCHEMAS": "CATALOG"}.get(what, "SCHEMA")
    parts = reader.name() if kind and reader.accept_one("IN", "FROM") else []
    inside = full_name(kind, parts, scope) if kind else ""
    like = reader.string() if reader.accept("LIKE") or reader.is_string() else "*"
    return {"do": "show", "what": what, "in": inside, "like": like}


def _property_key(reader: Reader) -> str:
    return reader.string() if reader.is_string() else ".".join(reader.name())


def _use(reader: Reader, scope: Scope) -> Plan:
    reader.expect("USE")
    kind = reader.accept_one("CATALOG", "SCHEMA", "DATABASE")
    parts = reader.name()
    if kind == "CATALOG":
        return {"do": "use", "catalog": full_name("CATALOG", parts, scope), "schema": "default"}
    catalog, _, schema = full_name("SCHEMA", parts, scope).partition(".")
    return {"do": "use", "catalog": catalog, "schema": schema}


def _grant(reader: Reader, scope: Scope) -> Plan:
    do = reader.expect_one("GRANT", "REVOKE")
    privileges = [_privilege(reader)]
    while reader.accept(","):
        privileges.append(_privilege(reader))
    reader.expect("ON")
    kind, name = kind_and_name(reader, scope)
    reader.expect("TO" if do == "GRANT" else "FROM")
    return {"do": do.lower(), "privileges": privileges, "kind": kind, "name": name, "principal": reader.identifier("a principal")}


def _privilege(reader: Reader) -> str:
    words = []
    while reader.word() not in {"", ",", "ON"}:
        words += reader.word().split()
        reader.accept(*reader.word().split())
    if not words:
        reader.fail("a privilege was expected")
    name = "_".join(words)
    return {"ALL": "ALL_PRIVILEGES", "CREATE_DATABASE": "CREATE_SCHEMA"}.get(name, name)


def _comment(reader: Reader, scope: Scope) -> Plan:
    reader.expect("COMMENT", "ON")
    if reader.accept("COLUMN"):
        *table, column = reader.name()
        if not table:
            reader.fail("table.column was expected")
        plan = {"do": "comment_column", "name": full_name("TABLE", table, scope), "column": column}
    else:
        kind, name = kind_and_name(reader, scope)
        plan = {"do": "comment", "kind": kind, "name": name}
    reader.expect("IS")
    return {**plan, "comment": "" if reader.accept("NULL") else reader.string()}


def _truncate(reader: Reader, scope: Scope) -> Plan:
    reader.expect("TRUNCATE", "TABLE")
    return {"do": "truncate", "name": full_name("TABLE", reader.name(), scope)}


def _restore(reader: Reader, scope: Scope) -> Plan:
    reader.expect("RESTORE")
    reader.accept("TABLE")
    plan: Plan = {"do": "restore", "name": full_name("TABLE", reader.name(), scope)}
    reader.accept("TO")
    if reader.accept("VERSION"):
        reader.expect("AS", "OF")
        return {**plan, "version": reader.whole_number("the number of a version"), "timestamp": None}
    reader.expect("TIMESTAMP")
    reader.expect("AS", "OF")
    return {**plan, "version": None, "timestamp": reader.string("a time in quotes")}


def _optimize(reader: Reader, scope: Scope) -> Plan:
    do = reader.expect_one("OPTIMIZE", "VACUUM")
    name = full_name("TABLE", reader.name(), scope)
    raise Refused(f"{do} is not supported here: the files of {name} are looked after by themselves.")


_READERS: dict[str, Callable[[Reader, Scope], Plan]] = {
    "ALTER": alterations.read,
    "COMMENT": _comment,
    "CREATE": creations.read,
    "DESC": _describe,
    "DESCRIBE": _describe,
    "DROP": _drop,
    "GRANT": _grant,
    "OPTIMIZE": _optimize,
    "REPLACE": creations.read,
    "RESTORE": _restore,
    "REVOKE": _grant,
    "SHOW": _show,
    "TRUNCATE": _truncate,
    "USE": _use,
    "VACUUM": _optimize,
}
