"""Which failed tests the build tries a second time, to tell what kind of fault theirs is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT

ONE, TWO, THREE = (
    "tests/faults/test_a.py::test_one",
    "tests/integration/x/test_b.py::test_two[a b]",
    "tests/faults/test_a.py::test_3",
)


def second_try(folder: Path, question: str, **outcomes: Any) -> tuple[int, list[str]]:
    kept = folder / ".pytest_cache" / "v" / "build" / "outcomes"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"status": 1, "failed": {}, "passed": [], **outcomes}))
    done = subprocess.run([sys.executable, ROOT / ".ci" / "second_try.py", question], cwd=folder, capture_output=True, text=True)
    assert not kept.exists(), "it is never read twice"
    return done.returncode, done.stdout.split()


def test_files_of_few_failures_are_tried_again_and_each_test_must_pass_then(tmp_path: Path) -> None:
    found = second_try(tmp_path, "files", failed={ONE: "call", TWO: "setup", THREE: "call"})
    assert found == (0, ["tests/faults/test_a.py", "tests/integration/x/test_b.py"])
    assert second_try(tmp_path, "passed", status=0, passed=[ONE, TWO, THREE, "tests/faults/test_a.py::test_other"]) == (0, [])
    assert second_try(tmp_path, "passed", status=0, passed=[ONE, THREE]) == (1, []), "skipped is not passed"


@pytest.mark.parametrize(
    "outcomes",
    [
        {"failed": {}},
        {"failed": {ONE: "call"}, "status": 2},
        {"failed": {ONE: "call"}, "status": 3},
        {"failed": {ONE: "teardown"}},
        {"failed": {ONE: "call", "tests/integration/x/test_c.py": "collection"}},
        {"failed": {ONE: "???"}},
        {"failed": {f"{ONE}{n}": "call" for n in range(4)}},
        {"failed": {ONE: "call", "tests/unit/config/test_d.py::test_it": "call"}},
        {"failed": {"tests/test_docs.py::test_it": "call"}},
    ],
)
def test_nothing_else_is_tried_again(tmp_path: Path, outcomes: dict[str, Any]) -> None:
    assert second_try(tmp_path, "files", **outcomes) == (1, [])


def test_without_a_run_there_is_no_second_try(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "second_try.py", "files"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
