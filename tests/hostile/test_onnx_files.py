"""Hostile ONNX files are refused with the place that is wrong, or end in the trial; the site never loads one."""

import contextlib
import json
import random
from pathlib import Path

import pytest

from sandbox.builds.operations import TRIAL_LIMITS
from sandbox.builds.validate import MOST_BYTES, validate
from sandbox.jail.errors import JobFailed, JobProblem
from sandbox.jail.launch import run_jailed
from sandbox.jail.limits import GIB, Limits
from tests.hostile import onnx_files
from tests.hostile.onnx_files import BOMBS, ONE_COLUMN, REFUSED, signed


def trial(content: bytes, limits: Limits = TRIAL_LIMITS) -> dict[str, object]:
    return dict(json.loads(run_jailed("sandbox.builds.trial", content, limits=limits)))


def test_a_harmless_file_passes() -> None:
    facts = trial(signed(onnx_files.harmless(), ONE_COLUMN))
    assert (facts["inputs"], facts["outputs"]) == (["X"], ["Y"])


@pytest.mark.parametrize("name", REFUSED)
def test_a_forbidden_part_is_named(name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(JobProblem) as caught:
        validate(signed(make(), ONE_COLUMN))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_goes_off_in_the_jail(name: str) -> None:
    content = signed(BOMBS[name](), ONE_COLUMN)
    validate(content)  # nothing about it is forbidden
    with pytest.raises(JobFailed) as caught:
        trial(content)
    assert caught.value.message


def test_a_slow_model_is_ended_by_its_processor_time() -> None:
    inputs = (onnx_files.InputField("S", "int64", True, "int64", (2,)),)
    content = signed(onnx_files.slow_products(), inputs)
    with pytest.raises(JobFailed, match=r"does not answer|processor time|took longer|returns"):
        trial(content, Limits(cpu_s=3, wall_s=30, address_space_bytes=2 * GIB))


@pytest.mark.parametrize("location", ["etc/passwd", "/etc/passwd", "../etc/passwd", "proc/self/environ"])
def test_onnx_runtime_itself_reaches_no_file_in_the_jail(location: str) -> None:
    """The same file without the check in front: what the jail alone is worth."""
    content = signed(onnx_files.external_constant(location), ONE_COLUMN)
    with pytest.raises(JobFailed) as caught:
        run_jailed("tests.hostile.load_job", content, limits=TRIAL_LIMITS, readable=[Path(__file__).parent])
    assert "LOADED" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x05K\x01.", b"\x08", bytes(range(256)) * 20])
def test_what_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(JobProblem, match="ONNX file"):
        validate(content)


def test_a_file_over_the_limit_is_not_parsed() -> None:
    with pytest.raises(JobProblem, match=r"has 64.0 MiB; at most 64 MiB can be served"):
        validate(b"\x00" * (MOST_BYTES + 1))


def test_flipped_bytes_never_break_the_check() -> None:
    """A file with changed bytes is either refused with a sentence, or still a model."""
    good = signed(onnx_files.harmless(), ONE_COLUMN)
    draw = random.Random(5)
    refused = 0
    for _ in range(300):
        content = bytearray(good)
        for _ in range(4):
            content[draw.randrange(len(content))] = draw.randrange(256)
        with contextlib.suppress(JobProblem):
            validate(bytes(content))
            continue
        refused += 1
    assert refused > 100
