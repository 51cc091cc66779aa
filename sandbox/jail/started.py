"""A jailed job's process: a fresh interpreter, in bubblewrap's namespaces where the machine allows for that."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from sandbox.jail import child
from sandbox.jail.environment import ENVIRONMENT
from sandbox.jail.paths import MACHINE_DESCRIPTION, PACKAGE_DIR, SYSTEM_LIBRARIES, interpreter_paths, is_code_world_readable

Tier = Literal["T1", "T2", "none"]
"""T1: with namespaces (bubblewrap), T2: without."""
_NOBODY = 65534


class StartedProcess(subprocess.Popen[bytes]):
    """A process group of its own."""

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def start(job: str, settings: dict[str, Any], in_tier: Tier) -> StartedProcess:
    """`job`, `settings`: see `sandbox.jail.child`."""
    command = [sys.executable, "-I", str(Path(child.__file__).resolve()), job, json.dumps(settings)]
    as_nobody = in_tier == "T1" and os.geteuid() == 0 and is_code_world_readable()
    if in_tier == "T1":
        command = [*_bubblewrap(settings["readable"]), *command]
    return StartedProcess(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
        user=_NOBODY if as_nobody else None,
        group=_NOBODY if as_nobody else None,
        extra_groups=[] if as_nobody else None,
    )


def _bubblewrap(readable: Sequence[str]) -> list[str]:
    """The same file system view in namespaces: no process, network or file of the machine but what is named here."""
    program = shutil.which("bwrap") or "bwrap"
    command = [program, "--unshare-user", "--unshare-all", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
    command += ["--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "jail"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path in (*SYSTEM_LIBRARIES, "/usr/bin", *(p for p in MACHINE_DESCRIPTION if p.startswith("/sys"))):
        command += _bound(path)
    for path in (*interpreter_paths(), str(PACKAGE_DIR), *readable):
        command += ["--ro-bind", path, path]
    if not Path(sys.executable).is_relative_to(sys.prefix):
        command += ["--ro-bind-try", sys.executable, sys.executable]
    return [*command, "--chdir", "/", "--"]


def _bound(path: str) -> list[str]:
    if os.path.islink(path):  # /lib is a link to usr/lib on a merged system
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind-try", path, path]
