"""Change one item in the text of a bank file and leave every other line as it is; pure."""

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

from quizzes.bank_files import BankFileError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Block:
    """An item's lines in a bank file, without the indentation and the dash of the list."""

    key: str
    text: str
    first_line: int
    end_line: int
    """Index of the line after the last one; blank lines that follow are not part of it."""
    indent: int
    """Column of the dash."""

    @property
    def digest(self) -> str:
        """By it an editor sees that somebody else has changed the item."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def blocks(text: str, where: str) -> list[Block]:
    """Every item of a bank file, in its order."""
    lines = text.splitlines()
    nodes, end = _item_nodes(text, where)
    starts = [node.start_mark.line for node in nodes]
    found = []
    for node, after in zip(nodes, [*starts[1:], end], strict=True):
        first, column = node.start_mark.line, node.start_mark.column
        own = lines[first:after]
        while own and (not own[-1].strip() or own[-1].lstrip().startswith("#")):
            own.pop()
        body = "\n".join(line[column:] for line in own) + "\n"
        found.append(Block(_key_of(node), body, first, first + len(own), column - 2))
    return found


def block_of(text: str, key: str, where: str) -> Block:
    """The item with this key."""
    found = next((block for block in blocks(text, where) if block.key == key), None)
    if found is None:
        raise BankFileError(f"{where} has no item {key!r}.")
    return found


def item_node(text: str, key: str, where: str) -> tuple[yaml.MappingNode, int]:
    """The item's node, and the line of the file in which it begins."""
    nodes, _ = _item_nodes(text, where)
    node = next((node for node in nodes if _key_of(node) == key), None)
    if node is None:
        raise BankFileError(f"{where} has no item {key!r}.")
    return node, node.start_mark.line


def replaced(text: str, block: Block, new: str) -> str:
    """The file's text with other lines for the block."""
    lines = text.splitlines()
    lines[block.first_line : block.end_line] = _indented(new, block.indent)
    return "\n".join(lines) + "\n"


def appended(text: str, new: str, where: str) -> str:
    """The file's text with one more item at the end of its list."""
    known = blocks(text, where)
    lines = text.rstrip("\n").splitlines()
    at = known[-1].end_line if known else len(lines)
    lines[at:at] = ["", *_indented(new, known[-1].indent if known else 2)]
    return "\n".join(lines) + "\n"


def _indented(new: str, indent: int) -> list[str]:
    """The lines of an item as they stand in the list."""
    lines = [line.rstrip() for line in new.strip("\n").splitlines()]
    first = f"{' ' * indent}- {lines[0]}" if lines else ""
    return [first, *(f"{' ' * (indent + 2)}{line}" if line else "" for line in lines[1:])]


def _item_nodes(text: str, where: str) -> tuple[list[yaml.MappingNode], int]:
    """The items' nodes, and the line where their list ends."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise BankFileError(f"{where} is not valid YAML: {error}") from None
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    items = next((value for name, value in pairs if name.value == "items"), None)
    if not isinstance(items, yaml.SequenceNode) or items.flow_style:
        raise BankFileError(f"{where} has no list of items that could be edited.")
    after = [name.start_mark.line for name, _ in pairs if name.start_mark.line > items.start_mark.line]
    nodes = [node for node in items.value if isinstance(node, yaml.MappingNode)]
    return nodes, min(after, default=len(text.splitlines()))


def _key_of(node: yaml.MappingNode) -> str:
    return next((str(value.value) for name, value in node.value if name.value == "key"), "")
