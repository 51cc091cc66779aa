"""CREATE statements, read into plans."""

import re
from typing import Any

from sandbox.sql.dialect.plan_names import full_name
from sandbox.sql.dialect.reader import Reader
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused

Plan = dict[str, Any]
_REFUSED_OF_COLUMN = ("DEFAULT", "GENERATED", "CHECK", "REFERENCES", "MASK", "COLLATE", "CONSTRAINT")
_AFTER_TYPE = ("NOT", "NULL", "COMMENT", "PRIMARY", "FIRST", "AFTER", *_REFUSED_OF_COLUMN)
_LAST_OF_TABLE = "USING, COMMENT, TBLPROPERTIES, CLUSTER BY, PARTITIONED BY"


def read(reader: Reader, scope: Scope) -> Plan:
    """The plan of a CREATE statement."""
    or_replace = reader.accept("REPLACE")
    if not or_replace:
        reader.expect("CREATE")
        or_replace = reader.accept("OR", "REPLACE")
    for word in ("EXTERNAL", "TEMPORARY", "TEMP", "GLOBAL", "MATERIALIZED", "STREAMING", "FOREIGN"):
        if reader.accept(word):
            raise Refused(f"CREATE {word} is not supported here: tables and views are managed and lasting.")
    kind = reader.accept_one("CATALOG", "SCHEMA", "DATABASE", "TABLE", "VIEW", "VOLUME", "FUNCTION")
    if not kind:
        raise Refused(f"CREATE {reader.word()[:40]} is not supported here.")
    plan: Plan = {"or_replace": or_replace, "if_not_exists": reader.accept("IF", "NOT", "EXISTS")}
    kind = "SCHEMA" if kind == "DATABASE" else kind
    plan["name"] = full_name(kind, reader.name(), scope)
    if kind == "TABLE":
        return {**plan, **_table(reader, scope)}
    if kind == "VIEW":
        return {**plan, **_view(reader)}
    if kind == "FUNCTION":
        return {**plan, **_function(reader)}
    return {**plan, "do": "create_container", "kind": kind, **_options(reader)}


def _options(reader: Reader) -> Plan:
    """COMMENT and MANAGED LOCATION of catalogs, schemas and volumes."""
    comment = ""
    while not reader.is_done:
        if reader.accept("COMMENT"):
            comment = reader.string()
        elif reader.accept("MANAGED", "LOCATION") or reader.accept("LOCATION"):
            raise Refused("LOCATION is not supported here: the site decides where data lies.")
        else:
            reader.fail("COMMENT or the end was expected")
    return {"comment": comment}


def _table(reader: Reader, scope: Scope) -> Plan:
    plan: Plan = {"do": "create_table", "columns": [], "primary_key": None, "comment": "", "properties": {}}
    if reader.accept("LIKE"):
        return {**plan, "like": full_name("TABLE", reader.name(), scope), "query": None}
    if reader.word() == "(":
        for item in reader.listed(lambda: column_or_key(reader)):
            _place(plan, item)
    while not reader.is_done and not reader.accept("AS"):
        if reader.word().split()[:1] in (["SELECT"], ["WITH"], ["FROM"], ["VALUES"]):
            break
        _table_option(reader, plan)
    query = None if reader.is_done else reader.rest()
    if query is not None and plan["columns"]:
        raise Refused("CREATE TABLE … AS takes its columns from the query; leave the list of columns out.")
    if query is None and not plan["columns"]:
        raise Refused("CREATE TABLE needs columns, as in (id BIGINT NOT NULL, …), or AS and a query.")
    return {**plan, "like": None, "query": query}


def _table_option(reader: Reader, plan: Plan) -> None:
    if reader.accept("USING"):
        source = reader.identifier("DELTA")
        if source.upper() != "DELTA":
            raise Refused(f"USING {source[:40].upper()} is not supported here: tables are Delta tables.")
    elif reader.accept("COMMENT"):
        plan["comment"] = reader.string()
    elif reader.accept("TBLPROPERTIES"):
        plan["properties"] |= properties(reader)
    elif reader.accept("CLUSTER", "BY") or reader.accept("PARTITIONED", "BY"):
        # how rows are laid out changes no result, and tables here are small
        if not reader.accept("AUTO"):
            reader.listed(lambda: reader.name())
    elif reader.word() in {"LOCATION", "OPTIONS", "WITH"}:
        raise Refused(f"{reader.word()} is not supported here: tables are managed Delta tables.")
    else:
        reader.fail(f"one of {_LAST_OF_TABLE}, AS or the end was expected")


def _place(plan: Plan, item: Plan) -> None:
    """Put a column or a primary key where it belongs."""
    if "key" in item:
        key = item["key"]
    else:
        plan["columns"].append({name: item[name] for name in ("name", "type_text", "nullable", "comment")})
        key = {"name": "", "columns": [item["name"]], "timeseries": []} if item["primary_key"] else None
    if key is not None and plan["primary_key"] is not None:
        raise Refused("[MULTIPLE_PRIMARY_KEYS] A table can have one primary key only.")
    plan["primary_key"] = key or plan["primary_key"]


def column_or_key(reader: Reader) -> Plan:
    """A column definition, or {"key": …} for a primary key of the table."""
    name = ""
    if reader.accept("CONSTRAINT"):
        name = reader.identifier("the constraint's name")
    elif reader.word() != "PRIMARY KEY" and not (reader.word() == "PRIMARY" and reader.word(1) == "KEY"):
        if reader.word() in {"FOREIGN", "FOREIGN KEY", "CHECK"}:
            raise Refused(f"{reader.word()} constraints are not supported here; PRIMARY KEY is.")
        return column(reader)
    return {"key": primary_key(reader, name)}


