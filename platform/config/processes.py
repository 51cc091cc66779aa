"""The processes of a site on one machine, and how each makes sure that it does not outlive its supervisor.

Standard library only. As a script, `processes.py PROGRAM ARGUMENT…` becomes that program and dies with its parent.
"""

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

SUPERVISOR_VARIABLE = "SUPERVISED_BY"
"""Set by `manage.py up` for its processes: the supervisor's process id."""
STARTED_VARIABLE = "SITE_STARTED_AT_S"
"""Set by `manage.py up`: when this start began, seconds since the epoch. An older heartbeat is a dead process's."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Process:
    """A supervised process, run as `manage.py <command>`."""

    name: str
    command: str
    stop_timeout_s: int
    """How long it may finish its work after SIGTERM before SIGKILL."""


def site_processes(*, embedded_redis: bool) -> list[Process]:
    """In the order of their start; they stop in the opposite order, so that whoever writes can still write."""
    redis = [Process("redis", "redis_server", 10)] if embedded_redis else []
    return [
        *redis,
        Process("mlflow", "mlflow_server", 10),
        Process("provider-simulator", "provider_simulator", 5),
        Process("control", "control", 30),
        Process("node", "node", 30),
        Process("web", "web", 15),
    ]


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its supervisor dies, however that dies.

    The request survives `exec`. Outside a supervisor (`manage.py web` in a terminal) this does nothing.
    """
    supervisor_pid = os.environ.get(SUPERVISOR_VARIABLE)
    if not supervisor_pid or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(supervisor_pid):  # it died before the request was made
        raise SystemExit("The supervisor is gone.")


def _become(command: list[str]) -> None:
    die_with_parent()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    _become(sys.argv[1:])
