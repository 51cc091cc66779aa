"""A fresh IPython kernel that runs cells like a person's notebook does."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

CELL_TIMEOUT_S = 120


class Kernel:
    """Made by `started`; a cell that raises raises nbclient's CellExecutionError here."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client

    def run(self, source: str) -> str:
        """What the cell printed."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return "".join(each["text"] for each in cell.outputs if each.get("name") == "stdout")

    def value(self, expression: str) -> Any:
        """Of an expression whose value JSON can hold."""
        return json.loads(self.run(f"import json as _json\nprint(_json.dumps({expression}))"))


@contextmanager
def started(folder: Path, environment: Mapping[str, str]) -> Iterator[Kernel]:
    """In `folder`, with nothing of the test process's environment but what `environment` says."""
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    with client.setup_kernel(env={**environment, "HOME": str(folder), "PATH": os.environ["PATH"]}):
        yield Kernel(client)


def cells_of(path: Path, kind: str = "code") -> list[str]:
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def warnings_of(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("Warning: ")]