def primary_key(reader: Reader, name: str) -> Plan:
    """PRIMARY KEY (a, b TIMESERIES) and its options, which change nothing."""
    if not reader.accept("PRIMARY", "KEY"):
        raise Refused("Only PRIMARY KEY constraints are supported here.")
    columns, timeseries = [], []
    for each, is_timeseries in reader.listed(lambda: (reader.identifier("a column"), reader.accept("TIMESERIES"))):
        columns.append(each)
        timeseries += [each] if is_timeseries else []
    while reader.accept_one("NOT ENFORCED", "DEFERRABLE", "INITIALLY DEFERRED", "NORELY", "RELY"):
        pass
    return {"name": name, "columns": columns, "timeseries": timeseries}


def column(reader: Reader) -> Plan:
    """name type [NOT NULL] [COMMENT …] [PRIMARY KEY]."""
    found: Plan = {"name": reader.identifier("a column"), "nullable": True, "comment": "", "primary_key": False}
    found["type_text"] = reader.text_until(*_AFTER_TYPE)
    while True:
        if reader.accept("NOT", "NULL"):
            found["nullable"] = False
        elif reader.accept("COMMENT"):
            found["comment"] = reader.string()
        elif reader.accept("PRIMARY", "KEY"):
            found["primary_key"] = True
        elif reader.accept("NULL"):
            continue
        elif reader.word() in _REFUSED_OF_COLUMN:
            raise Refused(f"{reader.word()} of a column is not supported here.")
        else:
            return found


def properties(reader: Reader) -> dict[str, str]:
    """('a' = 'b', c.d = true)"""

    def one() -> tuple[str, str]:
        name = reader.string() if reader.is_string() else ".".join(reader.name())
        reader.accept("=")
        return name, reader.value()

    return dict(reader.listed(one))


def _view(reader: Reader) -> Plan:
    columns: list[list[str]] = []
    if reader.word() == "(":
        columns = reader.listed(lambda: [reader.identifier("a column"), reader.string() if reader.accept("COMMENT") else ""])
    comment = ""
    while not reader.accept("AS"):
        if reader.accept("COMMENT"):
            comment = reader.string()
        elif reader.accept("TBLPROPERTIES"):
            properties(reader)
        elif not reader.accept("WITH", "SCHEMA", "BINDING"):
            reader.fail("COMMENT or AS was expected")
    return {"do": "create_view", "columns": columns, "comment": comment, "query": reader.rest()}


def _function(reader: Reader) -> Plan:
    reader.expect("(")
    parameters = []
    while not reader.accept(")"):
        parameters.append(_parameter(reader))
        if reader.word() != ")":
            reader.expect(",")
    plan: Plan = {"do": "create_function", "parameters": parameters, "returns": "", "language": "", "comment": ""}
    plan |= {"is_deterministic": True}
    if reader.accept("RETURNS", "TABLE"):
        raise Refused("Functions that return a table are not supported here; create a view instead.")
    if reader.accept("RETURNS"):
        plan["returns"] = reader.text_until("LANGUAGE", "COMMENT", "DETERMINISTIC", "NOT", "RETURN", "AS", "CONTAINS", "READS")
    while not _is_body(reader):
        _function_option(reader, plan)
    if reader.accept("AS"):
        if plan["language"] != "PYTHON":
            raise Refused("AS $$…$$ is the body of a Python function: write LANGUAGE PYTHON before it.")
        text = reader.string("the body, between $$ and $$")
        body = reader.body if reader.body is not None else text
        return {**plan, "definition": body}
    reader.expect("RETURN")
    if plan["language"] == "PYTHON":
        raise Refused("The body of a Python function stands between AS $$ and $$.")
    return {**plan, "language": "SQL", "definition": reader.rest()}


def _is_body(reader: Reader) -> bool:
    if reader.is_done:
        reader.fail("RETURN, or AS $$ … $$, was expected")
    return reader.word() in {"AS", "RETURN"}


def _function_option(reader: Reader, plan: Plan) -> None:
    if reader.accept("LANGUAGE"):
        plan["language"] = reader.identifier("a language").upper()
        if plan["language"] not in {"PYTHON", "SQL"}:
            raise Refused(f"LANGUAGE {plan['language'][:40]} is not supported here; SQL and PYTHON are.")
    elif reader.accept("COMMENT"):
        plan["comment"] = reader.string()
    elif reader.accept("NOT", "DETERMINISTIC"):
        plan["is_deterministic"] = False
    elif reader.accept("ENVIRONMENT"):
        raise Refused("ENVIRONMENT is not supported here: functions have Python's own modules and no others.")
    elif not (
        reader.accept("DETERMINISTIC")
        or reader.accept("CONTAINS", "SQL")
        or reader.accept("READS", "SQL", "DATA")
        or reader.accept("SQL", "SECURITY", "DEFINER")
        or reader.accept("CALLED", "ON", "NULL", "INPUT")
        or reader.accept("RETURNS", "NULL", "ON", "NULL", "INPUT")
    ):
        reader.fail("an option of the function, RETURN or AS was expected")


def _parameter(reader: Reader) -> Plan:
    name = reader.identifier("a parameter")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise Refused(f"'{name[:60]}' is not a name of a parameter: it needs letters, digits and _.")
    found: Plan = {"name": name, "type_text": reader.text_until("DEFAULT", "COMMENT"), "default": None, "comment": ""}
    while reader.word() not in {",", ")"}:
        if reader.accept("DEFAULT"):
            found["default"] = reader.text_until("COMMENT")
        else:
            reader.expect("COMMENT")
            found["comment"] = reader.string()
    return found
