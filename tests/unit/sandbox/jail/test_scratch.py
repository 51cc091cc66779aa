"""The scratch folder of a jailed process: files come and go in it, a little of them, and nothing is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.jail.launch import JailedJob
from sandbox.jail.limits import GIB, MIB, Limits
from sandbox.replicas.pyfunc_folders import ModelFolders, open_root

LIMITS = Limits(cpu_s=20, wall_s=60, address_space_bytes=GIB, output_bytes=MIB)
NO_SPACE = "No space left on device"


@pytest.fixture
def folders() -> Iterator[ModelFolders]:
    opened = open_root()
    yield opened
    opened.close()


def use(folders: ModelFolders, how: str, scratch: Path | None) -> str:
    readable = [Path(__file__).parent]
    with JailedJob("tests.unit.sandbox.jail.scratch_job", limits=LIMITS, readable=readable, in_tier="T2", scratch=scratch) as job:
        return job.finish(how.encode()).decode()


@pytest.mark.parametrize(("how", "outcome"), [("keep a file", "kept"), ("fill it", NO_SPACE), ("make many files", NO_SPACE)])
def test_it_works(folders: ModelFolders, how: str, outcome: str) -> None:
    assert use(folders, how, folders.scratch) == outcome
    assert list(folders.scratch.iterdir()) == []


def test_without_one_nothing_is_written(folders: ModelFolders) -> None:
    assert use(folders, "keep a file", None) != "kept"
    assert list(folders.scratch.iterdir()) == []
