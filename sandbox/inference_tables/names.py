"""Names of inference tables and the folders they live in."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PART = re.compile(r"[\w-]{1,200}")
_WORKSPACE = re.compile(r"[0-9a-z][0-9a-z_-]{0,63}")


@dataclass(frozen=True, order=True)
class TableName:
    """A three-level name; `str()` gives `catalog.schema.table`."""

    catalog: str
    schema: str
    table: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """ValueError when it has not exactly three parts of letters, digits, `_` and `-`."""
        parts = name.split(".")
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError(f"'{name[:100]}' is not a table name of the form catalog.schema.table")
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.catalog}.{self.schema}.{self.table}"

    def folder(self, root: Path, workspace_id: str) -> Path:
        """Where the Delta table lies: `<root>/<workspace_id>/<catalog>/<schema>/<table>`."""
        return workspace_folder(root, workspace_id) / self.catalog / self.schema / self.table


def workspace_folder(root: Path, workspace_id: str) -> Path:
    """ValueError for an id that is not a plain word, so that no id can lead out of `root`."""
    if not _WORKSPACE.fullmatch(workspace_id):
        raise ValueError("not a workspace id")
    return root / workspace_id
