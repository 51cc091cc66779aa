"""Replicas that die: who is started again, and who is given up."""

import signal

from sandbox.replicas.restarts import DEATH_WINDOW_S, DEATHS_ALLOWED, LOAD_FAILED_EXIT, Restart, Restarts

KILLED = int(signal.SIGKILL)
"""Wait status of a process that a signal ended; of one that left by itself it is the exit status times 256."""


def test_one_that_never_took_a_request_is_given_up() -> None:
    restarts = Restarts()
    found = [restarts.after_death("e1", KILLED, was_ready=False) for _ in range(DEATHS_ALLOWED + 1)]
    assert found == [Restart.AT_ONCE] * DEATHS_ALLOWED + [Restart.NEVER]
    assert restarts.after_death("e2", KILLED, was_ready=False) is Restart.AT_ONCE
    restarts.forget("e1")
    assert restarts.after_death("e1", KILLED, was_ready=False) is Restart.AT_ONCE


def test_one_that_took_requests_never_is() -> None:
    restarts = Restarts()
    found = [restarts.after_death("e1", KILLED, was_ready=True) for _ in range(50)]
    assert found == [Restart.AT_ONCE] * DEATHS_ALLOWED + [Restart.LATER] * (50 - DEATHS_ALLOWED)


def test_old_deaths_do_not_count() -> None:
    restarts = Restarts()
    for number in range(20):
        now_s = number * (DEATH_WINDOW_S / DEATHS_ALLOWED + 1)
        assert restarts.after_death("e1", KILLED, was_ready=False, now_s=now_s) is Restart.AT_ONCE


def test_one_that_has_said_why_is_not_started_again() -> None:
    assert Restarts().after_death("e1", LOAD_FAILED_EXIT << 8, was_ready=False) is Restart.HAS_FAILED
