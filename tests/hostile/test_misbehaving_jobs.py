"""A job that spins, floods, crashes or lies ends alone, in time, and with a sentence that says why."""

from pathlib import Path

import pytest

from sandbox.jail.errors import JobFailed, JobTimeout
from sandbox.jail.launch import run_jailed
from sandbox.jail.limits import GIB, MIB, Limits

LIMITS = Limits(cpu_s=5, wall_s=60, address_space_bytes=GIB, output_bytes=MIB)
JOBS = Path(__file__).parent


def misbehave(how: str, limits: Limits = LIMITS) -> bytes:
    return run_jailed("tests.hostile.jobs", how.encode(), limits=limits, readable=[JOBS])


def failure(how: str, limits: Limits = LIMITS) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        misbehave(how, limits)
    return caught.value


def test_a_spinning_job_is_stopped_by_its_processor_time() -> None:
    """It ignores the warning signal; the hard limit ends it. The clock is left out of it, as a busy machine is slow."""
    limits = Limits(cpu_s=1, wall_s=120, address_space_bytes=GIB)
    assert "more than 1 s of processor time" in failure("spin", limits).message


def test_a_sleeping_job_is_stopped_by_the_clock() -> None:
    short = Limits(cpu_s=2, wall_s=0.5, address_space_bytes=GIB)
    error = failure("sleep", short)
    assert isinstance(error, JobTimeout)
    assert error.message == "It took longer than 0.5 s."


def test_a_result_over_the_limit_is_refused() -> None:
    assert failure("answer too much").message == "Its result is longer than 1 MiB."


def test_a_flood_on_every_descriptor_ends() -> None:
    assert failure("flood output").message


def test_the_last_words_of_a_flood_are_kept() -> None:
    error = failure("flood errors")
    assert error.message == "It ended with status 3 and left no whole result."
    assert error.stderr_tail.endswith("the last words")
    assert len(error.stderr_tail) <= 8_000


def test_a_clean_exit_without_a_result_is_a_failure() -> None:
    assert failure("leave quietly").message == "It ended with status 0 and left no whole result."


def test_a_crash_is_named() -> None:
    assert failure("crash").message.startswith("It crashed (SIG")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("eat memory", "It needs more memory than it may use."),
        ("nest", "It is nested too deeply."),
        ("complain", "The model is upside down."),
    ],
)
def test_what_a_job_runs_into_is_said(how: str, message: str) -> None:
    assert failure(how).message == message


def test_a_long_complaint_is_cut() -> None:
    error = failure("fail")
    assert error.message.startswith("ValueError: xxx")
    assert len(error.message) == 4_000


def test_what_a_job_prints_is_not_its_result() -> None:
    assert misbehave("print first") == b"result"
