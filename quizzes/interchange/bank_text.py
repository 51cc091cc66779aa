"""Many items of a bank file replaced or added at once, with every other line as it is; pure.

Items are written from plain data. What authors have named with a YAML anchor for other items keeps its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from quizzes.bank_edit import Block, blocks
from quizzes.bank_files import BankFileError, parse_mapping

WIDTH = 130
_Fast: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the one written in C is ten times as quick
_Path = tuple[str | int, ...]


class SharedPart(Exception):
    """Another item of the file refers to a part that would change; the message names the items."""


def rewritten(text: str, where: str, changed: Mapping[str, Mapping[str, Any]], new: Sequence[Mapping[str, Any]] = ()) -> str:
    """The file's text with other data for the items of these keys, and with new items at the end.

    Raises SharedPart when an item that is in neither would become another one.
    """
    known = blocks(text, where)
    names = _anchors(text) if "&" in text else {}
    lines = text.splitlines()
    for number, block in reversed(list(enumerate(known))):
        if block.key in changed:
            own = {path[1:]: name for path, name in names.items() if path[0] == number}
            lines[block.first_line : block.end_line] = _item_lines(changed[block.key], block.indent, own)
    indent = known[-1].indent if known else 2
    added = [line for data in new for line in ("", *_item_lines(data, indent, {}))]
    end = _end_of_list(known, len(text.splitlines()), len(lines))
    lines[end:end] = added
    found = "\n".join(lines) + "\n"
    _same_otherwise(text, found, where, changed)
    return found


def new_file(head: Mapping[str, str], items: Sequence[Mapping[str, Any]]) -> str:
    """A bank file: what stands above the items, then the items."""
    top = yaml.dump(dict(head), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
    lines = [line for data in items for line in ("", *_item_lines(data, 2, {}))]
    return f"{top}items:\n" + "\n".join(lines[1:]) + "\n"


def item_text(data: Mapping[str, Any], text: str, where: str) -> str:
    """The lines of one item as an editor shows them, with the anchors that it has in the file's text."""
    names = _anchors(text) if "&" in text else {}
    number = next((place for place, block in enumerate(blocks(text, where)) if block.key == data["key"]), -1)
    own = {path[1:]: name for path, name in names.items() if path[0] == number}
    return _dumped(data, own)


def plain_lines(data: Mapping[str, Any]) -> list[str]:
    """A mapping as the lines that authors would write."""
    return _dumped(data, {}).rstrip("\n").split("\n")


def _end_of_list(known: Sequence[Block], old_count: int, new_count: int) -> int:
    """Index of the line after the last item, when the text has `new_count` lines now."""
    return new_count - (old_count - known[-1].end_line) if known else new_count


def _item_lines(data: Mapping[str, Any], indent: int, names: Mapping[_Path, str]) -> list[str]:
    lines = _dumped(data, names).rstrip("\n").split("\n")
    return [f"{' ' * indent}- {lines[0]}", *(f"{' ' * (indent + 2)}{line}" if line else "" for line in lines[1:])]


def _same_otherwise(old: str, new: str, where: str, changed: Mapping[str, Any]) -> None:
    before = {item["key"]: item for item in parse_mapping(old, where)["items"]}
    try:
        after = {item["key"]: item for item in parse_mapping(new, where)["items"]}
    except BankFileError as error:  # an anchor went that somebody refers to
        raise SharedPart(f"Other items of {where} refer to a part that would go: {error}") from None
    others = sorted(key for key, item in before.items() if key not in changed and after.get(key) != item)
    if others:
        raise SharedPart(f"{', '.join(others)} of {where} refer to a part of it. Change it in the editor.")


# --- writing -------------------------------------------------------------------------------------


class _Dumper(_Fast):  # type: ignore[misc]  # which of the two it is shows at run time
    """Plain data as authors write it: several lines as a block, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _NamingDumper(yaml.SafeDumper):
    """The same with given names for some nodes, which only the one written in Python can do."""

    names: dict[int, str]

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def anchor_node(self, node: yaml.Node) -> None:
        self.anchors[node] = self.names.get(id(node))
        children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else node.value
        for child in children if isinstance(node, yaml.MappingNode | yaml.SequenceNode) else ():
            self.anchor_node(child)


_COMPACT = {"proof", "compute", "parameters", "constraints", "extra_matches"}
"""Fields whose innermost mappings and lists stand on one line."""


class _FlowMapping(dict[str, Any]):
    """Written in braces."""


class _FlowList(list[Any]):
    """Written in brackets."""


def _compact(value: Any, *, inside: bool = False) -> Any:
    """The same data, with the innermost parts of calls and claims on one line."""
    if isinstance(value, dict):
        parts = {name: _compact(part, inside=inside or name in _COMPACT) for name, part in value.items()}
        return _FlowMapping(parts) if inside and not _has_parts(parts.values()) else parts
    if isinstance(value, list):
        entries = [_compact(part, inside=inside) for part in value]
        return _FlowList(entries) if inside and not _has_parts(entries) else entries
    return value


def _has_parts(values: Iterable[Any]) -> bool:
    return any(isinstance(value, dict | list) and value for value in values)


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    """Several lines as a literal block, unless one has a break that only YAML would take for one."""
    is_block = "\n" in text and not any(mark in text for mark in "\x85\u2028\u2029")
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)
    return node


for _each in (_Dumper, _NamingDumper):
    _each.add_representer(str, _text)
    _each.add_representer(_FlowMapping, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v.items(), flow_style=True))
    _each.add_representer(_FlowList, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True))


def _dumped(data: Mapping[str, Any], names: Mapping[_Path, str]) -> str:
    """One mapping as YAML. `names`: anchors by path."""
    plain = _compact(dict(data))
    if not names:
        return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH))
    named: Any = type("_Named", (_NamingDumper,), {"names": {}})

    def represent(dumper: Any, value: dict[Any, Any]) -> yaml.Node:
        node: yaml.Node = dumper.represent_mapping("tag:yaml.org,2002:map", value.items())
        if value is plain:
            found = ((_node_at(node, path), name) for path, name in names.items())
            named.names.update({id(part): name for part, name in found if part is not None})
        return node

    named.add_representer(dict, represent)
    return str(yaml.dump(plain, Dumper=named, sort_keys=False, allow_unicode=True, width=WIDTH))


def _node_at(node: Any, path: _Path) -> yaml.Node | None:
    for step in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step] if step < len(node.value) else None
        else:
            return None
    return node  # type: ignore[no-any-return]  # PyYAML has no types for nodes


# --- anchors -------------------------------------------------------------------------------------


class _Composer(yaml.SafeLoader):
    """Remembers which node has which anchor."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.named: dict[int, str] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML has no types for events
        is_alias = isinstance(event, yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if not is_alias and getattr(event, "anchor", None):
            self.named[id(node)] = event.anchor
        return node


def _anchors(text: str) -> dict[_Path, str]:
    """Names of anchors by (place of the item, path within it)."""
    loader: Any = _Composer(text)
    try:
        root = loader.get_single_node()
    finally:
        loader.dispose()
    items = next((value for name, value in root.value if name.value == "items"), None)
    found: dict[_Path, str] = {}

    def visit(node: yaml.Node, path: _Path) -> None:
        name = loader.named.pop(id(node), None)  # an alias leads to the node again
        if name is not None:
            found[path] = name
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                visit(value, (*path, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                visit(value, (*path, number))

    for number, item in enumerate(items.value if items else ()):
        visit(item, (number,))
    return found
