"""Jobs run, see nothing but code and what they were given, and end with their parent."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.jail.errors import JailRefused, JobFailed
from sandbox.jail.launch import JailedJob, run_jailed, tier
from sandbox.jail.limits import GIB, MIB, Limits

LIMITS = Limits(cpu_s=5, wall_s=20, address_space_bytes=GIB, output_bytes=4 * MIB)


def test_it_works() -> None:
    assert run_jailed("sandbox.jail.echo", b"there and back", limits=LIMITS) == b"there and back"


def test_a_payload_larger_than_a_pipe_comes_back_whole() -> None:
    payload = os.urandom(3 * MIB)
    assert run_jailed("sandbox.jail.echo", payload, limits=LIMITS) == payload


def test_an_empty_payload_is_one() -> None:
    assert run_jailed("sandbox.jail.echo", b"", limits=LIMITS) == b""


def test_this_machine_has_a_tier() -> None:
    assert tier() in {"T1", "T2"}


def test_t2_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_JAIL", "t2")
    tier.cache_clear()
    try:
        assert tier() == "T2"
    finally:
        tier.cache_clear()


def test_a_job_that_does_not_exist_is_refused_before_it_gets_anything() -> None:
    with pytest.raises(JailRefused, match=r"No module named 'sandbox.jail.nothing'"):
        run_jailed("sandbox.jail.nothing", b"secret", limits=LIMITS)


def test_without_a_jail_nothing_runs() -> None:
    with pytest.raises(JailRefused, match="so nothing that a learner supplies can be run"):
        JailedJob("sandbox.jail.echo", limits=LIMITS, in_tier="none")


def test_a_job_can_be_started_before_its_payload_is_there() -> None:
    with JailedJob("sandbox.jail.echo", limits=LIMITS) as job:
        time.sleep(0.2)
        assert job.finish(b"late") == b"late"


def test_a_job_that_was_not_needed_is_ended() -> None:
    job = JailedJob("sandbox.jail.echo", limits=LIMITS)
    number = job._process.pid
    job.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_job_may_read_what_it_was_given_and_no_sibling_of_it(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "file").write_text("hello")
    (tmp_path / "other").write_text("secret")
    given = tmp_path / "given"
    read = run_jailed(
        "tests.unit.sandbox.jail.read_job", str(given / "file").encode(), limits=LIMITS, readable=[given, Path(__file__).parent]
    )
    assert read == b"hello"
    with pytest.raises(JobFailed, match=r"PermissionError|FileNotFoundError"):
        run_jailed(
            "tests.unit.sandbox.jail.read_job",
            str(tmp_path / "other").encode(),
            limits=LIMITS,
            readable=[given, Path(__file__).parent],
        )


def test_a_job_dies_with_the_process_that_started_it() -> None:
    program = (
        "import time; from sandbox.jail.launch import JailedJob; from sandbox.jail.limits import GIB, Limits\n"
        "job = JailedJob('sandbox.jail.echo', limits=Limits(cpu_s=5, wall_s=60, address_space_bytes=GIB))\n"
        "print(job._process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    number = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    deadline_s = time.monotonic() + 60
    while _runs(number) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not _runs(number)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
