"""ALTER statements, read into plans."""

from typing import Any

from sandbox.sql.dialect.creations import column, primary_key, properties
from sandbox.sql.dialect.plan_names import KINDS, full_name, plan_kind
from sandbox.sql.dialect.reader import Reader
from sandbox.sql.dialect.scope import Scope
from sandbox.sql.refusals import Refused

Plan = dict[str, Any]


def read(reader: Reader, scope: Scope) -> Plan:
    """The plan of an ALTER statement."""
    reader.expect("ALTER")
    word = reader.accept_one(*KINDS)
    if not word:
        raise Refused(f"ALTER {reader.word()[:40]} is not supported here.")
    kind = plan_kind(word)
    target: Plan = {"kind": kind, "name": full_name(kind, reader.name(), scope)}
    general = _any_object(reader)
    if general is not None:
        return {**target, **general}
    if reader.accept("RENAME", "TO"):
        return {**target, "do": "rename", "new_name": full_name(kind, reader.name(), scope)}
    if kind != "TABLE":
        reader.fail("SET OWNER TO, SET TAGS, UNSET TAGS or RENAME TO was expected, or it is not supported here")
    return {**target, **_table(reader)}


def _any_object(reader: Reader) -> Plan | None:
    if reader.accept("SET", "OWNER", "TO") or reader.accept("OWNER", "TO"):
        return {"do": "set_owner", "owner": reader.identifier("a principal")}
    if reader.accept("SET", "TAGS"):
        return {"do": "set_tags", "column": "", "tags": _tags(reader)}
    if reader.accept("UNSET", "TAGS"):
        return {"do": "unset_tags", "column": "", "tags": reader.listed(reader.string)}
    return None


def _tags(reader: Reader) -> dict[str, str]:
    def one() -> tuple[str, str]:
        name = reader.string()
        return name, reader.string() if reader.accept("=") else ""

    return dict(reader.listed(one))


def _table(reader: Reader) -> Plan:
    if reader.accept("SET", "TBLPROPERTIES"):
        return {"do": "set_properties", "properties": properties(reader)}
    if reader.accept("UNSET", "TBLPROPERTIES"):
        if_exists = reader.accept("IF", "EXISTS")
        keys = reader.listed(lambda: reader.string() if reader.is_string() else ".".join(reader.name()))
        return {"do": "unset_properties", "keys": keys, "if_exists": if_exists}
    if reader.accept("ADD"):
        return _add(reader)
    if reader.accept("DROP"):
        return _drop(reader)
    if reader.accept("RENAME", "COLUMN"):
        old = reader.identifier("a column")
        reader.expect("TO")
        return {"do": "rename_column", "column": old, "new_name": reader.identifier("the new name")}
    if reader.accept("ALTER", "COLUMN") or reader.accept("ALTER") or reader.accept("CHANGE", "COLUMN"):
        return _column(reader)
    if reader.accept("CLUSTER", "BY"):
        if not reader.accept("NONE") and not reader.accept("AUTO"):
            reader.listed(lambda: reader.name())
        return {"do": "nothing"}
    return reader.fail("this change of a table is not supported here")


def _add(reader: Reader) -> Plan:
    if reader.accept("CONSTRAINT"):
        return {"do": "add_primary_key", "key": primary_key(reader, reader.identifier("the constraint's name"))}
    if reader.word() in {"PRIMARY", "PRIMARY KEY"}:
        return {"do": "add_primary_key", "key": primary_key(reader, "")}
    reader.expect_one("COLUMNS", "COLUMN")
    columns = reader.listed(lambda: _new_column(reader)) if reader.word() == "(" else [_new_column(reader)]
    return {"do": "add_columns", "columns": columns}


def _new_column(reader: Reader) -> Plan:
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    found = column(reader)
    if if_not_exists or found["primary_key"]:
        raise Refused("IF NOT EXISTS and PRIMARY KEY are not supported in ADD COLUMN.")
    if not found["nullable"]:
        raise Refused("A column that is added cannot be NOT NULL: the rows that exist have no value for it.")
    if reader.word() in {"FIRST", "AFTER"}:
        raise Refused("FIRST and AFTER are not supported here: new columns come last.")
    return {name: found[name] for name in ("name", "type_text", "nullable", "comment")}


def _drop(reader: Reader) -> Plan:
    if reader.accept("CONSTRAINT"):
        if_exists = reader.accept("IF", "EXISTS")
        name = reader.identifier("the constraint's name")
        reader.accept_one("RESTRICT", "CASCADE")
        return {"do": "drop_primary_key", "constraint": name, "if_exists": if_exists}
    if reader.accept("PRIMARY", "KEY"):
        if_exists = reader.accept("IF", "EXISTS")
        reader.accept_one("RESTRICT", "CASCADE")
        return {"do": "drop_primary_key", "constraint": "", "if_exists": if_exists}
    reader.expect_one("COLUMNS", "COLUMN")
    if_exists = reader.accept("IF", "EXISTS")
    names = reader.listed(lambda: reader.identifier("a column")) if reader.word() == "(" else [reader.identifier("a column")]
    return {"do": "drop_columns", "columns": names, "if_exists": if_exists}


def _column(reader: Reader) -> Plan:
    name = reader.identifier("a column")
    if reader.accept("COMMENT"):
        return {"do": "comment_column", "column": name, "comment": reader.string()}
    if reader.accept("SET", "NOT", "NULL"):
        return {"do": "set_nullable", "column": name, "nullable": False}
    if reader.accept("DROP", "NOT", "NULL"):
        return {"do": "set_nullable", "column": name, "nullable": True}
    if reader.accept("SET", "TAGS"):
        return {"do": "set_tags", "column": name, "tags": _tags(reader)}
    if reader.accept("UNSET", "TAGS"):
        return {"do": "unset_tags", "column": name, "tags": reader.listed(reader.string)}
    return reader.fail("COMMENT, SET NOT NULL, DROP NOT NULL, SET TAGS or UNSET TAGS was expected")
